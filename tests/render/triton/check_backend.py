"""The Triton backend against the CPU backend: the same values, the same gradients.

On a machine with a GPU these run on it; elsewhere `test_triton` has them run by Triton's
interpreter, as a program of its own: TRITON_INTERPRET must be set before Triton is imported.

    uv run pytest tests/render/triton                        # all, as CI does
    uv run pytest tests/render/triton/check_backend.py -x    # on a GPU, with names and reasons
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.scenes import head, skin, smooth_texture
from fitme.render import Material, Mesh, render
from fitme.render import geometry as twins
from fitme.render.backends.base import Backend
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.backends.cpu.kernels_antialias import edge_neighbors
from fitme.render.backends.triton import antialias, geometry
from fitme.render.backends.triton.backend import TritonBackend
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light
from fitme.render.shading import Surface

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CPU, TRITON = CpuBackend(), TritonBackend(DEVICE)
TOLERANCE = 1e-5  # of the largest value, for float32
Results = list[Tensor]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def camera(height: int, width: int, eyes: int = 1, dtype: torch.dtype = torch.float32) -> Camera:
    places = torch.tensor([[0.1, 0.05, 0.5], [-0.2, 0.02, 0.4]], dtype=dtype)[:eyes]
    target = torch.zeros(eyes, 3, dtype=dtype)
    return perspective(places, target, 30.0, height, width)


def head_scene(
    height: int, width: int, eyes: int = 1, dtype: torch.dtype = torch.float32
) -> tuple[Mesh, Tensor]:
    """A head of 80 triangles and its vertices in clip space [eyes,V,4]."""
    mesh = head(6, 8, bump=0.2, dtype=dtype)
    return mesh, camera(height, width, eyes, dtype).to_clip(mesh.vertices.expand(eyes, -1, -1))


def compare(
    run: Callable[..., Any], *leaves: Tensor, tolerance: float = TOLERANCE, **fixed: Any
) -> Results:
    """run(backend, *leaves, **fixed) -> tensors, on both: same values, same gradients of a
    weighted sum of those that have any. Returns Triton's values, on the CPU."""
    found: list[Results] = []
    for ops, device in ((CPU, "cpu"), (TRITON, DEVICE)):
        moved = [leaf.detach().to(device).requires_grad_(leaf.requires_grad) for leaf in leaves]
        others = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in fixed.items()}
        values = list(run(ops, *moved, **others))
        wanted = [leaf for leaf in moved if leaf.requires_grad]
        total = sum(
            (value * noise(*value.shape, seed=5).to(value)).sum()
            for value in values
            if value.requires_grad
        )
        grads = torch.autograd.grad(total, wanted) if wanted else ()
        found.append([value.detach().cpu() for value in [*values, *grads]])
    for index, (ours, theirs) in enumerate(zip(*reversed(found), strict=True)):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, index
        assert torch.equal(torch.isfinite(ours), torch.isfinite(theirs)), index
        finite = torch.isfinite(theirs)
        scale = float(theirs[finite].abs().max()) if finite.any() else 0.0
        error = float((ours - theirs)[finite].abs().max()) if finite.any() else 0.0
        assert error <= tolerance * scale, f"value {index}: {error} of {scale}"
    return found[1]


def rasterize(ops: Backend, clip: Tensor, *, tri: Tensor, size: tuple[int, int]) -> Results:
    rast, db = ops.rasterize(clip, tri, size)
    return [rast, db, ops.depth(clip, tri, size)]


