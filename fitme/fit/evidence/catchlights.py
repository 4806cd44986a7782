"""Lights that an iris mirrors: where the brightest of them stands.

Harmonics cannot make a highlight, and the one lamp of a fit stands where skin wants it. A cornea is
a mirror: the place of a highlight on it tells the direction of what it mirrors (Nishino and Nayar,
"Corneal Imaging System", IJCV 2006). That much light is taken out of the harmonics and put into a
lamp, so that skin keeps its light and eyes have theirs.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.evidence.eye_places import PlacedEye, placed, seen_eye
from fitme.fit.observation import Crops
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.head.parts import Role
from fitme.image.color import luminance
from fitme.reflectance.eyes import CORNEA_F0, CORNEA_ROUGHNESS, IRIS_SHARE
from fitme.render import RenderOutput, get_backend
from fitme.render.brdf import reflect
from fitme.render.light import Light, sh_basis

WITHIN = 0.72  # of the iris' radius: beyond it the white may shine in
RINGS, ANGLES = 20, 72
BRIGHTER, LEAST = 2.5, 0.06  # times the iris' middle and linear radiance above it, at least
SHARE = 0.6  # of the peak above the iris: what belongs to the highlight
LARGEST = 0.22  # share of the iris that a highlight may cover
CLIPPED = 1.5  # highlights are brighter than photos show
MOST = 0.4  # of the light's strength that a lamp takes
PEAK = math.pi * CORNEA_F0 * 0.25 / (math.pi * CORNEA_ROUGHNESS**4)  # of GGX, per lamp facing it


@torch.no_grad()
def catchlights(
    session: Session, state: FitState, out: RenderOutput, crops: Crops, seen: Tensor
) -> list[Tensor | None]:
    """Per photo the direction times the intensity [3] of the lamp that its eyes mirror; None where
    they show none. `out` is the picture beside the crops, seen [P,n,n] the eyes' pixels."""
    vertices, camera = state.posed(session.head), session.camera(state, crops)
    backend = get_backend(None, session.head.device)
    normals = backend.vertex_normals(vertices, session.head.triangles.int())
    strength = state.frames.strength()
    found: list[Tensor | None] = []
    marks = crops.from_photo(session.landmarks(crops))
    drawn = camera.project(session.head.landmarks(vertices))
    photos, uv, parts, trusted, marks, drawn = (
        x.cpu() for x in (crops.pixels, out.uv, out.part, seen, marks, drawn)
    )
    for k in range(len(seen)):
        lamps, bright = [], []
        for part in session.head.parts_with(Role.EYE):
            eye = placed(uv[k], (parts[k] == part.index) & (trusted[k] > 0.5))
            if eye is None:
                continue
            place = seen_eye(eye, photos[k], marks[k], drawn[k], part.side)
            spot = _spot(place, photos[k])
            if spot is None:
                continue
            corner, normal = _surface(
                session, part.index, spot[0].to(vertices.device), vertices[k], normals[k]
            )
            view = F.normalize(camera.position[k] - corner, dim=-1)
            lamps.append(spot[1] * reflect(view, normal))  # the brighter is the surer
            bright.append(spot[1])
        if not lamps:
            found.append(None)
            continue
        direction = F.normalize(torch.stack(lamps).sum(0), dim=-1)
        intensity = min(CLIPPED * max(bright) / PEAK, MOST * float(strength[k]))
        found.append(direction * intensity)
    return found


def with_catchlight(light: Light, lamp: Tensor | None) -> Light:
    """A photo's light with a lamp [3] more and as much less in its harmonics; the same for None."""
    if lamp is None:
        return light
    intensity = lamp.norm().clamp_min(1e-6)
    direction = lamp / intensity
    tint = light.sh[:, 0].clamp_min(1e-3)
    color = intensity * tint / luminance(tint)[:, None]  # [1,3], of the surround's own colour
    taken = math.pi * sh_basis(direction)[None, :, None] * color[:, None]
    return replace(
        light, sh=light.sh - taken,
        directions=torch.cat([light.directions, direction[None, None]], 1),
        colors=torch.cat([light.colors, color[:, None]], 1),
    )  # fmt: skip


def _spot(eye: PlacedEye, photo: Tensor) -> tuple[Tensor, float] | None:
    """Where in the eye's tile, from its middle [2], a photo [n,n,3] has a highlight on the iris,
    and by how much it is brighter; None where there is none."""
    radius = (torch.arange(RINGS).to(photo) + 0.5) / RINGS * WITHIN
    angle = torch.arange(ANGLES).to(photo) * 2 * math.pi / ANGLES
    radius, angle = radius[:, None].expand(-1, ANGLES), angle.expand(RINGS, -1)
    grid = eye.pixels(radius, angle) / len(photo) * 2 - 1
    image = luminance(photo)[None, None]
    values = F.grid_sample(image, grid[None], padding_mode="border", align_corners=False)[0, 0]
    middle = values.median()
    peak = values.amax() - middle
    if float(peak) < max(LEAST, (BRIGHTER - 1) * float(middle)):
        return None
    lit = (values > middle + SHARE * peak) * radius
    if float(lit.sum() / radius.sum()) > LARGEST:
        return None
    place = torch.stack([angle.cos(), angle.sin()], -1) * (IRIS_SHARE * radius)[..., None]
    return (place * lit[..., None]).sum((0, 1)) / lit.sum(), float(peak)


def _surface(
    session: Session, part: int, place: Tensor, vertices: Tensor, normals: Tensor
) -> tuple[Tensor, Tensor]:
    """Point and normal [3] of an eyeball at a place of its tile, from its middle [2]; vertices and
    normals [V,3]."""
    own = session.head.part == part
    corners = session.head.triangles[own].flatten()
    apart = (session.head.uv[session.head.uv_triangles[own].flatten()] - 0.5 - place).norm(dim=-1)
    near = apart.topk(12, largest=False).indices
    weight = 1 / (apart[near] + 1e-4) ** 2
    weight = weight / weight.sum()
    normal = F.normalize(weight @ normals[corners[near]], dim=-1)
    point = weight @ vertices[corners[near]]
    return point, normal
