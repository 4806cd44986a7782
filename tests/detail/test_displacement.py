"""Heights to normals and back."""

from __future__ import annotations

import math

import pytest
import torch

from fitme.detail.displacement import STEEPEST, bounded, integrated, slopes, texel_metres, tilted
from fitme.head.model import load_head


def waves(side: int = 64) -> torch.Tensor:
    """Heights [1,R,R] in metres that repeat at the edges."""
    at = 2 * math.pi * (torch.arange(side) + 0.5) / side
    return 1e-3 * (torch.sin(3 * at)[None, :] + torch.cos(2 * at)[:, None])[None]


class TestSlopes:
    def test_a_ramp_to_the_right_leans_left(self) -> None:
        metres = torch.full((8, 8, 2), 0.5e-3)
        ramp = (torch.arange(8.0) * 1e-4).expand(1, 8, 8)  # 0.1 mm a texel of half a millimetre
        tilt = slopes(ramp, metres)
        torch.testing.assert_close(tilt[0, :, 1:-1, 0], torch.full((8, 6), -0.2))
        assert float(tilt[..., 1].abs().max()) == 0

    def test_a_ramp_downwards_in_the_map_leans_up(self) -> None:
        metres = torch.full((8, 8, 2), 1e-3)
        ramp = (torch.arange(8.0) * 1e-4)[None, :, None].expand(1, 8, 8)
        assert float(slopes(ramp, metres)[0, 4, 4, 1]) == pytest.approx(0.1)  # OpenGL: green is up

    def test_gradients_reach_the_heights(self) -> None:
        height = waves().requires_grad_()
        slopes(height, torch.full((64, 64, 2), 1e-3)).square().sum().backward()
        assert height.grad is not None and float(height.grad.abs().sum()) > 0


class TestIntegrated:
    def test_is_the_inverse_of_slopes(self) -> None:
        metres, height = torch.full((64, 64, 2), 0.7e-3), waves()
        found = integrated(slopes(height, metres), metres)
        inner = (slice(None), slice(8, -8), slice(8, -8))
        torch.testing.assert_close(
            (found - found.mean())[inner], (height - height.mean())[inner], atol=1.5e-4, rtol=0
        )


class TestTilts:
    def test_no_tilt_changes_no_normal(self) -> None:
        normal = torch.nn.functional.normalize(torch.tensor([[0.1, -0.2, 0.9]]), dim=-1)
        torch.testing.assert_close(tilted(normal, torch.zeros(1, 2)), normal)

    def test_tilts_are_bounded_and_small_ones_stay(self) -> None:
        small, large = torch.tensor([[0.02, 0.01]]), torch.tensor([[30.0, -40.0]])
        torch.testing.assert_close(bounded(small), small, rtol=1e-2, atol=0)
        assert float(bounded(large).norm()) == pytest.approx(STEEPEST, rel=1e-3)


class TestTexelMetres:
    def test_a_face_is_about_half_a_millimetre_a_texel_at_512(self) -> None:
        head = load_head()
        metres = texel_metres(head, head.mean[None], 512)
        assert metres.shape == (512, 512, 2)
        cheek = metres[300:330, 150:180].mean()
        assert 0.3e-3 < float(cheek) < 1.2e-3
        torch.testing.assert_close(texel_metres(head, 2 * head.mean[None], 512), 2 * metres)
