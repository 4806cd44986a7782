"""The four operations of the CPU backend: smoke, exception, feature, gradcheck."""

import math
from dataclasses import replace

import pytest
import torch

from benchmarks.scenes import head, smooth_texture
from fitme.render import Material, get_backend, render
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.camera import perspective
from fitme.render.light import Light

OPS = CpuBackend()
TRIANGLE = torch.tensor([[0, 1, 2]], dtype=torch.int32)


def clip_of(pixels: list[list[float]], size: int, depth: float = 0.0) -> torch.Tensor:
    """Pixel positions -> clip [1,V,4] float64 with w = 1."""
    xy = torch.tensor(pixels).double() * 2 / size - 1
    return torch.cat([xy, torch.full_like(xy[:, :1], depth), torch.ones_like(xy[:, :1])], 1)[None]


def head_clip(size: int, dtype=torch.float32):
    mesh = head(24, 36, bump=0.2, dtype=dtype)
    camera = perspective(
        torch.tensor([[0.1, 0.05, 0.5]], dtype=dtype),
        torch.zeros(1, 3, dtype=dtype),
        30.0,
        size,
        size,
    )
    return mesh, camera, camera.to_clip(mesh.vertices)


class TestRasterize:
    def test_hand_made_triangle(self) -> None:
        clip = clip_of([[0, 0], [8, 0], [0, 8]], 8)
        rast, db = OPS.rasterize(clip, TRIANGLE, (8, 8))
        inside = rast[0, ..., 3] == 1
        wanted = torch.arange(8)[:, None] + torch.arange(8)[None] + 1 <= 8  # centres, edge included
        assert torch.equal(inside, wanted)
        assert torch.allclose(rast[0, 1, 2, :2], torch.tensor([1 - 4 / 8, 2.5 / 8]).double())
        assert torch.allclose(db[0, 1, 2], torch.tensor([-1 / 8, -1 / 8, 1 / 8, 0]).double())

    def test_perspective_correct(self) -> None:
        mesh, camera, clip = head_clip(48, torch.float64)
        rast, db = OPS.rasterize(clip, mesh.triangles, (48, 48))
        points, da = OPS.interpolate(mesh.vertices, rast, mesh.triangles, db, 3)
        rows, columns = (rast[0, ..., 3] > 0).nonzero(as_tuple=True)
        pixels = camera.project(points[0, rows, columns][None])[0]
        centres = torch.stack([columns, rows], 1) + 0.5
        assert (pixels - centres).abs().max() < 1e-9
        # derivatives: neighbours on one triangle, to second order
        same = (rast[0, :, 1:, 3] == rast[0, :, :-1, 3]) & (rast[0, :, 1:, 3] > 0)
        step = (points[0, :, 1:] - points[0, :, :-1])[same]
        mean = (da[0, :, 1:, ::2] + da[0, :, :-1, ::2])[same] / 2
        assert (step - mean).abs().max() < 1e-4 * step.abs().max() + 2e-5

    def test_nearest_of_all_triangles(self) -> None:
        mesh, _, clip = head_clip(40, torch.float64)
        rast, _ = OPS.rasterize(clip, mesh.triangles, (40, 40))
        xy = (clip[0, :, :2] / clip[0, :, 3:] * 0.5 + 0.5) * 40
        z = clip[0, :, 2] / clip[0, :, 3]
        a, b, c = (xy[mesh.triangles[:, k].long()] for k in range(3))
        grid = (
            torch.stack(torch.meshgrid(torch.arange(40), torch.arange(40), indexing="xy"), -1) + 0.5
        )
        cross = lambda p, q: p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]  # noqa: E731
        area = cross(b - a, c - a)
        g = grid.reshape(-1, 1, 2).double()
        wa, wb, wc = (cross(r - q, g - q) / area for q, r in ((b, c), (c, a), (a, b)))
        depth = sum(w * z[mesh.triangles[:, k].long()] for k, w in enumerate((wa, wb, wc)))
        depth[(wa < 0) | (wb < 0) | (wc < 0)] = math.inf
        best, which = depth.min(1)
        wanted = torch.where(best.isinf(), 0, which + 1)
        assert (rast[0, ..., 3].reshape(-1) == wanted).all()

    def test_closed_surface_has_no_holes(self) -> None:
        mesh, _, clip = head_clip(200)
        rast, _ = OPS.rasterize(clip, mesh.triangles, (200, 200))
        rows = rast[0, ..., 3] > 0
        runs = (rows[:, 1:] & ~rows[:, :-1]).sum(1) + rows[:, 0].int()
        assert (runs <= 1).all()

    def test_behind_and_off_screen(self) -> None:
        clip = clip_of([[-50, -50], [100, 4], [-50, 60]], 8)
        assert (OPS.rasterize(clip, TRIANGLE, (8, 8))[0][..., 3] > 0).any()
        for bad in ((-1.0, 0), (0.0, 1)):
            behind = clip.clone()
            behind[0, bad[1], 3] = bad[0]
            assert (OPS.rasterize(behind, TRIANGLE, (8, 8))[0] == 0).all()
        far = clip.clone()
        far[..., 0] += 1e20
        assert (OPS.rasterize(far, TRIANGLE, (8, 8))[0] == 0).all()
        deep = clip_of([[0, 0], [8, 0], [0, 8]], 8, depth=1.5)
        assert (OPS.rasterize(deep, TRIANGLE, (8, 8))[0] == 0).all()

    def test_degenerate_and_subpixel(self) -> None:
        line = clip_of([[0, 0], [4, 4], [8, 8]], 8)
        assert torch.isfinite(OPS.rasterize(line, TRIANGLE, (8, 8))[0]).all()
        tiny = clip_of([[3.45, 3.45], [3.6, 3.45], [3.45, 3.6]], 8)
        assert OPS.rasterize(tiny, TRIANGLE, (8, 8))[0][0, 3, 3, 3] == 1

    def test_same_bits_for_any_number_of_threads(self) -> None:
        mesh, _, clip = head_clip(64)
        texture = smooth_texture(64, 3, 0, 1)
        results = []
        before = torch.get_num_threads()
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaves = [clip.clone().requires_grad_(), texture.clone().requires_grad_()]
            rast, db = OPS.rasterize(leaves[0], mesh.triangles, (64, 64))
            uv, da = OPS.interpolate(mesh.uv[None], rast, mesh.uv_triangles, db, 2)
            image = OPS.antialias(OPS.texture(leaves[1], uv, da), rast, leaves[0], mesh.triangles)
            # a weighted sum, not a mean: torch's own mean depends on the threads
            results.append([image, *torch.autograd.grad(image, leaves, torch.cos(image.detach()))])
        torch.set_num_threads(before)
        for other in results[1:]:
            assert all(torch.equal(x, y) for x, y in zip(results[0], other, strict=True))


