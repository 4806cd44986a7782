"""Checks of a mesh: looked up once a tensor, and never where the host would wait for a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.scenes import head, skin
from fitme.render import Mesh, get_backend, render
from fitme.render.camera import perspective
from fitme.render.checks import all_finite, as_int32, check_triangles, index_range
from fitme.render.light import Light


class Waits(TorchDispatchMode):
    """Counts reads of single values, each of which waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_indices_are_looked_up_once_a_tensor() -> None:
    mesh = head()
    with Waits() as waits:
        moved = replace(mesh, vertices=mesh.vertices + 0.01)
        check_triangles("tri", moved.triangles, moved.vertices.shape[1])
        as_int32(mesh.triangles.long())  # another tensor: a copy, but no look
    assert waits.count == 0
    with Waits() as waits:
        check_triangles("tri", mesh.triangles.clone(), moved.vertices.shape[1])
    assert waits.count == 2


def test_a_step_of_the_generic_renderer_reads_no_index_again() -> None:
    """Int64 triangles, as the head has them: their int32 copies are made and looked up once."""
    mesh = head()
    mesh = replace(mesh, triangles=mesh.triangles.long(), uv_triangles=mesh.uv_triangles.long())
    view = perspective(torch.tensor([[0.1, 0.05, 0.5]]), torch.zeros(1, 3), 30.0, 16, 16)

    def draw() -> int:
        with Waits() as waits:
            shape: Mesh = replace(mesh, vertices=mesh.vertices * 1.01)
            render(shape, [skin(8)], view, Light.ambient())
        return waits.count

    draw()
    finite = 3  # of vertices once and of clip twice (rasterize, antialias), on the CPU only
    assert draw() <= finite


def test_what_was_written_to_is_looked_up_again() -> None:
    tri = torch.tensor([[0, 1, 2]])
    check_triangles("tri", tri, 3)
    copy = as_int32(tri)
    assert as_int32(tri) is copy and copy.dtype == torch.int32
    tri[0, 0] = 7
    with pytest.raises(ValueError, match=r"tri \[1, 3\]: indices must lie in 0\.\.2, got 1\.\.7"):
        check_triangles("tri", tri, 3)
    assert as_int32(tri)[0, 0] == 7
    with torch.inference_mode():
        assert index_range(torch.tensor([[0, 1, 2]])) == (0, 2)


def test_values_are_checked_on_the_cpu_only() -> None:
    bad = torch.tensor([1.0, float("nan")])
    assert not all_finite(bad) and all_finite(bad[:1])
    assert all_finite(bad.to("meta"))  # a tensor whose values cannot be read at all


def test_one_backend_a_device() -> None:
    assert get_backend("cpu") is get_backend(None, "cpu") is get_backend(None, torch.device("cpu"))
    with pytest.raises(ValueError, match="no renderer for tensors on meta"):
        get_backend(None, "meta")
    with pytest.raises(ValueError, match="cannot draw tensors on cuda"):
        get_backend("cpu", "cuda")
