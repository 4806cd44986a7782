"""Recipe of the deformation's prior: `python -m fitme.models.train.deformation`.

Smooth random fields on the mean head: amplitude and correlation length are measured, the
covariance is cut to its largest eigenvectors (Karhunen-Loeve). The two sides of a face are almost
mirror images, so fields are split into even and odd ones, and deformations into symmetric ones and
others, of a smaller spread. About a minute on one core; draws nothing at random.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from fitme.detail.fields import FIELDS_FILE
from fitme.detail.surface import MapSurface
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel, load_head
from fitme.head.parts import Role
from fitme.runtime.files import atomic_write_bytes

TEXELS = 64  # of a map: 3.7 mm on the face, finer than what the fields vary over
# Measured by `python -m benchmarks.deformation_prior` on what 11 foreign heads have beyond their
# best fit in the model's 90 components, metres.
# Along the normal; 0.9 to 1.1 mm in all regions of the face, 0.55 of its variance in the SCALES.
NORMAL_M = 0.0008
TANGENT_M = 0.0004  # along the face; measured 1.3 mm, but most of that is how points slide
# Share of the variance and correlation length in metres. Measured correlations along the normal,
# 0.55 at 5 mm, 0.30 at 10, 0.19 at 18, 0.07 at 27, are those of 0.30 of 16 mm, 0.25 of 7 mm and
# 0.45 of 2.5 mm. The last is finer than texels and than what a photo's outlines and points tell.
SCALES = ((0.55, 0.016), (0.45, 0.007))
# Spread of what is not symmetric over that of what is: 0.11 for these heads, whose makers may have
# mirrored them; 0.13 for the model's components, 0.6 for the last thirty of them.
UNEVEN = 0.25
# Metres on the mean head: none where the eyeball is nearer than the first, all from the second on;
# likewise beyond the frontal face, from its edge on.
FROM_EYE = (0.0015, 0.010)
BEYOND_FACE = (0.003, 0.028)
FIELDS = 110  # even ones, and as many odd ones
LEAST_SHARE = 0.01  # of the amplitude: texels below stay at rest
# Along the normal of the whole neck, metres. Of four people whose necks were seen before the
# background, those of fitted components were 3 to 7 mm too wide on each side of three.
NECK_M = 0.006
# Heights on the mean head, metres: the neck moves not at all above the first, in full below the
# second
NECK_FROM = (-0.055, -0.085)


def fields_file(head: HeadModel, texels: int = TEXELS) -> bytes:
    """The file that `DeformationFields.load` reads. Fields are kept as their left halves."""
    surface = MapSurface.of(head, texels)
    amplitude = face_share(head, surface.positions)
    even, odd = (eigenfields(surface.positions, amplitude, sign) for sign in (1.0, -1.0))
    # To the left on the left is to the right on the right: symmetric sideways fields are odd.
    spread = torch.tensor([NORMAL_M, TANGENT_M, TANGENT_M])
    by_even = spread * torch.tensor([1.0, UNEVEN, 1.0])
    by_odd = spread * torch.tensor([UNEVEN, 1.0, UNEVEN])
    neck = neck_field(head, surface.positions)
    by_neck = torch.tensor([NECK_M, 0.0, 0.0])
    counts = torch.tensor([len(even), len(odd), len(neck)])
    tensors = {
        "left": torch.cat([even, odd, neck]).half(),
        "sign": torch.tensor([1.0, -1.0, 1.0]).repeat_interleave(counts),
        "spread": torch.stack([by_even, by_odd, by_neck]).repeat_interleave(counts, 0),
    }
    return save(tensors, metadata={"head": head.fingerprint()})


def face_share(head: HeadModel, positions: Tensor) -> Tensor:
    """How much each texel [R,R,3] may move, [R,R] in 0..1: the face, not the rims of the lids, less
    and less towards neck and ears."""
    points = positions.reshape(-1, 3)
    skin = head.part_vertices(head.skin.name)
    face = skin[head.regions["face"][skin] > 0.5]
    beyond = torch.cdist(points, head.mean[face]).amin(1)
    share = 1 - smoothstep(*BEYOND_FACE, beyond)
    for eye in head.parts_with(Role.EYE):
        ball = head.mean[head.part_vertices(eye.name)]
        share = share * smoothstep(*FROM_EYE, torch.cdist(points, ball).amin(1))
    share = share.reshape(positions.shape[:2])
    return 0.5 * (share + share.flip(1))


def neck_field(head: HeadModel, positions: Tensor) -> Tensor:
    """Left half [1,R,R/2] of the field that makes the neck thicker or thinner."""
    skin = head.part_vertices(head.skin.name)
    face = head.regions["face"][skin]
    nearest = torch.cdist(positions.reshape(-1, 3), head.mean[skin]).argmin(1)
    jaw = face[nearest].reshape(positions.shape[:2])
    share = smoothstep(*NECK_FROM, positions[..., 1]) * (1 - jaw)
    share = 0.5 * (share + share.flip(1))
    return share[None, :, : len(positions) // 2]


def eigenfields(positions: Tensor, share: Tensor, sign: float) -> Tensor:
    """Left halves [FIELDS,R,R/2] of the largest eigenvectors times the roots of their eigenvalues,
    of fields whose mirror image is `sign` times themselves."""
    side = len(positions)
    half = side // 2
    here = positions[:, :half].reshape(-1, 3).double()
    there = here * here.new_tensor([-1.0, 1.0, 1.0])
    weight = share[:, :half].reshape(-1).double()
    used = (weight > LEAST_SHARE).nonzero()[:, 0]
    here, there, weight = here[used], there[used], weight[used]
    covariance = correlation(here, here) + sign * correlation(here, there)
    if sign > 0:  # of unit variance at the midline, too, where both sides are one
        root = covariance.diagonal().rsqrt()
        covariance = root[:, None] * covariance * root
    value, vector = torch.linalg.eigh(weight[:, None] * covariance * weight)
    made = (vector[:, -FIELDS:] * value[-FIELDS:].clamp_min(0).sqrt()).flip(1).T
    kept = float(value[-FIELDS:].sum() / value.sum())
    print(f"{len(used)} texels of a half, {FIELDS} fields keep {100 * kept:.1f} % of the variance")
    fields = positions.new_zeros(len(made), side * half)
    fields[:, used] = made.float()
    return fields.reshape(-1, side, half)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Of points [N,3] and [M,3] in metres, [N,M]."""
    square = torch.cdist(first, second).square()
    parts = [weight * (-0.5 * square / length**2).exp() for weight, length in SCALES]
    return torch.stack(parts).sum(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("models/weights") / FIELDS_FILE)
    args = parser.parse_args()
    atomic_write_bytes(args.out, fields_file(load_head()))


if __name__ == "__main__":
    main()
