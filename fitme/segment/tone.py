"""How light a skin is, told from the colours of everything a photo shows of a person.

Brightness alone cannot tell dark skin in strong light from light skin in weak light. Whites of the
eyes, teeth, lips, hair and clothes beside the skin, the highlights on it and how its hue changes
towards them can, to some degree; a small network learned from synthetic photos weighs them, and
says how sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.segment.labels import Label

PIXELS = 128  # along the side of what is looked at
DARKEST = 2e-3  # linear value below which a pixel is black
CLIPPED = 0.93  # linear value above which a pixel may be cut off
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the brightness of each area
BANDS = 5  # from dark to bright, whose hue is looked at
GRID = 5  # places across the face at which the light is looked at
FEW = 6  # pixels of an area that say something
# Areas, and how sure the labels must be that a pixel belongs to them: thin ones are never sure
AREAS: tuple[tuple[tuple[Label, ...], float], ...] = (
    ((Label.SKIN,), 0.9), ((Label.EARS,), 0.7), ((Label.NECK,), 0.8), ((Label.BROWS,), 0.6),
    ((Label.EYES,), 0.6), ((Label.LIPS,), 0.7), ((Label.MOUTH,), 0.6),
    ((Label.HAIR, Label.BEARD), 0.8), ((Label.BACKGROUND,), 0.9), ((Label.CLOTHES,), 0.9),
    ((Label.GLASSES, Label.OTHER), 0.7),
)  # fmt: skip
OF_AREA = 1 + len(QUANTILES) + 2 * BANDS
SIZE = len(AREAS) * OF_AREA + len(QUANTILES) + 2 + GRID * GRID


def tone_features(linear: Tensor, labels: Tensor, inside: Tensor | None = None) -> Tensor:
    """[SIZE] of a face's crop, linear [3,n,n] in 0..1, and the probabilities [C,n,n] of its labels;
    not a number where the photo does not show what one is about. `inside` [n,n] bool says which
    pixels lie in the photo: what a crop shows beyond its edge is no backdrop."""
    if inside is None:
        inside = torch.ones_like(linear[0], dtype=torch.bool)
    labels = labels * inside
    shown = linear.clamp(DARKEST, 1).log().flatten(1)
    bright = shown.mean(0)
    rows = [
        _of_area(shown, bright, labels[list(names)].sum(0).flatten() > sure)
        for names, sure in AREAS
    ]
    rows.append(torch.quantile(bright[inside.flatten()], bright.new_tensor(QUANTILES)))
    skin = labels[Label.SKIN] > AREAS[0][1]
    brightest = linear.amax(0)
    whole = brightest[inside]
    cut = [whole, brightest[skin] if int(skin.sum()) >= FEW else whole]
    rows.append(torch.stack([(part > CLIPPED).float().mean() for part in cut]))
    rows.append(_across(bright.reshape(skin.shape), skin))
    return torch.cat(rows)


def _of_area(shown: Tensor, bright: Tensor, inside: Tensor) -> Tensor:
    """[OF_AREA]: how large an area is, how bright it is, and its hue from dark to bright."""
    count = int(inside.sum())
    share = bright.new_tensor([count / len(bright)])
    if count < FEW:
        return torch.cat([share, bright.new_full((OF_AREA - 1,), torch.nan)])
    values = bright[inside]
    hue = (shown[:, inside] - values)[[0, 2]]
    bands = [hue[:, part].mean(1) for part in values.argsort().tensor_split(BANDS)]
    return torch.cat([share, torch.quantile(values, values.new_tensor(QUANTILES)), *bands])


def _across(bright: Tensor, skin: Tensor) -> Tensor:
    """[GRID * GRID]: brightness over the skin's box against its median."""
    rows, columns = skin.nonzero(as_tuple=True)
    if len(rows) < FEW:
        return bright.new_full((GRID * GRID,), torch.nan)
    box = (
        slice(int(rows.min()), int(rows.max()) + 1),
        slice(int(columns.min()), int(columns.max()) + 1),
    )
    share = F.adaptive_avg_pool2d(skin[box][None].to(bright), GRID)
    level = F.adaptive_avg_pool2d((bright * skin)[box][None], GRID)
    relative = level / share.clamp_min(0.05) - bright[skin].median()
    return torch.where(share > 0.2, relative, torch.nan).flatten()


@dataclass(frozen=True)
class Tone:
    """What a photo says of the cheeks' diffuse albedo, linear: log of green, and logs of red and
    blue over green, each with a standard deviation."""

    mean: Tensor  # [...,3]
    spread: Tensor  # [...,3]

    @staticmethod
    def of(albedo: Tensor) -> Tensor:
        """Linear albedo [...,3] in these three numbers."""
        red, green, blue = albedo.clamp_min(DARKEST).log().unbind(-1)
        return torch.stack([green, red - green, blue - green], -1)

    @staticmethod
    def joined(tones: list[Tone]) -> Tone:
        """Of several photos of one person, as if what misleads were different in each."""
        weights = torch.stack([tone.spread.square().reciprocal() for tone in tones])
        means = torch.stack([tone.mean for tone in tones])
        total = weights.sum(0)
        return Tone((weights * means).sum(0) / total, total.rsqrt())

    def albedo(self) -> Tensor:
        """Linear [...,3]."""
        green, red, blue = self.mean.unbind(-1)
        return torch.stack([green + red, green, green + blue], -1).exp()
