"""fitme.render.render: smoke, exception, feature, and gradients against finite differences."""

from dataclasses import replace

import pytest
import torch

from benchmarks.scenes import head, skin, smooth_texture
from fitme.render import Material, Mesh, render
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.backends.cpu.operations import CpuOperations
from fitme.render.camera import Camera, axis_angle_to_matrix, perspective
from fitme.render.geometry import bitangent_signs, uv_tangents, vertex_normals
from fitme.render.light import Light

SIZE = 48


def camera(size: int = SIZE, dtype=torch.float32, eye=(0.1, 0.05, 0.5)) -> Camera:
    return perspective(
        torch.tensor([eye], dtype=dtype), torch.zeros(1, 3, dtype=dtype), 30.0, size, size
    )


def light(dtype=torch.float32) -> Light:
    sh = Light.ambient(0.4).sh.repeat(1, 1, 1)
    sh[0, 1:] = torch.randn(8, 3, generator=torch.Generator().manual_seed(4)) * 0.1
    return Light(
        sh.to(dtype),
        torch.tensor([[[0.5, 0.5, 1.0], [-1.0, 0.2, 0.6]]], dtype=dtype),
        torch.tensor([[[0.5, 0.4, 0.3], [0.2, 0.3, 0.5]]], dtype=dtype),
        torch.tensor([[[0.1, 0.3, 0.4]]], dtype=dtype),
        torch.tensor([[[0.05, 0.04, 0.03]]], dtype=dtype),
    )


def mesh(dtype=torch.float32) -> Mesh:
    shape = head(24, 36, bump=0.2, dtype=dtype)
    veil = 0.6 + 0.4 * torch.rand(
        shape.vertices.shape[1], generator=torch.Generator().manual_seed(8)
    )
    return replace(shape, occlusion=veil.to(dtype))


class TestSmoke:
    def test_all_outputs(self) -> None:
        out = render(mesh(), [skin()], camera(), light())
        assert out.color.shape == (1, SIZE, SIZE, 3) and out.alpha.shape == (1, SIZE, SIZE, 1)
        for name in ("diffuse", "specular", "normal", "albedo", "position"):
            assert getattr(out, name).shape == (1, SIZE, SIZE, 3)
            assert torch.isfinite(getattr(out, name)).all()
        assert out.uv.shape == (1, SIZE, SIZE, 2)
        assert set(out.part.unique().tolist()) == {-1, 0}
        assert torch.isfinite(out.color).all() and out.color.max() > 0.2

    def test_without_lights_maps_or_anything_in_view(self) -> None:
        plain = Material.plain((0.5, 0.5, 0.5))
        assert torch.isfinite(render(mesh(), [plain], camera(), Light.ambient()).color).all()
        away = camera(eye=(0.0, 0.0, -0.5))
        away = replace(away, world_to_camera=away.world_to_camera + 0)
        moved = replace(mesh(), vertices=mesh().vertices - torch.tensor([0.0, 0.0, 5.0]))
        leaf = moved.vertices.requires_grad_()
        out = render(moved, [skin()], away, light())
        assert (out.alpha == 0).all()
        assert (torch.autograd.grad(out.color.sum(), leaf)[0] == 0).all()


class TestException:
    def test_nan_vertices(self) -> None:
        broken = mesh()
        broken.vertices[0, 5, 1] = float("nan")
        with pytest.raises(ValueError, match=r"vertices \[1, 830, 3\] have values"):
            render(broken, [skin()], camera(), light())

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match="diffuse_albedo: wanted"):
            Material(torch.zeros(8, 8, 3), torch.zeros(1, 8, 8, 1))
        with pytest.raises(ValueError, match=r"part: wanted 0\.\.0"):
            render(replace(mesh(), part=mesh().part + 1), [skin()], camera(), light())
        with pytest.raises(ValueError, match="uv_triangles"):
            replace(mesh(), part=mesh().part[:5])
        with pytest.raises(ValueError, match="light has batch 3"):
            render(mesh(), [skin()], camera(), Light.ambient().expand(3))


