"""What is added to expressions of the head model so that they look and fit as in life."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.model import HeadModel


@dataclass(frozen=True)
class Mend:
    """Offsets that go with some expressions; the same for everybody."""

    expressions: Tensor  # [E] indices
    signs: Tensor  # [E] what a whole one of each counts
    vertices: Tensor  # [N] int64
    offsets: Tensor  # [N,3] metres

    @staticmethod
    def of(head: HeadModel, added: Tensor, **signs: float) -> Mend:
        """From what is added to all vertices, [V,3], by expressions with these names."""
        vertices = (added.abs().amax(-1) > 1e-6).nonzero()[:, 0]
        expressions = torch.tensor([head.expression_index(name) for name in signs]).to(vertices)
        values = added.new_tensor(list(signs.values()))
        return Mend(expressions, values, vertices, added[vertices])

    def add(self, shape: Tensor, expression: Tensor) -> Tensor:
        """Vertices [P,V,3] with expressions [P,E], mended."""
        weight = expression[:, self.expressions] @ self.signs
        return shape.index_add(1, self.vertices, weight[:, None, None] * self.offsets)
