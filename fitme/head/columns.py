"""Edges of lids and lips, measured in columns across an eye or a mouth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.runtime.constants import constant

REACH_M = 0.0014  # around a column, in which vertices count as its own
SHARP_M = 0.0002  # heights that tell a lid's margin from the skin beside it
SMOOTH = (0.25, 0.5, 0.25)  # over neighbouring columns


def lowest(points: Tensor, columns: Tensor, sign: int) -> Tensor:
    """Weights [C,M] of the highest (sign 1) or lowest (-1) of points [M,3] in each column [C]."""
    aside = (points[:, 0] - columns[:, None]).abs()
    nearest = aside.amin(1, keepdim=True)
    inside = (1 - (aside - nearest) / REACH_M).clamp_min(0)
    height = sign * points[:, 1].expand_as(aside)
    top = torch.where(inside > 0, height, -1.0).amax(1, keepdim=True)
    weight = inside * ((height - top) / SHARP_M).exp()
    return weight / weight.sum(1, keepdim=True)


def smoothed(values: Tensor, weight: Tensor) -> Tensor:
    """Values [C] averaged twice with their neighbours, by weight [C]."""
    kernel = constant(SMOOTH, values)[None, None]
    both = torch.stack([values * weight, weight])[:, None]
    for _ in range(2):
        both = F.conv1d(F.pad(both, (1, 1), mode="replicate"), kernel)
    return both[0, 0] / both[1, 0]


@dataclass(frozen=True)
class Arc:
    """A smooth line y(x) seen from the front, straight beyond its ends."""

    left: Tensor  # [] metres
    right: Tensor
    weights: Tensor  # [N] of the powers of x from -1 to 1 between them, constant first

    @staticmethod
    def through(points: Tensor, degree: int) -> Arc:
        """The polynomial that lies nearest to points [C,3]."""
        left, right = points[:, 0].amin(), points[:, 0].amax()
        place = (2 * (points[:, 0] - left) / (right - left).clamp_min(1e-6) - 1).double()
        rest, weights = points[:, 1].double(), torch.zeros_like(place[: degree + 1])
        # Orthogonal polynomials one by one (Gram-Schmidt): a GPU's host would wait for a solver.
        basis: list[tuple[Tensor, Tensor]] = []  # values [C] and weights of the powers
        for power in range(degree + 1):
            values = place**power
            own = torch.eye(degree + 1, dtype=values.dtype, device=values.device)[power]
            for other, others in basis:
                share = other @ values
                values, own = values - share * other, own - share * others
            length = values.norm().clamp_min(1e-12)
            basis.append((values / length, own / length))
            weights = weights + (basis[-1][0] @ rest) * basis[-1][1]
        return Arc(left, right, weights.to(points))

    def height(self, x: Tensor) -> Tensor:
        """y at x [N], metres."""
        half = 0.5 * (self.right - self.left)
        place = (x - self.left) / half - 1
        inside = place.clamp(-1, 1)
        index = torch.arange(len(self.weights), device=x.device)
        value = (inside[:, None] ** index) @ self.weights
        slope = (inside[:, None] ** (index[1:] - 1)) @ (index[1:] * self.weights[1:])
        return value + slope * (place - inside)

    def outside(self, x: Tensor) -> Tensor:
        """How far beyond an end x [N] lies, metres; below 0 between them."""
        return torch.maximum(self.left - x, x - self.right)

    def held(self, x: Tensor, values: Tensor) -> Tensor:
        """Values [C] at growing x [C]; beyond the ends those of the last column between them."""
        within = (self.outside(x) <= 0).int()
        first, last = within.argmax(), len(x) - 1 - within.flip(0).argmax()
        return values[torch.arange(len(x), device=x.device).clamp(first, last)]
