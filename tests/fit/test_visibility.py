"""Texels against pixels: what the renderer shows where is what `texel_pixels` says."""

from __future__ import annotations

import pytest
import torch

from fitme.fit.visibility import sample, texel_pixels, texel_weights
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel, load_head
from fitme.render import Material, render
from fitme.render.camera import perspective
from fitme.render.light import Light

TEXELS = 128


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def vertices(head: HeadModel) -> torch.Tensor:
    return head.shape(torch.zeros(1, head.identity.shape[0]))


def camera(x: float):
    eye = torch.tensor([[x, 0.0, 0.9]])
    return perspective(eye, torch.tensor([[0.0, 0.0, 0.05]]), 21.0, 256, 256)


def test_texels_land_where_the_renderer_draws_them(head: HeadModel, vertices: torch.Tensor) -> None:
    plain = [Material.plain((0.5, 0.5, 0.5))] * len(head.part_names)
    out = render(head_mesh(head, vertices), plain, camera(0.3), Light.ambient(1.0))
    pixels, weight = texel_pixels(head, vertices, camera(0.3), TEXELS)
    assert pixels.shape == (1, TEXELS, TEXELS, 2) and weight.shape == (1, TEXELS, TEXELS)
    uv = sample(out.uv * (out.part == 0)[..., None], pixels)[0]
    axis = (torch.arange(TEXELS) + 0.5) / TEXELS
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    miss = (uv - torch.stack([x, y], -1)).norm(dim=-1)[weight[0] > 0.3]
    assert miss.median() < 0.1 / TEXELS and miss.quantile(0.95) < 0.5 / TEXELS


def test_the_far_side_is_not_seen(head: HeadModel, vertices: torch.Tensor) -> None:
    # The camera is at the head's left, which is the right of the atlas or its left.
    halves = texel_pixels(head, vertices, camera(0.7), TEXELS)[1][0].split(TEXELS // 2, 1)
    near, far = sorted((float(half.mean()) for half in halves), reverse=True)
    assert near > 3 * far
    front = texel_pixels(head, vertices, camera(0.0), TEXELS)[1][0]
    torch.testing.assert_close(front.mean(), front.flip(1).mean())
    assert (front - front.flip(1)).abs().mean() < 0.02


def test_distrusted_pixels_do_not_count(head: HeadModel, vertices: torch.Tensor) -> None:
    trusted = torch.ones(1, 256, 256)
    trusted[:, :128] = 0
    all_, lower = (
        texel_weights(head, vertices, camera(0.0), t, TEXELS) for t in (trusted * 0 + 1, trusted)
    )
    assert 0.2 < lower.sum() / all_.sum() < 0.8 and (lower <= all_ + 1e-6).all()
