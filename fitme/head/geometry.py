"""One person's shape: a head model, its identity coefficients, and layers of detail on top.

What holds a person's shape (a fit, an avatar, an export, a report) holds a `Geometry` and asks it
for vertices; `Geometry.vertices` is the only place where they are made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from fitme.head.lids import lid_seams
from fitme.head.lips import lip_seam
from fitme.head.mends import mends
from fitme.head.model import HeadModel
from fitme.head.teeth import crowns
from fitme.head.tension import skin_strain

STRAINS_AT_ONCE = 8  # expressions: all 52 of the shipped head at once took 400 MB more


class Layer(Protocol):
    """Detail on top of the head model, such as a deformation map."""

    def offsets(self, head: HeadModel, expression: Tensor) -> Tensor:
        """What it adds to the neutral vertices, [P,V,3] metres, for expressions [P,E]."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """What it is made of, by name: what a fit changes and a file keeps."""
        ...

    def to(self, device: torch.device | str) -> Layer:
        """The same layer on another device."""
        ...


@dataclass(frozen=True)
class Geometry:
    """The shape of one person; P poses share it."""

    head: HeadModel
    identity: Tensor  # [1,K]
    layers: tuple[Layer, ...] = ()

    def vertices(self, expression: Tensor | None = None, gaze: Tensor | None = None) -> Tensor:
        """Vertices [P,V,3] in metres with expressions [P,E] in 0..1 and gazes [P,2,2] radians, see
        `HeadModel.pose`; without them neutral, the eyes straight ahead."""
        poses = next((len(x) for x in (expression, gaze) if x is not None), 1)
        identity = self.identity.expand(poses, -1)
        shape = self.head.shape(identity, expression)
        if expression is not None:
            shape = self._mended(shape, expression)
        for layer in self.layers:
            at_rest = identity.new_zeros(poses, len(self.head.expression_names))
            shape = shape + layer.offsets(self.head, at_rest if expression is None else expression)
        seam = lip_seam(self.head)
        if seam is not None:
            shape = shape.index_add(1, seam.vertices, self._lips.expand(poses, -1, -1))
        teeth = crowns(self.head)
        if teeth is not None:
            shape = shape.index_add(1, teeth.vertices, teeth.offsets[None].expand(poses, -1, -1))
        return self.head.pose(shape, gaze=gaze)

    def expression_offsets(self) -> Tensor:
        """What each expression in full adds to the neutral vertices, [E,V,3] metres; the eyes'
        turning is not in it. Made once; not to be written into."""
        return self._expression_offsets

    @cached_property
    def _expression_offsets(self) -> Tensor:
        offsets = self.head.expression
        offsets = self._mended(offsets, torch.eye(len(offsets)).to(offsets))
        for layer in self.layers:
            full = torch.eye(len(offsets)).to(offsets)
            at_rest = torch.zeros_like(full[:1])
            added = layer.offsets(self.head, full) - layer.offsets(self.head, at_rest)
            offsets = offsets + added  # zeros stay zeros, as exports leave them out
        return offsets

    def _mended(self, shape: Tensor, expression: Tensor) -> Tensor:
        """Vertices [P,V,3] with what makes the blinks of expressions [P,E] shut this person's eyes,
        and with the mends of expressions."""
        for vertices, which, correction in self._lids:
            shape = shape.index_add(1, vertices, expression[:, which, None, None] * correction)
        for mend in mends(self.head):
            shape = mend.add(shape, expression)
        return shape

    @cached_property
    def _lips(self) -> Tensor:
        """`LipSeam.correction` [1,N,3]; the shape learns nothing from it."""
        seam = lip_seam(self.head)
        assert seam is not None
        with torch.no_grad():
            rest = self.head.shape(self.identity)
            at_rest = rest.new_zeros(1, len(self.head.expression_names))
            for layer in self.layers:
                rest = rest + layer.offsets(self.head, at_rest)
            return seam.correction(rest[0])[None]

    @cached_property
    def _lids(self) -> list[tuple[Tensor, int, Tensor]]:
        """Vertices [N], the expression, and what is added to it [N,3] for this person's eyes; the
        shape learns nothing from it."""
        with torch.no_grad():
            rest = self.head.shape(self.identity)[0]
            found = []
            for seam in lid_seams(self.head):
                found.append((seam.vertices, seam.blink, seam.correction(rest)))
                if seam.look is not None:
                    found.append((seam.vertices, seam.look, seam.look_correction(rest)))
            return found

    @cached_property
    def expression_strain(self) -> Tensor:
        """Strain of the skin by each expression in full, [E,V,3]; see `skin_strain`."""
        neutral = self.vertices()
        some = self.expression_offsets().split(STRAINS_AT_ONCE)
        return torch.cat([skin_strain(self.head, neutral, neutral + one) for one in some])

    def strain_of(self, expressions: list[int]) -> Tensor:
        """`expression_strain` of some, [N,V,3], in a part of the time."""
        neutral = self.vertices()
        return skin_strain(self.head, neutral, neutral + self.expression_offsets()[expressions])

    def to(self, device: torch.device | str) -> Geometry:
        """The same shape with every tensor on `device`; itself where it is there, with what it
        keeps."""
        if self.identity.device == torch.device(device):
            return self
        layers = tuple(layer.to(device) for layer in self.layers)
        return replace(
            self, head=self.head.to(device), identity=self.identity.to(device), layers=layers
        )
