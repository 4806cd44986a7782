"""Forward and backward of the CPU renderer in milliseconds, whole and by operation.

    python -m benchmarks.render [--sizes 256 512 1024] [--repeat 10] [--lights 3]

A head of 16 thousand vertices and 32 thousand triangles fills most of the image; 1024x1024
diffuse, specular and normal maps; gradients to vertices, maps, camera and light. No generator.
Prints the median.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.graph import Node

from benchmarks.scenes import head, skin
from fitme.render import Material, Mesh, render
from fitme.render.backends.cpu import fused, geometry, operations, shade, texture
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light


def scene(size: int, lights: int) -> tuple[Mesh, Material, Camera, Light, list[Tensor]]:
    """Everything to draw, and the leaves that want a gradient."""
    mesh = head(90, 180, bump=0.2)
    material = skin(1024)
    material = replace(material, roughness=0.45)
    camera = perspective(torch.tensor([[0.03, 0.02, 0.6]]), torch.zeros(1, 3), 21.0, size, size)
    light = Light.preset("studio")
    light = replace(light, directions=light.directions[:, :lights], colors=light.colors[:, :lights])
    assert material.normal is not None
    leaves = [
        mesh.vertices,
        material.diffuse_albedo,
        material.specular_albedo,
        material.normal,
        camera.K,
        camera.world_to_camera,
        light.sh,
        light.directions,
        light.colors,
    ]
    return mesh, material, camera, light, [leaf.requires_grad_() for leaf in leaves]


class Stopwatch:
    """Adds up wall time per autograd function by wrapping its forward and backward."""

    FUNCTIONS = (
        (operations, "_Rasterize"),
        (texture, "_Texture"),
        (shade, "_Shade"),
        (geometry, "_Normals"),
        (geometry, "_Tangents"),
        (fused, "_Gather"),
        (fused, "_Composite"),
    )

    def __init__(self) -> None:
        self.total: dict[str, float] = {}
        for module, name in self.FUNCTIONS:
            function = getattr(module, name)
            for step in ("forward", "backward"):
                wrapped = self._timed(f"{name[1:].lower()} {step}", getattr(function, step))
                setattr(function, step, staticmethod(wrapped))

    def _timed(self, name: str, call: Callable[..., Node]) -> Callable[..., Node]:
        def run(*args: object) -> Node:
            start = time.perf_counter()
            result = call(*args)
            self.total[name] = self.total.get(name, 0.0) + time.perf_counter() - start
            return result

        return run


def measure(size: int, repeat: int, lights: int, watch: Stopwatch) -> None:
    mesh, material, camera, light, leaves = scene(size, lights)
    target = torch.full((1, size, size, 3), 0.3)
    forward, backward = [], []
    pixels = 0
    for index in range(repeat + 2):
        if index == 2:
            watch.total.clear()
        start = time.perf_counter()
        out = render(mesh, [material], camera, light)
        middle = time.perf_counter()
        loss = (out.color - target).abs().mean()
        begin = time.perf_counter()
        torch.autograd.grad(loss, leaves)
        end = time.perf_counter()
        pixels = len(out.pixels)
        if index >= 2:
            forward.append(1e3 * (middle - start))
            backward.append(1e3 * (end - begin))
    both = statistics.median(f + b for f, b in zip(forward, backward, strict=True))
    print(
        f"{size:5d}: forward {statistics.median(forward):6.1f} ms  backward "
        f"{statistics.median(backward):6.1f} ms  both {both:6.1f} ms  "
        f"({100 * pixels / size**2:.0f} % of the pixels covered)"
    )
    split = sorted(watch.total.items(), key=lambda item: -item[1])
    known = sum(watch.total.values())
    rest = 1e-3 * (sum(forward) + sum(backward)) - known
    for name, seconds in [*split, ("torch glue", rest)]:
        print(f"         {name:22s} {1e3 * seconds / repeat:6.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--lights", type=int, default=3, help="directional lights, 0 to 3")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    watch = Stopwatch()
    for size in options.sizes:
        measure(size, options.repeat, options.lights, watch)


if __name__ == "__main__":
    main()
