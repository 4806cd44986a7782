"""What a smile tells about the colour of teeth.

Lips are not where the render has them to the pixel, and lips, gums and gaps are darker and redder
than teeth: only the brighter pixels of front teeth count that are no redder than most teeth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fitme.fit.observation import Crops
from fitme.fit.ratio import albedo_ratio
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.head.teeth import COLUMNS, QUADRANTS
from fitme.render import Material, RenderOutput

FRONT = 4  # columns from the midline, whose shade is little
BODY = (0.12, 0.62)  # from tip to gum, without the translucent edge and what gums cover
REDDER = 0.35  # log of red over blue, photo over render: lips and gums
BRIGHTER = (0.5, 0.95)  # shares of the rest, by brightness: above gaps and lips, below gloss
FEW, ENOUGH = 40, 120  # pixels that say nothing, and as much as what teeth usually are
DARKER, LIGHTER, CHROMA = 0.6, 0.12, 0.12  # bounds of the log gain's mean, and of its rest


@torch.no_grad()
def teeth_gain(head: HeadModel, out: RenderOutput, crops: Crops) -> Tensor | None:
    """[3]: log of the albedo of teeth that P photos show over that of their renders; None where
    none shows teeth."""
    teeth = [part.index for part in head.parts_with(Role.TEETH)]
    if not teeth:
        return None
    column = (out.uv[..., 0] * COLUMNS).floor()
    down = (out.uv[..., 1] * QUADRANTS) % 1
    seen = torch.isin(out.part, out.part.new_tensor(teeth)) & (column < FRONT)
    seen &= (down > BODY[0]) & (down < BODY[1])
    values = albedo_ratio(out, crops)[seen]
    values = values[values[:, 0] - values[:, 2] < REDDER]
    if len(values) < FEW:
        return None
    light = values.mean(-1)
    least, most = light.quantile(light.new_tensor(BRIGHTER))
    middle = values[(light >= least) & (light <= most)].median(0).values
    gain = middle * len(values) / (len(values) + ENOUGH)
    grey = gain.mean()
    bound = DARKER if grey < 0 else LIGHTER
    return bound * (grey / bound).tanh() + CHROMA * ((gain - grey) / CHROMA).tanh()


def with_teeth(
    materials: Sequence[Material], head: HeadModel, gain: Tensor | None
) -> list[Material]:
    """A head's materials with teeth whose log albedo is higher by a gain [3]."""
    own = {part.index for part in head.parts_with(Role.TEETH)}
    if gain is None:
        return list(materials)
    return [
        replace(one, diffuse_albedo=one.diffuse_albedo * gain.exp()) if index in own else one
        for index, one in enumerate(materials)
    ]