class TestFeature:
    def test_flat_white_under_white_ambient_is_white(self) -> None:
        white = Material(torch.ones(1, 1, 1, 3), torch.zeros(1, 1, 1, 1), roughness=1.0)
        out = render(replace(mesh(), occlusion=None), [white], camera(), Light.ambient(0.7))
        assert torch.allclose(out.diffuse_points, torch.tensor(0.7), atol=1e-5)

    def test_occlusion_scales_ambient_only(self) -> None:
        half = replace(mesh(), occlusion=torch.full_like(mesh().occlusion, 0.5))
        full = replace(mesh(), occlusion=None)
        sky, sun = Light.ambient(0.5), Light.preset("side")
        sun = replace(sun, sh=sun.sh * 0)
        for lamp, factor in ((sky, 0.5), (sun, 1.0)):
            a, b = (render(m, [skin()], camera(), lamp) for m in (half, full))
            assert torch.allclose(a.color, factor * b.color, atol=1e-5)

    def test_background_is_blended_by_alpha(self) -> None:
        behind = torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(1))
        flat = Material(torch.full((1, 1, 1, 3), 0.6), torch.zeros(1, 1, 1, 1))
        over = render(mesh(), [flat], camera(), light(), background=behind)
        empty = over.alpha[..., 0] == 0
        assert torch.equal(over.color[empty], behind[empty])
        one = render(mesh(), [flat], camera(), light(), background=torch.ones(1, SIZE, SIZE, 3))
        none = render(mesh(), [flat], camera(), light())
        assert torch.allclose(one.color, none.color + (1 - none.alpha), atol=1e-5)
        hard = render(mesh(), [flat], camera(), light(), antialias=False)
        assert set(hard.alpha.unique().tolist()) == {0.0, 1.0}

    def test_parts_use_their_materials(self) -> None:
        shape = mesh()
        part = (torch.arange(len(shape.part)) % 3 == 1).long()
        materials = [
            skin(),
            Material(smooth_texture(32, 3, 0, 1, 9), torch.full((1, 4, 4, 3), 0.05)),
        ]
        both = render(replace(shape, part=part), materials, camera(), light(), antialias=False)
        bare = replace(materials[1], normal=torch.tensor([0.0, 0.0, 1.0]).reshape(1, 1, 1, 3))
        singles = [
            render(shape, [m], camera(), light(), antialias=False) for m in (materials[0], bare)
        ]
        for index, single in enumerate(singles):
            mine = both.part == index
            assert mine.any() and torch.allclose(both.color[mine], single.color[mine], atol=1e-6)

    def test_batch_equals_single_images(self) -> None:
        shapes = torch.cat([mesh().vertices, mesh().vertices * 1.1])
        views = [camera(), camera(eye=(-0.2, 0.0, 0.45))]
        both = Camera(
            torch.cat([v.K for v in views]),
            torch.cat([v.world_to_camera for v in views]),
            SIZE,
            SIZE,
        )
        lamps = [light(), light().rotated(axis_angle_to_matrix(torch.tensor([0.0, 1.0, 0.0])))]
        pairs = zip(*(lamp.tensors() for lamp in lamps), strict=True)
        together = Light(*(torch.cat(pair) for pair in pairs))
        albedo = torch.cat([smooth_texture(64, 3, 0, 1, s) for s in (1, 2)])
        material = replace(skin(64), diffuse_albedo=albedo)
        batch = render(replace(mesh(), vertices=shapes), [material], both, together)
        for b in range(2):
            own = replace(material, diffuse_albedo=albedo[b : b + 1])
            alone = render(replace(mesh(), vertices=shapes[b : b + 1]), [own], views[b], lamps[b])
            assert torch.allclose(batch.color[b], alone.color[0], atol=1e-6)
            assert torch.allclose(batch.alpha[b], alone.alpha[0])

    def test_shared_mesh_for_several_cameras(self) -> None:
        both = Camera(camera().K, camera().world_to_camera.repeat(2, 1, 1), SIZE, SIZE)
        out = render(mesh(), [skin()], both, light())
        assert torch.equal(out.color[0], out.color[1])

    def test_a_bump_is_lit_on_the_side_of_the_light(self) -> None:
        """A height field in the map's image, bright where it faces a light from above (row 0)
        or from the right; the same answer as real relief gives."""
        x, y = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="xy")
        slope_x = -x * torch.exp(-(x * x + y * y) / 0.1) * 2  # dh/dx, x to the right
        slope_up = y * torch.exp(-(x * x + y * y) / 0.1) * 2  # dh/d(up); y here runs down
        normal = torch.nn.functional.normalize(
            torch.stack([-slope_x, -slope_up, torch.ones_like(x)], -1), dim=-1
        )
        assert normal[10, 32, 1] > 0  # the upper flank points up: OpenGL, Y+
        quad = Mesh(
            torch.tensor(
                [[[-0.1, 0.1, 0.0], [0.1, 0.1, 0.0], [-0.1, -0.1, 0.0], [0.1, -0.1, 0.0]]]
            ),
            torch.tensor([[0, 2, 3], [0, 3, 1]]),
            torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
            torch.tensor([[0, 2, 3], [0, 3, 1]]),
            torch.zeros(2, dtype=torch.long),
        )
        material = Material(
            torch.ones(1, 1, 1, 3), torch.zeros(1, 1, 1, 1), normal[None], roughness=1.0
        )

        def lit(shape: Mesh, maps: Material, towards: tuple[float, float, float]) -> torch.Tensor:
            lamp = Light(torch.zeros(1, 9, 3), torch.tensor([[towards]]), torch.ones(1, 1, 3))
            view = camera(eye=(0.0, 0.0, 0.5))
            return render(shape, [maps], view, lamp).diffuse[0, ..., 0]

        top = lit(quad, material, (0.0, 1.0, 1.0))
        assert top[20, 24] > top[28, 24] + 0.1
        right = lit(quad, material, (1.0, 0.0, 1.0))
        assert right[24, 28] > right[24, 20] + 0.1
        # u mirrored in the layout: the same map, read right to left, must still be lit right
        mirrored = replace(quad, uv=quad.uv * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]))
        assert torch.allclose(lit(mirrored, material, (0.0, 1.0, 1.0)), top, atol=1e-3)
        back = lit(mirrored, material, (1.0, 0.0, 1.0))
        assert back[24, 28] > back[24, 20] + 0.1
        # rotated layout: u runs up the quad
        turned = replace(quad, uv=torch.stack([1 - quad.uv[:, 1], quad.uv[:, 0]], -1))
        assert (
            lit(turned, material, (0.0, 1.0, 1.0))[20, 24]
            > lit(turned, material, (0.0, 1.0, 1.0))[28, 24] + 0.1
        )

    def test_tangents_do_not_mix_across_the_seam(self) -> None:
        shape = head(24, 36)
        tangent = uv_tangents(shape.vertices, shape.triangles, shape.uv, shape.uv_triangles)
        grid = tangent[0, : 23 * 37].reshape(23, 37, 3)
        east = torch.tensor([0.0, 0.0, 0.0])
        phi = torch.linspace(-torch.pi, torch.pi, 37)
        east = torch.stack([phi.cos() * 0.075, phi * 0, -phi.sin() * 0.09], -1)
        east = torch.nn.functional.normalize(east, dim=-1)
        assert (grid[11] * east).sum(-1).min() > 0.98
        assert (bitangent_signs(shape.uv, shape.uv_triangles) == 1).all()

    def test_normals_point_outwards(self) -> None:
        shape = head(24, 36)
        normal = vertex_normals(shape.vertices, shape.triangles)
        assert (normal * shape.vertices).sum(-1).min() > 0

    def test_texture_shrinks_without_aliasing(self) -> None:
        """A checkerboard far away is its mean."""
        board = ((torch.arange(256)[:, None] + torch.arange(256)) % 2).float()
        maps = Material(board[None, ..., None].expand(-1, -1, -1, 3), torch.zeros(1, 1, 1, 1))
        out = render(replace(mesh(), occlusion=None), [maps], camera(32), Light.ambient())
        assert (out.albedo_points - 0.5).abs().mean() < 0.02