class TestException:
    def test_nan_names_the_shape(self) -> None:
        clip = clip_of([[0, 0], [8, 0], [0, 8]], 8)
        clip[0, 1, 0] = math.nan
        with pytest.raises(ValueError, match=r"clip \[1, 3, 4\] has values that are not finite"):
            OPS.rasterize(clip, TRIANGLE, (8, 8))

    def test_shapes_and_indices(self) -> None:
        with pytest.raises(ValueError, match=r"clip: wanted \[B,V,4\]"):
            OPS.rasterize(torch.zeros(3, 4), TRIANGLE, (8, 8))
        with pytest.raises(ValueError, match=r"indices must lie in 0\.\.1"):
            OPS.rasterize(torch.zeros(1, 2, 4), TRIANGLE, (8, 8))
        rast = torch.zeros(2, 4, 4, 4)
        with pytest.raises(ValueError, match="attr"):
            OPS.interpolate(torch.zeros(3, 3, 1), rast, TRIANGLE)
        with pytest.raises(ValueError, match="color"):
            OPS.antialias(torch.zeros(1, 4, 4, 3), rast, torch.zeros(2, 3, 4), TRIANGLE)

    def test_backends(self) -> None:
        assert get_backend(None, "cpu").name == "cpu"
        with pytest.raises(ValueError, match="choose one of cpu, triton, nvdiffrast"):
            get_backend("opengl")
        try:
            import nvdiffrast  # noqa: F401
        except ImportError:
            with pytest.raises(
                ModuleNotFoundError, match="the nvdiffrast renderer cannot run here"
            ):
                get_backend("nvdiffrast")


