"""Compile every kernel that the operations start for an NVIDIA GPU, where none is: a program that
`test_triton` runs.

    python -m tests.render.triton.compiling [COMPUTE_CAPABILITY]

Instead of being started, a kernel is compiled to machine code for the arguments that it was given.
What it would have written stays as it was, so that what follows must not depend on it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from fitme.render.backends.base import Backend
from fitme.render.backends.triton import backend as triton_backend
from fitme.render.backends.triton import launch as launching
from fitme.render.backends.triton import texture
from fitme.render.shading import Surface
from tests.render.triton.kernels import modules_that_launch

POINTERS = {
    torch.float32: "*fp32",
    torch.float64: "*fp64",
    torch.int32: "*i32",
    torch.int64: "*i64",
}
WARP = 32  # threads
seconds: dict[str, float] = {}  # by kernel and what it was compiled for


def type_of(value: Any) -> str:
    if isinstance(value, Tensor):
        return POINTERS[value.dtype]
    return "i32" if -(2**31) <= value < 2**31 else "i64"


def compile_instead(capability: int) -> Any:
    """A stand-in for `launch`."""

    def stand_in(
        kernel: Any, grid: tuple[int, ...], like: Tensor, *args: Any, **options: Any
    ) -> None:
        names = [name for name in kernel.arg_names if name not in options]
        signature = dict.fromkeys(kernel.arg_names, "constexpr")
        fixed = {name: value for name, value in options.items() if name in kernel.arg_names}
        plain = {param.name for param in kernel.params if param.do_not_specialize}
        for name, value in zip(names, args, strict=True):
            if type(value) is int and value == 1 and name not in plain:
                fixed[name] = 1  # as Triton takes it
            else:
                signature[name] = type_of(value)
        extra = {k: v for k, v in options.items() if k not in kernel.arg_names}
        types = [kind for kind in signature.values() if kind != "constexpr"]
        key = f"{kernel.__name__} {' '.join(types)} {fixed}"
        if key in seconds or min(grid) == 0:
            return
        start = time.perf_counter()
        source = ASTSource(kernel, signature, fixed)
        found = compile(
            source,
            target=GPUTarget("cuda", capability, WARP),
            options={"enable_fp_fusion": False, **extra},
        )
        assert len(found.asm["cubin"]) > 0, key
        seconds[key] = time.perf_counter() - start

    return stand_in


def run_operations(size: tuple[int, int]) -> None:
    """All of them once, forward and backward, in a picture of that size."""
    ops = triton_backend.TritonBackend("cuda")
    tri = torch.tensor([[0, 1, 2], [1, 3, 2]], dtype=torch.int32)
    clip, tex = torch.rand(1, 4, 4).requires_grad_(), torch.rand(1, 8, 8, 3).requires_grad_()
    attr = torch.rand(1, 4, 2).requires_grad_()
    rast, db = ops.rasterize(clip, tri, size)
    ops.depth(clip, tri, size)
    uv, da = ops.interpolate(attr, rast, tri, db, 2)
    wide, _ = ops.interpolate(torch.rand(1, 4, 20), rast, tri)
    images = torch.zeros(size[0] * size[1], dtype=torch.int64)
    listed = texture.sample(tex, uv.reshape(-1, 2), da.reshape(-1, 4), images, 1)
    color = ops.texture(tex, uv, da) + ops.texture(tex, uv) + listed.reshape(1, *size, 3)
    out = ops.antialias(color, rast, clip, tri)
    normals = ops.vertex_normals(clip[..., :3], tri)
    tangents = ops.uv_tangents(clip[..., :3], tri, torch.rand(4, 2), tri)
    shaded = sum(run_shading(ops, size[0] * size[1], *flags) for flags in ((True, 3), (False, 1)))
    (out.sum() + shaded + normals.sum() + tangents.sum() + wide.sum()).backward()


def run_shading(ops: Backend, count: int, everything: bool, channels: int) -> Tensor:
    """Points of two images with a light of each kind."""
    vector, number = torch.rand(count, 3), torch.rand(count, 1)
    surface = Surface(
        position=vector,
        normal=vector,
        tangent=vector if everything else None,
        sign=number,
        bump=vector if everything else None,
        albedo=vector.requires_grad_(),
        specular=torch.rand(count, channels),
        roughness=number,
        occlusion=number if everything else None,
        image=torch.zeros(count, dtype=torch.int64),
    )
    lamp, sky = torch.rand(2, 1, 3), torch.rand(2, 9, 3).requires_grad_(everything)
    diffuse, specular, normal = ops.shade(surface, (sky, lamp, lamp, lamp, lamp), lamp[:, 0])
    return (diffuse + specular + normal).sum()


def main() -> None:
    assert not launching.INTERPRETED, "TRITON_INTERPRET must not be set"
    stand_in = compile_instead(int(sys.argv[1]) if len(sys.argv) > 1 else 80)
    for module in modules_that_launch():
        module.launch = stand_in  # type: ignore[attr-defined]
    for size in ((8, 8), (1, 1)):
        run_operations(size)
    for key, duration in seconds.items():
        print(f"{duration:6.2f} s {key}")
    print(f"{len(seconds)} kernels")


if __name__ == "__main__":
    main()
