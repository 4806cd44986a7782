"""Forward and backward of the renderer in milliseconds, whole and by operation.

    python -m benchmarks.render [--sizes 256 512 1024] [--repeat 10] [--lights 3]
    python -m benchmarks.render --device cuda [--backend nvdiffrast]

A head of 16 thousand vertices and 32 thousand triangles fills most of the image; 1024x1024
diffuse, specular and normal maps; gradients to vertices, maps, camera and light. No generator.
Prints the median. On a GPU the host waits before and after each step, not within; what its time
goes to is then listed by kernel, from torch's profiler, and with it how long the host was busy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from benchmarks.scenes import head, skin
from fitme.render import Material, Mesh, render
from fitme.render.backends.cpu import fused, geometry, operations, shade, texture
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light

KERNELS = 24  # lines of the table of a GPU's kernels


def scene(
    size: int, lights: int, device: torch.device
) -> tuple[Mesh, Material, Camera, Light, list[Tensor]]:
    """Everything to draw, and the leaves that want a gradient."""
    mesh = _moved(head(90, 180, bump=0.2), device)
    material = _moved(replace(skin(1024), roughness=0.45), device)
    camera = perspective(torch.tensor([[0.03, 0.02, 0.6]]), torch.zeros(1, 3), 21.0, size, size)
    camera, light = camera.to(device), Light.preset("studio").to(device)
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


def _moved(value: Any, device: torch.device) -> Any:
    """A dataclass with its tensors on the device."""
    own = {item.name: getattr(value, item.name) for item in fields(value)}
    return replace(value, **{k: v.to(device) for k, v in own.items() if isinstance(v, Tensor)})


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


class Step:
    """One forward and backward pass of the scene, and their times in seconds."""

    def __init__(self, size: int, lights: int, device: torch.device, backend: str | None) -> None:
        self.mesh, self.material, self.camera, self.light, self.leaves = scene(size, lights, device)
        self.target = torch.full((1, size, size, 3), 0.3, device=device)
        self.device, self.backend, self.pixels = device, backend, 0

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def __call__(self) -> tuple[float, float]:
        start = self.now()
        out = render(self.mesh, [self.material], self.camera, self.light, backend=self.backend)
        middle = self.now()
        loss = (out.color - self.target).abs().mean()
        begin = self.now()
        torch.autograd.grad(loss, self.leaves)
        end = self.now()
        self.pixels = len(out.pixels)
        return middle - start, end - begin


def measure(step: Step, size: int, repeat: int, watch: Stopwatch) -> None:
    step(), step()
    watch.total.clear()
    times = [step() for _ in range(repeat)]
    forward, backward = (1e3 * statistics.median(part) for part in zip(*times, strict=True))
    both = 1e3 * statistics.median(map(sum, times))
    print(
        f"{size:5d}: forward {forward:6.1f} ms  backward {backward:6.1f} ms  both {both:6.1f} ms  "
        f"({100 * step.pixels / size**2:.0f} % of the pixels covered)"
    )
    if step.device.type == "cuda":
        print_kernels(step, repeat)
        return
    split = sorted(watch.total.items(), key=lambda item: -item[1])
    rest = sum(map(sum, times)) - sum(watch.total.values())
    for name, seconds in [*split, ("torch glue", rest)]:
        print(f"         {name:22s} {1e3 * seconds / repeat:6.2f} ms")


def print_kernels(step: Step, repeat: int) -> None:
    """The kernels by their time on the GPU in a step, and how many there are."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(repeat):
            step()
    on_gpu = [e for e in profile.key_averages() if e.device_type == torch.autograd.DeviceType.CUDA]
    on_gpu.sort(key=lambda event: -event.self_device_time_total)
    total = sum(event.self_device_time_total for event in on_gpu) / repeat
    launches = sum(event.count for event in on_gpu) / repeat
    memory = torch.cuda.max_memory_allocated(step.device) / 2**20
    print(
        f"         the GPU is busy {1e-3 * total:.2f} ms, {launches:.0f} kernels, {memory:.0f} MiB"
    )
    for event in on_gpu[:KERNELS]:
        spent = 1e-3 * event.self_device_time_total / repeat
        print(f"         {spent:6.3f} ms {event.count / repeat:5.1f} x {event.key[:70]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--lights", type=int, default=3, help="directional lights, 0 to 3")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--backend", help="instead of the device's own")
    options = parser.parse_args()
    device = torch.device(options.device)
    watch = Stopwatch()
    if device.type == "cuda":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    else:
        print(f"{torch.get_num_threads()} threads")
    for size in options.sizes:
        step = Step(size, options.lights, device, options.backend)
        measure(step, size, options.repeat, watch)


if __name__ == "__main__":
    main()