class TestTexture:
    def test_texel_centres_and_orientation(self) -> None:
        texture = torch.arange(12.0).reshape(1, 3, 4, 1)
        u, v = (torch.arange(4) + 0.5) / 4, (torch.arange(3) + 0.5) / 3
        uv = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1)[None]
        assert torch.allclose(OPS.texture(texture, uv), texture, atol=1e-6)  # row 0 at v = 0
        assert OPS.texture(texture, torch.tensor([[[[-1.0, 2.0]]]])).item() == 8.0  # clamped

    @pytest.mark.parametrize("level", [0.0, 1.0, 2.0, 3.0])
    def test_mip_levels_are_box_means(self, level: float) -> None:
        texture = smooth_texture(16, 3, 0, 1, seed=5)
        step = 2**level / 16
        da = torch.tensor([step, 0.0, 0.0, step]).expand(1, 1, 1, 4).contiguous()
        uv = torch.tensor([[[[step / 2 * 1, step / 2 * 1]]]])  # centre of the level's first texel
        block = int(2**level)
        wanted = texture[0, :block, :block].mean((0, 1))
        assert torch.allclose(OPS.texture(texture, uv, da)[0, 0, 0], wanted, atol=1e-6)

    def test_minified_checkerboard_is_grey(self) -> None:
        board = ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float().reshape(1, 64, 64, 1)
        uv = torch.rand(1, 5, 5, 2, generator=torch.Generator().manual_seed(0))
        da = torch.tensor([1 / 16, 0.0, 0.0, 1 / 64]).expand(1, 5, 5, 4).contiguous()
        assert torch.allclose(OPS.texture(board, uv, da), torch.full((1, 5, 5, 1), 0.5), atol=1e-6)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_gradcheck(self, channels: int) -> None:
        generator = torch.Generator().manual_seed(2)
        rand = lambda *s: torch.rand(*s, generator=generator, dtype=torch.float64)  # noqa: E731
        texture, uv = rand(2, 8, 8, channels).requires_grad_(), (rand(2, 3, 3, 2) * 1.2 - 0.1)
        da = rand(2, 3, 3, 4) * 0.5
        run = lambda t, w: OPS.texture(t, w, da)  # noqa: E731
        assert torch.autograd.gradcheck(run, (texture, uv.requires_grad_()))


