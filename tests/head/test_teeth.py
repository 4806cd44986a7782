"""Teeth that touch their neighbours."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F

from fitme.head.geometry import Geometry
from fitme.head.model import load_head
from fitme.head.parts import Role
from fitme.head.teeth import COLUMNS, CUTTING, QUADRANTS, RINGS, SECTORS, crowns
from tests.tiny_head import tiny_head


def teeth_of(points: torch.Tensor) -> list[list[torch.Tensor]]:
    """[S R + 1, 3] of each tooth by quadrant and column."""
    sizes = [1 + rings * sectors for rings, sectors in zip(RINGS, SECTORS, strict=True)]
    flat = points.split(sizes * QUADRANTS)
    return [list(flat[k : k + COLUMNS]) for k in range(0, len(flat), COLUMNS)]


class TestCrowns:
    def test_front_teeth_touch_in_every_jaw(self) -> None:
        head = load_head()
        own = head.vertices_with((Role.TEETH,))
        shape = Geometry(head, torch.zeros(1, 1)).vertices()[0, own]
        gaps = []
        for points in (head.mean[own], shape):
            widths = []
            for quadrant in teeth_of(points):
                for one, other in itertools.pairwise(quadrant[:CUTTING]):
                    towards = F.normalize(other.mean(0) - one.mean(0), dim=0)
                    rings = [
                        (tooth[1:] @ towards).view(RINGS[0], -1)[4:7] for tooth in (one, other)
                    ]
                    widths.append(float((rings[1].amin(1) - rings[0].amax(1)).amax()))
            gaps.append(max(widths))
        assert gaps[0] > 0.001 and gaps[1] < 0.0004

    def test_only_teeth_move_and_little(self) -> None:
        head = load_head()
        found = crowns(head)
        assert found is not None and torch.equal(found.vertices, head.vertices_with((Role.TEETH,)))
        assert 0.0005 < float(found.offsets.norm(dim=-1).amax()) < 0.002
        both = found.offsets.norm(dim=-1).view(2, 2, -1).amax(-1)
        assert torch.allclose(both[:, 0], both[:, 1], rtol=0.02)

    def test_teeth_that_are_made_otherwise_stay(self) -> None:
        assert crowns(tiny_head()) is None