def leaves_of(dtype, size=32):
    """Everything `render` is differentiable in."""
    maps, shape, view, lamp = skin(size, dtype), mesh(dtype), camera(dtype=dtype), light(dtype)
    return {
        "vertices": shape.vertices,
        "occlusion": shape.occlusion,
        "diffuse_albedo": maps.diffuse_albedo,
        "specular_albedo": maps.specular_albedo,
        "normal": maps.normal,
        "roughness": maps.roughness,
        "K": view.K,
        "world_to_camera": view.world_to_camera,
        "sh": lamp.sh,
        "directions": lamp.directions,
        "colors": lamp.colors,
        "positions": lamp.positions,
        "intensities": lamp.intensities,
        "background": torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(6)).to(
            dtype
        ),
    }


def draw(leaves, backend=None):
    shape = replace(
        mesh(leaves["K"].dtype), vertices=leaves["vertices"], occlusion=leaves["occlusion"]
    )
    maps = Material(
        *(leaves[k] for k in ("diffuse_albedo", "specular_albedo", "normal", "roughness"))
    )
    view = Camera(leaves["K"], leaves["world_to_camera"], SIZE, SIZE)
    names = ("sh", "directions", "colors", "positions", "intensities")
    lamp = Light(*(leaves[k] for k in names))
    return render(shape, [maps], view, lamp, backend=backend, background=leaves["background"])