class TestAntialias:
    @pytest.mark.parametrize("angle", [0.1, 0.7, 1.3, 2.2, 3.9, 5.5])
    def test_coverage_of_an_edge(self, angle: float) -> None:
        """A half-plane: the sum of alpha is its area, to 0.05 pixel per pixel of edge."""
        size = 16
        c, s = math.cos(angle), math.sin(angle)
        centre = torch.tensor([8.3, 7.9])
        far = [[0.0, -200.0], [0.0, 200.0], [300.0, 0.0]]
        turn = torch.tensor([[c, -s], [s, c]])
        pixels = (torch.tensor(far) @ turn.T + centre).tolist()
        clip = clip_of(pixels, size)
        rast, _ = OPS.rasterize(clip, TRIANGLE, (size, size))
        alpha = OPS.antialias((rast[..., 3:] > 0).double(), rast, clip, TRIANGLE)
        fine = (torch.arange(size * 32) + 0.5) / 32
        offset = (fine[None] - centre[0]) * c + (fine[:, None] - centre[1]) * s
        exact = (offset > 0).double().reshape(size, 32, size, 32).mean((1, 3))
        error = alpha[0, 1:-1, 1:-1, 0] - exact[1:-1, 1:-1]
        assert error.abs().max() < 0.13
        assert abs(error.sum()) < 0.05 * size

    def test_interior_is_untouched(self) -> None:
        """No blending between triangles of one smooth surface, however small they are."""
        mesh, _, clip = head_clip(30)
        rast, _ = OPS.rasterize(clip, mesh.triangles, (30, 30))
        noise = torch.rand(1, 30, 30, 2, generator=torch.Generator().manual_seed(0))
        covered = rast[0, ..., 3] > 0
        out = OPS.antialias(noise, rast, clip, mesh.triangles)
        inner = -torch.nn.functional.max_pool2d(-covered.float()[None, None], 3, 1, 1)[0, 0] > 0
        assert inner.sum() > 100
        assert torch.equal(out[0][inner], noise[0][inner])

    @pytest.mark.parametrize("size", [24, 96])
    def test_silhouette_coverage_of_a_mesh(self, size: int) -> None:
        """Total coverage against 8x supersampling, also where triangles are subpixel slivers."""
        mesh, _, clip = head_clip(size)
        rast, _ = OPS.rasterize(clip, mesh.triangles, (size, size))
        alpha = OPS.antialias((rast[..., 3:] > 0).float(), rast, clip, mesh.triangles)
        fine, _ = OPS.rasterize(clip, mesh.triangles, (8 * size, 8 * size))
        exact = (fine[..., 3] > 0).float().reshape(size, 8, size, 8).mean((1, 3))
        error = alpha[0, ..., 0] - exact
        assert error.abs().max() < 0.25
        edge = ((exact > 0) & (exact < 1)).sum()
        assert error.abs().sum() / edge < 0.035
        hard = ((rast[0, ..., 3] > 0).float() - exact).abs().sum() / edge
        assert hard > 0.2  # what it would be without

    def test_gradcheck_against_finite_differences(self) -> None:
        mesh, _, clip = head_clip(20, torch.float64)
        generator = torch.Generator().manual_seed(3)
        color = torch.rand(1, 20, 20, 2, generator=generator).double().requires_grad_()
        weight = torch.rand(1, 20, 20, 2, generator=generator).double()
        rast, _ = OPS.rasterize(clip, mesh.triangles, (20, 20))
        leaf = clip.clone().requires_grad_()

        def run(c, p):
            return (OPS.antialias(c, rast, p, mesh.triangles) * weight).sum()

        grad_color, grad_clip = torch.autograd.grad(run(color, leaf), (color, leaf))
        for leaf_grad, which in ((grad_color, 0), (grad_clip, 1)):
            step = torch.randn(leaf_grad.shape, generator=generator).double() * 1e-6
            inputs = [color.detach(), clip.detach()]
            plus, minus = list(inputs), list(inputs)
            plus[which], minus[which] = inputs[which] + step, inputs[which] - step
            wanted = (run(*plus) - run(*minus)) / 2
            assert (leaf_grad * step).sum().item() == pytest.approx(wanted.item(), rel=1e-5)
        assert (grad_clip.abs() > 0).sum() > 30


class TestGradcheck:
    def test_barycentrics_and_interpolation(self) -> None:
        clip = clip_of([[0.2, 0.3], [7.7, 0.9], [0.6, 7.2], [7.9, 7.8]], 8)
        clip = clip * torch.tensor([1.0, 1.3, 0.8, 1.1]).double()[None, :, None]
        tri = torch.tensor([[0, 1, 2], [1, 3, 2]], dtype=torch.int32)
        attr = torch.rand(1, 4, 3, generator=torch.Generator().manual_seed(0)).double()

        def run(position, values):
            rast, _ = OPS.rasterize(position, tri, (8, 8))
            return OPS.interpolate(values, rast, tri)[0]

        assert torch.autograd.gradcheck(run, (clip.requires_grad_(), attr.requires_grad_()))


class TestStill:
    """A head that stands still under light that changes has fewer gradients: the same bits."""

    def test_light_and_albedo(self) -> None:
        mesh, camera, _ = head_clip(40)
        found = []
        for moves in (True, False):
            light = Light.preset("studio")
            albedo = torch.full((1, 8, 8, 3), 0.4).requires_grad_()
            light.sh.requires_grad_()
            vertices = mesh.vertices.clone().requires_grad_(moves)
            material = Material(albedo, torch.full((1, 1, 1, 1), 0.04), None, 0.5)
            out = render(replace(mesh, vertices=vertices), [material], camera, light, backend=OPS)
            (out.color.square().sum() + out.alpha.sum()).backward()
            found.append((albedo.grad, light.sh.grad))
        for one, other in zip(*found, strict=True):
            assert one.abs().sum() > 0 and torch.equal(one, other)