class TestRasterize:
    @pytest.mark.parametrize(("size", "eyes"), [((37, 50), 1), ((21, 19), 2), ((1, 1), 1)])
    def test_same_picture_and_gradient(self, size: tuple[int, int], eyes: int) -> None:
        mesh, clip = head_scene(*size, eyes)
        rast = compare(rasterize, clip.requires_grad_(), tri=mesh.triangles, size=size)[0]
        assert (rast[..., 3] > 0).any()

    def test_large_triangles(self) -> None:
        """Some across the picture and beyond it, drawn by all programs together."""
        size = (90, 70)
        mesh, clip = head_scene(*size)
        corners = torch.tensor(
            [[-3.0, -2, 0.9, 1], [4, -2, 0.9, 1], [-2, 5, 0.9, 1], [0.9, 0.9, 0.2, 1]]
        )
        clip = torch.cat([clip, corners[None]], dim=1)
        new = torch.tensor([[0, 1, 2], [2, 1, 3]]) + mesh.vertices.shape[1]
        tri = torch.cat([new.int(), mesh.triangles])
        rast = compare(rasterize, clip.requires_grad_(), tri=tri, size=size)[0]
        assert {1.0, 2.0} < set(rast[..., 3].unique().tolist())

    def test_the_lower_index_wins_at_the_same_depth(self) -> None:
        clip = torch.tensor([[[-1.0, -1, 0, 1], [1, -1, 0, 1], [-1, 1, 0, 1], [1, 1, 0, 1]]])
        tri = torch.tensor([[0, 1, 3], [0, 3, 2], [0, 1, 2], [3, 1, 2]], dtype=torch.int32)
        for order in ([0, 1, 2, 3], [2, 3, 0, 1], [3, 1, 0, 2]):
            compare(rasterize, clip, tri=tri[order], size=(12, 12))

    def test_nothing_to_see(self) -> None:
        mesh, clip = head_scene(9, 9)
        behind = clip * torch.tensor([1.0, 1, 1, -1])
        aside = clip + torch.tensor([1e20, 0, 0, 0])
        for hidden in (behind, aside):
            values = compare(rasterize, hidden.requires_grad_(), tri=mesh.triangles, size=(9, 9))
            assert (values[0] == 0).all() and values[2].isinf().all() and (values[3] == 0).all()
        none = torch.zeros(0, 3, dtype=torch.int32, device=DEVICE)
        assert (TRITON.rasterize(clip.to(DEVICE), none, (9, 9))[0] == 0).all()

    def test_any_strides_and_float64(self) -> None:
        mesh, clip = head_scene(20, 33, dtype=torch.float64)
        strided = clip.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
        columns = mesh.triangles.T.contiguous().T.long()
        compare(rasterize, strided, tri=columns, size=(20, 33), tolerance=1e-6)

    def test_refuses(self) -> None:
        mesh, clip = head_scene(9, 9)
        with pytest.raises(ValueError, match=r"clip: wanted \[B,V,4\]"):
            TRITON.rasterize(clip[0].to(DEVICE), mesh.triangles.to(DEVICE), (9, 9))
        with pytest.raises(ValueError, match="indices must lie in"):
            TRITON.rasterize(clip.to(DEVICE), mesh.triangles.to(DEVICE) + 50, (9, 9))


