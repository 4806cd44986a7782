"""Heights come back from the normals they made, in metres."""

from __future__ import annotations

import torch

from fitme.detail.displacement import slopes, texel_metres, tilted
from fitme.detail.static import static_height
from fitme.head.model import load_head

SIDE = 512


def flat() -> torch.Tensor:
    normal = torch.zeros(1, SIDE, SIDE, 3)
    normal[..., 2] = 1
    return normal


class TestStaticHeight:
    def test_folds_of_a_tenth_of_a_millimetre(self) -> None:
        head = load_head()
        neutral = head.mean[None]
        metres = texel_metres(head, neutral, SIDE)
        at = torch.arange(SIDE) - SIDE / 2
        radius = torch.hypot(at[:, None], at)
        window = ((150 - radius) / 30).clamp(0, 1)  # the face
        wanted = (1e-4 * (2 * torch.pi * (at[:, None] + at) / 12).sin() * window)[None]
        normal = tilted(flat(), slopes(wanted, metres))
        found = static_height(head, neutral, normal)
        share = (found * wanted).sum() / wanted.square().sum()
        rest = found - share * wanted
        assert 0.85 < float(share) < 1.05  # central differences see less of what is this fine
        assert float(rest.square().mean() / wanted.square().mean()) < 0.02

    def test_flat_normals_are_flat(self) -> None:
        head = load_head()
        assert not static_height(head, head.mean[None], flat()).any()

    def test_where_texels_are_wide_is_nothing(self) -> None:
        head = load_head()
        noise = tilted(flat(), 0.2 * torch.randn(1, SIDE, SIDE, 2))
        height = static_height(head, head.mean[None], noise)
        wide = texel_metres(head, head.mean[None], SIDE).amax(-1) * SIDE > 2.0
        assert bool(wide.any()) and not height[0, wide].any()
        assert 1e-6 < float(height.std()) < 3e-4
