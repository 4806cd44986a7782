"""The colour of teeth, out of pixels whose photo over render is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from fitme.fit.evidence.teeth import CHROMA, DARKER, FEW, LIGHTER, teeth_gain, with_teeth
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.head.teeth import COLUMNS, QUADRANTS
from fitme.render import Material
from tests.tiny_head import tiny_head

SIDE, ALBEDO = 24, 0.5


def seen(head: HeadModel, shown: Tensor, column: int = 1, down: float = 0.4) -> Any:
    """Picture and crops of teeth that fill it; shown [SIDE,SIDE,3] is their albedo in the photo."""
    (part,) = head.parts_with(Role.TEETH)
    flat = torch.full((1, SIDE, SIDE, 3), ALBEDO)
    uv = torch.tensor([(column + 0.5) / COLUMNS, down / QUADRANTS]).expand(1, SIDE, SIDE, 2)
    out = SimpleNamespace(
        uv=uv, part=torch.full((1, SIDE, SIDE), part.index), albedo=flat, diffuse=flat,
        specular=torch.zeros_like(flat),
    )  # fmt: skip
    return out, SimpleNamespace(pixels=shown[None], gray=torch.tensor([False]))


def plain(gain: tuple[float, float, float]) -> Tensor:
    return ALBEDO * torch.tensor(gain).exp().expand(SIDE, SIDE, 3)


class TestTeethGain:
    def test_follows_the_photo_within_bounds(self, head: HeadModel) -> None:
        darker = teeth_gain(head, *seen(head, plain((-0.2, -0.25, -0.3))))
        assert darker is not None
        assert -0.25 < float(darker.mean()) < -0.1 and darker[0] > darker[1] > darker[2]
        black, white = (teeth_gain(head, *seen(head, plain((x, x, x)))) for x in (-1.4, 0.6))
        assert black is not None and white is not None
        assert -DARKER - CHROMA < float(black.mean()) < -0.4
        assert 0 < float(white.mean()) < LIGHTER

    def test_lips_and_gaps_do_not_count(self, head: HeadModel) -> None:
        teeth = plain((-0.1, -0.1, -0.1)).clone()
        clean = teeth_gain(head, *seen(head, teeth))
        teeth[: SIDE // 3] = ALBEDO * torch.tensor([0.9, 0.3, 0.3])  # gums
        teeth[-SIDE // 6 :] = 0.02  # dark between them
        found = teeth_gain(head, *seen(head, teeth))
        assert clean is not None and found is not None
        torch.testing.assert_close(found, clean, atol=0.03, rtol=0)

    @pytest.mark.parametrize("place", [{"column": 6}, {"down": 0.05}, {"down": 0.8}])
    def test_back_teeth_tips_and_gums_say_nothing(
        self, head: HeadModel, place: dict[str, Any]
    ) -> None:
        assert teeth_gain(head, *seen(head, plain((-0.2, -0.2, -0.2)), **place)) is None

    def test_few_pixels_say_nothing(self, head: HeadModel) -> None:
        out, crops = seen(head, plain((-0.2, -0.2, -0.2)))
        out.part = out.part.clone()
        out.part.flatten()[FEW - 1 :] = 0
        assert teeth_gain(head, out, crops) is None

    def test_a_head_without_teeth_has_no_gain(self) -> None:
        out = SimpleNamespace(part=torch.zeros(1, 2, 2))
        assert teeth_gain(tiny_head(), out, None) is None  # type: ignore[arg-type]


def test_only_teeth_take_the_gain(head: HeadModel) -> None:
    flat = torch.full((1, 4, 4, 3), 0.4)
    materials = [Material(flat, flat[..., :1], None, 0.5) for _ in head.parts]
    assert with_teeth(materials, head, None) == materials
    gain = torch.tensor([-0.1, -0.2, -0.3])
    changed = with_teeth(materials, head, gain)
    for part, one in zip(head.parts, changed, strict=True):
        wanted = flat * gain.exp() if part.role is Role.TEETH else flat
        torch.testing.assert_close(one.diffuse_albedo, wanted)