class TestInterpolate:
    @pytest.mark.parametrize("channels", [1, 3, 16, 17])
    def test_channels(self, channels: int) -> None:
        mesh, clip = head_scene(23, 17)
        values = noise(1, mesh.vertices.shape[1], channels).requires_grad_()
        rast, db = CPU.rasterize(clip, mesh.triangles, (23, 17))
        for diff in {0, channels // 2, channels}:
            run = lambda ops, attr, rast, *, tri, db: ops.interpolate(attr, rast, tri, db, diff)  # noqa: B023, E731
            compare(run, values, rast.requires_grad_(), tri=mesh.triangles, db=db)

    @pytest.mark.parametrize("shared", [True, False])
    def test_images(self, shared: bool) -> None:
        mesh, clip = head_scene(15, 14, 2)
        rast, db = CPU.rasterize(clip, mesh.triangles, (15, 14))
        values = noise(3, 1 if shared else 2, mesh.vertices.shape[1]).permute(1, 2, 0)
        run = lambda ops, attr, rast, *, tri, db: ops.interpolate(attr, rast, tri, db, 1)  # noqa: E731
        compare(run, values.requires_grad_(), rast.requires_grad_(), tri=mesh.triangles, db=db)

    def test_an_empty_picture(self) -> None:
        tri = torch.tensor([[0, 1, 2]], dtype=torch.int32)
        run = lambda ops, attr, rast, *, tri: ops.interpolate(attr, rast, tri)  # noqa: E731
        values = compare(run, noise(1, 3, 2).requires_grad_(), torch.zeros(1, 3, 3, 4), tri=tri)
        assert all((value == 0).all() for value in values)


class TestTexture:
    @pytest.mark.parametrize(
        ("height", "width", "channels"),
        [(16, 16, 3), (8, 32, 1), (6, 10, 17), (5, 5, 2), (1, 1, 3), (16, 1, 4)],
    )
    @pytest.mark.parametrize("mips", [True, False])
    def test_sizes(self, height: int, width: int, channels: int, mips: bool) -> None:
        tex = noise(1, height, width, channels).requires_grad_()
        uv = (noise(1, 9, 11, 2, seed=1) * 1.4 - 0.2).requires_grad_()
        da = (noise(1, 9, 11, 4, seed=2) - 0.5) * noise(1, 9, 11, 1, seed=3) if mips else None
        run = lambda ops, tex, uv, *, da: [ops.texture(tex, uv, da)]  # noqa: E731
        compare(run, tex, uv, da=da)

    @pytest.mark.parametrize("batch", [1, 2])
    def test_images(self, batch: int) -> None:
        tex = noise(batch, 3, 8, 8).permute(0, 2, 3, 1).requires_grad_()
        uv, da = noise(2, 7, 5, 2, seed=1).requires_grad_(), noise(2, 7, 5, 4, seed=2) * 0.4
        run = lambda ops, tex, uv, *, da: [ops.texture(tex, uv, da)]  # noqa: E731
        compare(run, tex, uv, da=da)

    def test_gradients_against_finite_differences(self) -> None:
        tex = noise(1, 8, 8, 2, dtype=torch.float64).to(DEVICE).requires_grad_()
        uv = (noise(1, 2, 2, 2, seed=1, dtype=torch.float64) * 0.8 + 0.1).to(DEVICE)
        da = noise(1, 2, 2, 4, seed=2, dtype=torch.float64).to(DEVICE) * 0.5
        run = lambda tex, uv: TRITON.texture(tex, uv, da)  # noqa: E731
        assert torch.autograd.gradcheck(run, (tex, uv.requires_grad_()), fast_mode=True)


class TestAntialias:
    @pytest.mark.parametrize(
        ("size", "eyes", "channels", "dtype"),
        [
            ((41, 30), 1, 4, torch.float32),
            ((18, 25), 2, 17, torch.float64),
            ((1, 7), 1, 1, torch.float32),
        ],
    )
    def test_same_picture_and_gradient(
        self, size: tuple[int, int], eyes: int, channels: int, dtype: torch.dtype
    ) -> None:
        mesh, clip = head_scene(*size, eyes, dtype)
        rast, _ = CPU.rasterize(clip, mesh.triangles, size)
        color = noise(eyes, *size, channels, dtype=dtype).requires_grad_()
        run = lambda ops, color, clip, *, rast, tri: [ops.antialias(color, rast, clip, tri)]  # noqa: E731
        out, *_ = compare(run, color, clip.requires_grad_(), rast=rast, tri=mesh.triangles)
        assert not torch.equal(out, color)

    def test_many_small_triangles(self) -> None:
        """Silhouettes that are found only after a walk over several triangles."""
        mesh = head(16, 24, bump=0.2)
        clip = camera(16, 16).to_clip(mesh.vertices)
        rast, _ = CPU.rasterize(clip, mesh.triangles, (16, 16))
        run = lambda ops, color, clip, *, rast, tri: [ops.antialias(color, rast, clip, tri)]  # noqa: E731
        color = noise(1, 16, 16, 3).requires_grad_()
        compare(run, color, clip.requires_grad_(), rast=rast, tri=mesh.triangles)

    def test_neighbors(self) -> None:
        fan = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 0, 5], [0, 1, 6]]).int()
        for tri in (head(6, 8).triangles, fan, fan[:1]):
            wanted = torch.from_numpy(edge_neighbors(tri.numpy(), int(tri.max()) + 1))
            assert torch.equal(antialias.edge_neighbors(tri.to(DEVICE)).cpu(), wanted)


