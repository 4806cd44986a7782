"""Strands over a render of the head that they grow on."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.hair import HairColor, Strands
from fitme.hair.dress import Undressed, dress
from fitme.render import RenderOutput
from fitme.render.camera import Camera
from fitme.render.light import Y0, Light

# Of the light that straight lines through the hair lose. Light that is scattered in hair and comes
# from elsewhere reaches the skin too; by eye on 20 photos.
SHADE, FAINT_SHADE = 0.75, 0.35


def with_hair(
    out: RenderOutput, strands: Strands, color: HairColor, camera: Camera, light: Light,
    shadows: bool = True,
) -> RenderOutput:  # fmt: skip
    """The render with hair in `color` and `alpha`; all else stays that of the head. Without
    `shadows` the hair's own on the skin is fainter, as a light that was estimated without them
    holds most of it.

    Raises ValueError for more than one picture.
    """
    shade = SHADE if shadows else FAINT_SHADE
    scene = undressed(out, camera, light)
    whole, _ = dress(scene, strands, color, camera, light.to("cpu"), shade)
    made = (torch.from_numpy(part)[None].to(out.color) for part in (whole.color, whole.alpha))
    return replace(out, **dict(zip(("color", "alpha"), made, strict=True)))


def undressed(out: RenderOutput, camera: Camera, light: Light) -> Undressed:
    """A render of batch 1 as hair needs it."""
    if len(out.color) != 1:
        raise ValueError(f"hair is drawn over one picture at a time, got {len(out.color)}")
    position = out.position
    seen = camera.transform(position.reshape(1, -1, 3)).reshape(position.shape)[0, ..., 2]
    depth = torch.where(out.rast[0, ..., 3] > 0, seen, torch.inf)
    parts = (out.color[0], out.alpha[0], depth, position[0], lamp_share(out, light)[0])
    return Undressed(*(part.detach().cpu().numpy() for part in parts))


def lamp_share(out: RenderOutput, light: Light) -> Tensor:
    """[1,H,W]: how much of a point's light is that of the lamps."""
    if light.directions.shape[1] == 0:
        return out.alpha.new_zeros(out.rast.shape[:3])
    towards = F.normalize(light.directions[0].to(out.color), dim=-1)
    lamps = ((out.normal @ towards.T).clamp_min(0) @ light.colors[0].to(out.color)).mean(-1)
    around = light.sh[0, 0].mean().to(out.color) * Y0
    return lamps / (lamps + around.clamp_min(1e-4))
