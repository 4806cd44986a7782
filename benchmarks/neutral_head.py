"""The neutral head of a fit against the true one: maps, and pictures from the same place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.known_heads import UNSEEN, KnownHead
from benchmarks.measures import albedo_error, normal_angle, psnr, similarity, typology_angle
from fitme.avatar.model import Avatar
from fitme.fit.visibility import pixels_of
from fitme.head.model import HeadModel
from fitme.reflectance.atlas import resized
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput
from fitme.render.light import Light


def aligned(fitted: Tensor, truth: Tensor, head: HeadModel) -> Tensor:
    """Vertices [1,V,3] of a fitted head moved, turned and scaled onto true ones, face on face."""
    face = head.regions["face"] > 0.5
    own, true = (v[0, face].double().numpy() for v in (fitted, truth))
    scale, rotation, shift = similarity(own, true)
    turn = torch.from_numpy(scale * rotation).float()
    return fitted @ turn.T + torch.from_numpy(shift).float()


def neutral_numbers(avatar: Avatar, regions: AtlasRegions, known: KnownHead) -> dict[str, float]:
    """Of the head at rest with the avatar's neutral maps, seen as `known` was photographed: albedo
    (mean |ln ratio|), tone (degrees), normals (degrees), and PSNR under lights of no photo."""
    true = known.avatar.skin.diffuse_albedo[0]
    size = len(true)
    fitted = resized(avatar.skin.diffuse_albedo, size)[0]
    skin, bare = (
        F.interpolate(mask[None, None], (size, size))[0, 0]
        for mask in (regions.skin, regions.skin * (1 - regions.marked))
    )
    row = {
        "albedo": albedo_error(fitted, true, skin)[0],
        "ITA off": typology_angle(fitted, bare) - typology_angle(true, bare),
    }
    vertices = aligned(avatar.neutral(), known.neutral, avatar.head)
    for name in UNSEEN:
        light = Light.preset(name)
        own = avatar.render(known.camera, light, vertices)
        out = known.avatar.render(known.camera, light, known.neutral)
        face = _shared_skin(own, out, regions)
        row[f"{name} dB"] = psnr(own.color[0], out.color[0], face)
    row["normal deg"] = normal_angle(own.normal[0], out.normal[0], (face > 0.9).float())
    return row


def _shared_skin(own: RenderOutput, true: RenderOutput, regions: AtlasRegions) -> Tensor:
    """Pixels [n,n] of the true face that the fitted head covers too."""
    return pixels_of(true, regions.skin)[0] * (own.alpha[0, ..., 0] > 0.99)