class TestShade:
    """Also roughness and cosines beyond what they are clamped to, and points seen from behind."""

    @pytest.mark.parametrize(
        ("eyes", "suns", "bulbs", "bumpy", "veiled", "channels"),
        [(1, 2, 1, True, True, 1), (2, 1, 2, True, False, 3), (2, 0, 0, False, True, 1)],
    )
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_same_radiance_and_gradients(
        self,
        eyes: int,
        suns: int,
        bulbs: int,
        bumpy: bool,
        veiled: bool,
        channels: int,
        dtype: torch.dtype,
    ) -> None:
        count = 150

        def normal(*shape: int, seed: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            return torch.randn(*shape, generator=generator, dtype=dtype)

        names = ["position", "normal", "tangent", "bump", "albedo", "specular", "roughness"]
        values = [
            0.1 * normal(count, 3, seed=1),
            normal(count, 3, seed=2),
            normal(count, 3, seed=3),
            normal(count, 3, seed=4) * 0.3 + torch.tensor([0.0, 0, 1]),
            noise(count, 3, seed=5, dtype=dtype),
            0.1 * noise(count, channels, seed=6, dtype=dtype),
            noise(count, 1, seed=7, dtype=dtype) * 1.2,
            noise(count, 1, seed=8, dtype=dtype),
            normal(eyes, 3, seed=9),
            normal(eyes, 9, 3, seed=10) * 0.3,
            torch.nn.functional.normalize(normal(eyes, suns, 3, seed=11), dim=-1),
            noise(eyes, suns, 3, seed=12, dtype=dtype),
            normal(eyes, bulbs, 3, seed=13),
            noise(eyes, bulbs, 3, seed=14, dtype=dtype),
        ]
        sign = torch.where(noise(count, 1, seed=15) > 0.5, 1.0, -1.0).to(dtype)
        image = (torch.arange(count) * eyes // count).long()

        def run(ops: Backend, *leaves: Tensor, sign: Tensor, image: Tensor) -> tuple[Tensor, ...]:
            points = dict(zip(names, leaves, strict=False))
            if not bumpy:
                points["bump"] = None
            occlusion = leaves[7] if veiled else None
            surface = Surface(**points, sign=sign, occlusion=occlusion, image=image)
            unused = sum((leaf.sum() for leaf in leaves), leaves[0].new_zeros(())) * 0
            found = ops.shade(surface, tuple(leaves[9:]), leaves[8])
            return (found[0] + unused, *found[1:])

        compare(run, *(value.requires_grad_() for value in values), sign=sign, image=image)


class TestGeometry:
    def test_normals_and_tangents(self) -> None:
        mesh = head(6, 8, bump=0.2)

        def run(
            ops: Backend, vertices: Tensor, *, tri: Tensor, uv: Tensor, uv_tri: Tensor
        ) -> Results:
            plain = twins if ops is CPU else ops
            return [
                plain.vertex_normals(vertices, tri),
                plain.uv_tangents(vertices, tri, uv, uv_tri),
            ]

        vertices = torch.cat([mesh.vertices, mesh.vertices.flip(2) * 1.1]).requires_grad_()
        compare(run, vertices, tri=mesh.triangles, uv=mesh.uv, uv_tri=mesh.uv_triangles)


class TestSameBits:
    def test_sums_do_not_depend_on_the_order(self) -> None:
        values = (noise(2, 500, 3) - 0.5) * 10 ** (6 * noise(2, 500, 1, seed=1) - 3)
        index = (noise(500, seed=2) * 7).long()
        order = torch.randperm(500, generator=torch.Generator().manual_seed(3))
        first = geometry.scatter_sum(values.to(DEVICE), index.to(DEVICE), 9)
        again = geometry.scatter_sum(values[:, order].to(DEVICE), index[order].to(DEVICE), 9)
        assert torch.equal(first, again)
        wanted = torch.zeros(2, 9, 3, dtype=torch.float64).index_add(1, index, values.double())
        assert (first.cpu() - wanted).abs().max() < 1e-7 * wanted.abs().max()
        assert (first[:, 7:] == 0).all()

    @pytest.mark.parametrize("broken", [float("nan"), float("inf")])
    def test_what_is_not_finite_shows(self, broken: float) -> None:
        values = torch.ones(1, 4, 2, device=DEVICE)
        values[0, 1, 1] = broken
        index = torch.tensor([0, 1, 1, 0], device=DEVICE)
        assert geometry.scatter_sum(values, index, 2).isnan().all()

    def test_twice_the_same(self) -> None:
        first, again = (list(draw(TRITON, DEVICE)) for _ in range(2))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def draw(
    ops: Backend, device: str, eyes: int = 1, before: Callable[[], None] = lambda: None
) -> Iterator[Tensor]:
    """Color, alpha and gradients of two materials with all maps under all kinds of light."""
    mesh = head(6, 8, bump=0.2)
    part = (torch.arange(len(mesh.triangles)) % 3 == 0).long()
    occlusion = 0.5 + 0.5 * noise(mesh.vertices.shape[1])
    mesh = replace(mesh, occlusion=occlusion, part=part)
    light = Light(
        noise(eyes, 9, 3, seed=1) * 0.1 + Light.ambient(0.4).sh,
        torch.tensor([[[0.5, 0.5, 1.0], [-1.0, 0.2, 0.6]]]).repeat(eyes, 1, 1),
        noise(eyes, 2, 3, seed=2),
        torch.tensor([[[0.1, 0.3, 0.4]]]).repeat(eyes, 1, 1),
        noise(eyes, 1, 3, seed=3) * 0.1,
    )
    side = camera(26, 31, eyes)
    eyeball = Material(smooth_texture(8, 3, 0.2, 0.9), smooth_texture(1, 1, 0.04, 0.05), None, 0.2)
    materials = [skin(16), eyeball]
    leaves = {
        "vertices": mesh.vertices,
        "diffuse": materials[0].diffuse_albedo,
        "bump": materials[0].normal,
        "eye": eyeball.diffuse_albedo,
        "K": side.K,
        "sh": light.sh,
        "colors": light.colors,
        "intensities": light.intensities,
    }
    moved = {k: v.detach().to(device).requires_grad_() for k, v in leaves.items() if v is not None}
    mesh = replace(
        Mesh(
            moved["vertices"],
            mesh.triangles.to(device),
            mesh.uv.to(device),
            mesh.uv_triangles.to(device),
            part.to(device),
            occlusion.to(device),
        )
    )
    materials[0] = Material(
        moved["diffuse"],
        materials[0].specular_albedo.to(device),
        moved["bump"],
        materials[0].roughness.to(device),
    )
    materials[1] = replace(
        eyeball,
        diffuse_albedo=moved["eye"],
        specular_albedo=eyeball.specular_albedo.to(device),
    )
    light = Light(
        moved["sh"],
        light.directions.to(device),
        moved["colors"],
        light.positions.to(device),
        moved["intensities"],
    )
    side = replace(side.to(device), K=moved["K"])
    weight = noise(eyes, 26, 31, 3, seed=7).to(device)
    before()
    out = render(mesh, materials, side, light, backend=ops)
    total = (out.color * weight).sum() + (out.alpha * weight[..., :1]).sum()
    yield from (out.color.detach(), out.alpha.detach())
    yield from torch.autograd.grad(total, list(moved.values()))


class TestRender:
    @pytest.mark.parametrize("eyes", [1, 2])
    def test_same_picture_and_gradients(self, eyes: int) -> None:
        """The stages between the operations are torch's in float32, not the CPU's fused kernels."""
        for ours, theirs in zip(draw(TRITON, DEVICE, eyes), draw(CPU, "cpu", eyes), strict=True):
            assert (ours.cpu() - theirs).abs().max() <= 2e-4 * theirs.abs().max()

    @pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU to wait for")
    def test_a_step_waits_once(self) -> None:
        """For the number of visible pixels."""
        for _ in draw(TRITON, DEVICE):  # compiles, and looks at the triangles once
            pass
        step = draw(TRITON, DEVICE, before=lambda: torch.cuda.set_sync_debug_mode("warn"))
        try:
            with warnings.catch_warnings(record=True) as waits:
                warnings.simplefilter("always")
                for _ in step:
                    pass
        finally:
            torch.cuda.set_sync_debug_mode("default")
        found = [str(one.message) for one in waits if "synchroniz" in str(one.message)]
        places = [f"{one.filename}:{one.lineno}" for one in waits]
        assert len(found) <= 1, places

    @pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU to wait for")
    def test_operations_do_not_wait_for_the_gpu(self) -> None:
        mesh, clip = head_scene(64, 64)
        tri, uv_tri = mesh.triangles.to(DEVICE), mesh.uv_triangles.to(DEVICE)
        leaf, uv = clip.to(DEVICE).requires_grad_(), mesh.uv[None].to(DEVICE)
        tex = noise(1, 64, 64, 3).to(DEVICE).requires_grad_()

        def step() -> None:
            rast, db = TRITON.rasterize(leaf, tri, (64, 64))
            at, da = TRITON.interpolate(uv, rast, uv_tri, db, 2)
            color = TRITON.antialias(TRITON.texture(tex, at, da), rast, leaf, tri)
            torch.autograd.grad(color.sum(), (leaf, tex))

        step()  # compiles, and looks at the triangles once
        with no_waiting():
            step()


@contextmanager
def no_waiting() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
