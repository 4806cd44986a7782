"""Pictures of which every pixel is a point, as steps on a GPU draw them, show what others show."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.scenes import head, skin
from fitme.render import Material, Mesh, RenderOutput, render
from fitme.render.backends.cpu.operations import CpuOperations
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light

SIZE = 40
EYES = torch.tensor([[0.1, 0.05, 0.5], [-0.2, 0.1, 0.45]])


def scene() -> tuple[Mesh, list[Material], Camera, Light]:
    """A head whose upper half is shiny, seen from two places."""
    shape = head(24, 36, bump=0.2)
    upper = shape.vertices[0, shape.triangles.long(), 1].mean(1) > 0
    veil = 0.6 + 0.4 * torch.rand(
        shape.vertices.shape[1], generator=torch.Generator().manual_seed(8)
    )
    shape = replace(shape, part=upper.int(), occlusion=veil)
    draw = torch.Generator().manual_seed(3)
    shiny = Material(
        torch.rand(1, 16, 16, 3, generator=draw), torch.full((1, 1, 1, 1), 0.06), None, 0.2
    )
    light = Light.preset("studio")
    return shape, [skin(), shiny], perspective(EYES, torch.zeros(2, 3), 30.0, SIZE, SIZE), light


@pytest.fixture(scope="module", params=[None, 0.3], ids=["black", "gray"])
def both(request: pytest.FixtureRequest) -> list[tuple[RenderOutput, dict[str, Tensor]]]:
    """A listed picture and a whole one, and gradients of a random sum of their values."""
    found = []
    for whole in (False, True):
        shape, materials, camera, light = scene()
        leaves = {
            "vertices": shape.vertices, "sh": light.sh, "colors": light.colors, "K": camera.K,
            "skin": materials[0].diffuse_albedo, "shiny": materials[1].diffuse_albedo,
        }  # fmt: skip
        for leaf in leaves.values():
            leaf.requires_grad_()
        behind = None if request.param is None else torch.full((1, SIZE, SIZE, 3), request.param)
        out = render(
            shape, materials, camera, light, backend=CpuOperations(), background=behind,
            whole=whole,
        )  # fmt: skip
        draw = torch.Generator().manual_seed(1)
        values = torch.cat([out.color, out.alpha, out.specular, out.diffuse], -1)
        weights = torch.randn(values.shape, generator=draw)
        gradients = torch.autograd.grad((values * weights).sum(), list(leaves.values()))
        found.append((out, dict(zip(leaves, gradients, strict=True))))
    return found


class TestWhole:
    @pytest.mark.parametrize(
        "name", ["color", "alpha", "diffuse", "specular", "albedo", "normal", "uv", "part"]
    )
    def test_the_same_images(self, both: list, name: str) -> None:
        listed, whole = (getattr(out, name) for out, _ in both)
        torch.testing.assert_close(whole, listed, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", ["vertices", "sh", "colors", "K", "skin", "shiny"])
    def test_the_same_gradients(self, both: list, name: str) -> None:
        listed, whole = (gradients[name] for _, gradients in both)
        assert whole.isfinite().all()
        scale = listed.abs().max()
        torch.testing.assert_close(whole / scale, listed / scale, rtol=1e-4, atol=1e-5)

    def test_nothing_in_view(self) -> None:
        shape, materials, camera, light = scene()
        far = replace(shape, vertices=(shape.vertices + 9).requires_grad_())
        out = render(far, materials, camera, light, backend=CpuOperations(), whole=True)
        assert (out.color == 0).all() and (out.part == -1).all()
        assert (torch.autograd.grad(out.color.sum(), far.vertices)[0] == 0).all()
