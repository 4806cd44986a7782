"""Compile what a backend compiles before the first step that is timed."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.render.backends.registry import get_backend
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light
from fitme.render.renderer import render
from fitme.render.scene import Material, Mesh
from fitme.runtime.progress import Progress

SIDE = 8  # pixels of the picture and texels of the maps


def warm_up(device: torch.device | str, progress: Progress) -> None:
    """Draw a tiny scene forward and backward with every kind of map and light that a fit uses, so
    that all of the backend's code for them is compiled, or loaded where an earlier run left it.

    `progress` hears of it only where something has to be compiled.
    """
    device = torch.device(device)
    ops = get_backend(None, device)
    with ops.reporting(progress):
        mesh, materials, camera, light = _scene(device)
        leaves = [
            mesh.vertices,
            camera.K,
            light.sh,
            light.colors,
            *(m.diffuse_albedo for m in materials),
        ]
        for leaf in leaves:
            leaf.requires_grad_()
        out = render(mesh, materials, camera, light, backend=ops)
        torch.autograd.grad(out.color.sum() + out.alpha.sum(), leaves)
        with torch.no_grad():  # vertex fields, drawn into the atlas, and shadow maps
            tri = mesh.triangles.int()
            clip = camera.to_clip(mesh.vertices)
            rast, _ = ops.rasterize(clip, tri, (SIDE, SIDE))
            ops.depth(clip, tri, (SIDE, SIDE))
            ops.interpolate(mesh.vertices, rast, tri)


def _scene(device: torch.device) -> tuple[Mesh, list[Material], Camera, Light]:
    """Squares one before the other: skin with all maps, eyes with two, the mouth with one, as the
    kernels are compiled for a number of channels."""
    square = torch.tensor([[-1.0, 1, 0], [1, 1, 0], [-1, -1, 0], [1, -1, 0]]) * 0.1
    nearer = torch.tensor([0.02, 0.02, 0.05])
    corners = torch.tensor([[0, 2, 3], [0, 3, 1]])
    vertices = torch.cat([square / (k + 1) + k * nearer for k in range(3)])
    triangles = torch.cat([corners + 4 * k for k in range(3)])
    uv = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).repeat(3, 1)
    mesh = Mesh(
        vertices[None].to(device),
        triangles.to(device),
        uv.to(device),
        triangles.to(device),
        torch.tensor([0, 0, 1, 1, 2, 2], device=device),
        torch.full((len(vertices),), 0.8, device=device),
    )

    def flat(channels: int, value: float, side: int = SIDE) -> Tensor:
        return torch.full((1, side, side, channels), value, device=device)

    skin = Material(flat(3, 0.5), flat(1, 0.04), flat(3, 0.6), flat(1, 0.5))
    eyes = Material(flat(3, 0.5), flat(1, 0.04), None, 0.08)
    mouth = Material(flat(3, 0.5), flat(1, 0.04, 1), None, 0.4)
    eye, target = torch.tensor([[0.05, 0.02, 0.5]]), torch.zeros(1, 3)
    camera = perspective(eye, target, 30.0, SIDE, SIDE).to(device)
    return mesh, [skin, eyes, mouth], camera, Light.preset("studio").to(device)