def weighted(out):
    generator = torch.Generator().manual_seed(7)
    weight = torch.rand(out.color.shape, generator=generator).to(out.color)
    more = torch.rand(out.alpha.shape, generator=generator).to(out.color)
    return (out.color * weight).sum() + (out.alpha * more).sum()


class TestGradcheck:
    """Central differences of the image in float64, along random directions per input. Mip
    levels are held constant in the gradient, so geometry is checked on maps of an odd size,
    which have one level."""

    @pytest.mark.parametrize("name", list(leaves_of(torch.float32)))
    def test_finite_differences(self, name: str) -> None:
        moves = name in ("vertices", "K", "world_to_camera")
        leaves = leaves_of(torch.float64, 33 if moves else 32)
        leaf = leaves[name].clone().requires_grad_()
        grad = torch.autograd.grad(weighted(draw({**leaves, name: leaf})), leaf)[0]
        assert grad.abs().max() > 0
        scale = {"vertices": 1e-8, "K": 1e-6, "world_to_camera": 1e-8}.get(name, 1e-6)
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            step = torch.randn(leaf.shape, generator=generator, dtype=torch.float64) * scale
            if name == "K":
                step[:, 2] = 0
            if name == "world_to_camera":
                step[:, 3] = 0
            plus, minus = ({**leaves, name: leaves[name] + sign * step} for sign in (1, -1))
            wanted = (weighted(draw(plus)) - weighted(draw(minus))).item() / 2
            got = (grad * step).sum().item()
            size = (grad.square().sum().sqrt() * scale).item()
            assert abs(got - wanted) < 1e-4 * size, (got, wanted, size)

    def test_silhouette_gradient_is_that_of_true_coverage(self) -> None:
        """d(weighted coverage) when the head moves and grows, against 12x supersampling."""
        size, fine = 96, 96 * 12
        shape, view = head(48, 72, dtype=torch.float64), camera(size, torch.float64)
        ramp = torch.linspace(0, 1, size, dtype=torch.float64)
        weight = (ramp[None, :] + 2 * ramp[:, None].square()).reshape(1, size, size, 1)
        right = torch.tensor([1.0, 0.0, 0.0]).double().expand(shape.vertices.shape)
        directions = {"right": right, "down": -right.roll(1, -1), "grow": shape.vertices * 10}
        leaf = shape.vertices.clone().requires_grad_()
        flat = Material.plain((1.0, 1.0, 1.0))
        out = render(replace(shape, vertices=leaf), [flat], view, Light.ambient())
        grad = torch.autograd.grad((out.alpha * weight).sum(), leaf)[0]

        def coverage(vertices: torch.Tensor) -> float:
            clip = view.resized(fine, fine).to_clip(vertices)
            rast, _ = CpuBackend().rasterize(clip, shape.triangles, (fine, fine))
            mean = (rast[0, ..., 3] > 0).double().reshape(size, 12, size, 12).mean((1, 3))
            return (mean * weight[0, ..., 0]).sum().item()

        for name, way in directions.items():
            steps = [coverage(shape.vertices + amount * way) for amount in (1e-3, -1e-3)]
            wanted = (steps[0] - steps[1]) / 2e-3
            assert (grad * way).sum().item() == pytest.approx(wanted, rel=0.05), name

    def test_fused_and_generic_paths_agree(self) -> None:
        """The CPU's fused kernels against the chain of operations with torch shading."""
        results = []
        for backend in (CpuBackend(), CpuOperations()):
            leaves = {k: v.requires_grad_() for k, v in leaves_of(torch.float64).items()}
            out = draw(leaves, backend)
            results.append((out, torch.autograd.grad(weighted(out), list(leaves.values()))))
        (first, grads), (second, others) = results
        for name in ("color", "alpha", "diffuse", "specular", "normal", "albedo", "uv", "part"):
            assert torch.allclose(getattr(first, name), getattr(second, name), atol=1e-9), name
        for name, a, b in zip(leaves, grads, others, strict=True):
            assert torch.allclose(a, b, atol=1e-7 * a.abs().max().item()), name

    def test_double_and_single_precision_agree(self) -> None:
        single, double = draw(leaves_of(torch.float32)), draw(leaves_of(torch.float64))
        assert (single.color - double.color).abs().max() < 2e-3
        assert (single.color - double.color).abs().mean() < 1e-5
