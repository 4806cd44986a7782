"""The folds that expressions make in people whose photos show none.

    python -m fitme.models.train.wrinkles --out models/weights/wrinkles.safetensors

Lines of the synthesizer (`synth_lines`) where faces fold: forehead, glabella, crow's feet, below
the eyes, beside nose and mouth, above the lips, and two sets that resting faces do not have, across
the bridge of the nose and on the chin. EXAMPLES draws of one depth (that of a face of 70), as
heights in millimetres. The direction across the folds is that of the mean structure tensor of many
draws. A fold is complete at a share of the largest compression across it that any one ARKit shape
of the head model, or a pair of left and right, causes there. Nothing of a photo is in it.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from fitme.detail.wrinkles import STRAIN_TEXELS, strain_maps
from fitme.head.model import HeadModel, load_head
from fitme.head.tension import strain_across
from fitme.models.train import synth_lines as lines
from fitme.models.train.synth_anatomy import Anatomy, build_anatomy
from fitme.models.train.synth_parameters import COUNT, NAMES, Face
from fitme.models.train.synth_random import Stream
from fitme.models.train.synth_splat import blur
from fitme.reflectance.atlas import averaged
from fitme.runtime.files import atomic_write_bytes

FORMAT = "fitme-wrinkles-1"
TEXELS = 512
EXAMPLES, DRAWS = 4, 24
VARIED = 0.35  # spread of the depths of sets of lines, of the parameters' own
# What a face of 70 keeps at rest is left of much deeper folds: 0.1 to 0.2 mm in the middle of the
# forehead, against 0.3 and more when the brows go up. Depth over that at rest, and the spread that
# `synth_lines` gives the parameter. A groove of depth d and deviation s is 0.44 d^2 / s longer than
# flat skin: 0.5 mm every 6 mm take up 2 % of its length, a third of the compression at which they
# are complete; those at rest 0.1 %, which nobody sees.
MOVING = {"forehead_lines": (5.0, 0.6), "frown_lines": (2.5, 0.7), "crows_feet": (4.0, 0.6)}
WIDE_MM = 4.0  # over which directions are averaged
COMPLETE = 0.7  # of the largest compression
LEAST, MOST = 0.04, 0.30  # compression at which a fold is complete


def draw_heights(anatomy: Anatomy, count: int, seed: int) -> Tensor:
    """[count,R,R] millimetres over the smooth head, grooves below zero."""
    draws = torch.Generator().manual_seed(seed)
    parameters = torch.zeros(count, COUNT)
    for name in NAMES:
        if name.endswith(("lines", "feet")) or name == "nasolabial":
            parameters[:, NAMES.index(name)] = VARIED * torch.randn(count, generator=draws)
        if name in MOVING:
            deeper, spread = MOVING[name]
            parameters[:, NAMES.index(name)] += math.log(deeper) / spread
    parameters[:, NAMES.index("age")] = 1
    found = []
    for k in range(count):
        face = Face(parameters[k : k + 1])
        made = lines.LineSet(face, anatomy, Stream(torch.tensor([seed * 1000 + k])))
        for add in (
            lines.forehead,
            lines.frown,
            lines.around_eyes,
            lines.around_mouth,
            _nose,
            _chin,
        ):
            add(made)
        found.append(lines.draw_lines(made.found, anatomy)[0])
    return torch.cat(found)


def _nose(s: lines.LineSet) -> None:
    """Across the bridge and down its sides, of a wrinkled nose."""
    count = 5
    u = s.stream.uniform("bunny", 2 * count, 3)
    row = torch.arange(count, device=s.device).repeat(2)
    inner = s.p.eye_inner
    y = inner[1] - 1 - 3.2 * row + 1.5 * (u[..., 0] - 0.5)
    x = 3.0 + 0.6 * row
    start = s.per_side(lines.pair(x + 0 * y, y))
    middle = s.per_side(lines.pair(x + 4.5 + 0 * y, y + 0.5))
    end = s.per_side(lines.pair(x + 8 + 3 * u[..., 1], y - 3.0))
    s.curve(start, middle, end, 0.22 * s.amount("frown_lines", 0.5) * (0.4 + u[..., 2]), 1, 12)


def _chin(s: lines.LineSet) -> None:
    """The crease between lip and chin, and the dimples of a raised one."""
    u = s.stream.uniform("chin", 1, 2)
    middle_y = 0.55 * s.p.mouth[1] + 0.45 * s.p.chin[1]
    y = middle_y + 2 * (u[..., 0] - 0.5)
    half = 13 + 3 * u[..., 1]
    depth = 0.45 * s.amount("mouth_lines", 0.4) * (0.7 + 0.3 * u[..., 0])
    s.curve(
        lines.pair(-half, y - 2),
        lines.pair(0 * y, y + 2.5),
        lines.pair(half, y - 2),
        depth,
        2,
        30,
    )


SETS = (lines.forehead, lines.frown, lines.around_eyes, lines.around_mouth, _nose, _chin)


def across(heights: Tensor, texel_mm: float) -> Tensor:
    """Angle [R,R] in (u, v) across the lines of heights [N,R,R]."""
    by_v, by_u = torch.gradient(heights, dim=(1, 2))
    tensor = torch.stack([by_u * by_u - by_v * by_v, 2 * by_u * by_v]).mean(1)
    for _ in range(2):
        tensor = blur(tensor, WIDE_MM / texel_mm)
    return 0.5 * torch.atan2(tensor[1], tensor[0])


def complete_at(head: HeadModel, angle: Tensor) -> Tensor:
    """Compression [r,r] across `angle` [r,r] at which folds are complete."""
    neutral = head.mean[None]
    names = list(head.expression_names)
    poses = []
    for index, name in enumerate(names):
        offset = head.expression[index]
        if name.endswith("Left") and name[:-4] + "Right" in names:
            offset = offset + head.expression[names.index(name[:-4] + "Right")]
        poses.append(neutral[0] + offset)
    strain = strain_maps(head, neutral, torch.stack(poses), len(angle))
    most = (-strain_across(strain, angle)).amax(0)
    return (COMPLETE * most).clamp(LEAST, MOST)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    head = load_head()
    anatomy = build_anatomy(head, TEXELS)
    heights = draw_heights(anatomy, DRAWS, args.seed)
    angle = across(heights, anatomy.atlas.mean_texel_mm())
    double = torch.stack([(2 * angle).cos(), (2 * angle).sin()], -1)[None]
    double = averaged(double, STRAIN_TEXELS)[0]
    angle = 0.5 * torch.atan2(double[..., 1], double[..., 0])
    tensors = {
        "compressed_mm": heights[:EXAMPLES].half().contiguous(),
        "angle": angle.half().contiguous(),
        "complete": complete_at(head, angle).half().contiguous(),
    }
    atomic_write_bytes(args.out, save(tensors, metadata={"format": FORMAT}))
    deepest = float(-heights[:EXAMPLES].min())
    print(f"{args.out}: {EXAMPLES} examples of {TEXELS} texels, deepest {deepest:.2f} mm")


if __name__ == "__main__":
    main()
