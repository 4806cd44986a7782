"""Strands over a render of the head that they grow on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fitme.hair import HairColor, Kind, Strands
from fitme.hair.bust import before_bust
from fitme.hair.cover import PAINTED, cover, root_albedo
from fitme.hair.dress import FINER, Undressed, dress
from fitme.render import RenderOutput
from fitme.render.camera import Camera
from fitme.render.depth import depth_of
from fitme.render.light import Y0, Light
from fitme.runtime.kept import kept_with

Floats = NDArray[np.floating[Any]]

SHOULDERS = -0.12  # metres, height from which hair lies on the bust
PRESSED = 0.012  # metres by which hair presses into the bust
DARKEST = 0.01  # albedo of skin, which none is darker than
# Of the light that straight lines through the hair lose. Light that is scattered in hair and comes
# from elsewhere reaches the skin too; by eye on 20 photos.
SHADE, FAINT_SHADE = 0.75, 0.35


def with_hair(
    out: RenderOutput, strands: Strands, color: HairColor, camera: Camera, light: Light,
    vertices: Tensor, triangles: Tensor, shadows: bool = True,
) -> RenderOutput:  # fmt: skip
    """The render with hair in `color` and `alpha`; all else stays that of the head, posed as
    vertices [1,V,3] with triangles [T,3]. Without
    `shadows` the hair's own on the skin is fainter, as a light that was estimated without them
    holds most of it.

    Raises ValueError for more than one picture.
    """
    shade = SHADE if shadows else FAINT_SHADE
    scene = undressed(out, camera, light)
    fine = camera.resized(FINER * camera.height, FINER * camera.width).to("cpu")
    depth = depth_of(vertices.detach(), triangles, fine)
    if float(strands.points[..., 1].min()) < SHOULDERS:
        depth = before_bust(depth, strands.moved, fine, PRESSED)
    scene = replace(scene, fine=depth)
    scene = replace(scene, color=scene.color + rooted(out, strands, color, triangles))
    albedo = kept_with(strands, color, lambda: color.albedo(strands))
    whole, _ = dress(scene, strands, albedo, camera, light.to("cpu"), shade)
    made = (torch.from_numpy(part)[None].to(out.color) for part in (whole.color, whole.alpha))
    return replace(out, **dict(zip(("color", "alpha"), made, strict=True)))


def rooted(out: RenderOutput, strands: Strands, color: HairColor, triangles: Tensor) -> Floats:
    """[H,W,3]: what changes of a render of batch 1 where roots hide the skin between them."""
    height, width = out.rast.shape[1:3]
    change = np.zeros((height * width, 3), np.float32)
    if len(out.pixels) == 0:
        return change.reshape(height, width, 3)
    share, root = kept_with(strands, ("roots", color), lambda: _roots(strands, color))
    if root is None:
        return change.reshape(height, width, 3)
    corners = share[triangles.cpu().numpy()][out.face_points.cpu().numpy()]
    weight = out.rast[0, ..., :2].reshape(-1, 2)[out.pixels].cpu().numpy()
    weight = np.concatenate([weight, 1 - weight.sum(1, keepdims=True)], 1)
    at = (corners * weight).sum(1, keepdims=True)
    diffuse, specular, albedo = (
        part.detach().cpu().numpy()
        for part in (out.diffuse_points, out.specular_points, out.albedo_points)
    )
    ratio = root / np.maximum(albedo, DARKEST)
    change[out.pixels.cpu().numpy()] = at * (diffuse * (ratio - 1) - specular)
    return change.reshape(height, width, 3)


def _roots(strands: Strands, color: HairColor) -> tuple[Floats, Floats | None]:
    """How far roots hide the skin at each vertex [V], and the albedo [3] that it has there; None
    of that without hair on the head."""
    own = strands.of_kind(Kind.HAIR)
    if len(own) == 0:
        return np.zeros(0, np.float32), None
    return PAINTED * cover(own), root_albedo(own, color)


def undressed(out: RenderOutput, camera: Camera, light: Light) -> Undressed:
    """A render of batch 1 as hair needs it."""
    if len(out.color) != 1:
        raise ValueError(f"hair is drawn over one picture at a time, got {len(out.color)}")
    position = out.position
    seen = camera.transform(position.reshape(1, -1, 3)).reshape(position.shape)[0, ..., 2]
    depth = torch.where(out.rast[0, ..., 3] > 0, seen, torch.inf)
    parts = (out.color[0], out.alpha[0], depth, position[0], lamp_share(out, light)[0], depth)
    return Undressed(*(part.detach().cpu().numpy() for part in parts))


def lamp_share(out: RenderOutput, light: Light) -> Tensor:
    """[1,H,W]: how much of a point's light is that of the lamps."""
    if light.directions.shape[1] == 0:
        return out.alpha.new_zeros(out.rast.shape[:3])
    towards = F.normalize(light.directions[0].to(out.color), dim=-1)
    lamps = ((out.normal @ towards.T).clamp_min(0) @ light.colors[0].to(out.color)).mean(-1)
    around = light.sh[0, 0].mean().to(out.color) * Y0
    return lamps / (lamps + around.clamp_min(1e-4))
