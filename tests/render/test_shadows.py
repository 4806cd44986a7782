"""Shadows fall where geometry says, and nothing that a light sees is darkened."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.scenes import head, skin
from fitme.render import Material, Mesh, RenderOutput, render
from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.backends.cpu.operations import CpuOperations
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light
from fitme.render.shadows import HALF_ANGLE_DEG, shadow_maps, vertex_visibility

OPS = CpuBackend()
GROUND, PLATE, HEIGHT = 0.2, 0.06, 0.1  # half sides and height above the ground, metres
CONE = math.tan(math.radians(HALF_ANGLE_DEG))


def plate_over_ground() -> tuple[Tensor, Tensor]:
    """Vertices [8,3] and triangles [4,3] of two squares that face +Z."""
    square = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    up = torch.tensor([0.0, 0.0, HEIGHT])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
    return torch.cat([GROUND * square, PLATE * square + up]), torch.cat([faces, faces + 4])


def profile(light: Tensor, point: bool) -> tuple[Tensor, Tensor, float]:
    """y and visibility [n] along the ground under the plate's edge in +y, and a texel's size."""
    maps = shadow_maps(OPS, *plate_over_ground(), light, point)
    y = torch.linspace(0, 0.19, 2001)
    middle = torch.zeros_like(y) if point else torch.full_like(y, -HEIGHT * light[0] / light[2])
    ground = torch.stack([middle, y, torch.zeros_like(y)], -1)
    return y, maps.visibility(ground, torch.tensor([[0.0, 0.0, 1.0]]).expand(len(y), 3)), maps.texel


def crossing(y: Tensor, visibility: Tensor, level: float) -> float:
    return float(y[(visibility > level).nonzero()[0, 0]])


@pytest.mark.parametrize("slant", [0.0, 1.0])
def test_edge_and_penumbra_of_a_directional_light(slant: float) -> None:
    light = torch.nn.functional.normalize(torch.tensor([slant, 0.0, 1.0]), dim=0)
    y, visibility, texel = profile(light, point=False)
    assert visibility[0] == 0 and visibility[-1] == 1
    assert (visibility.diff() >= -1e-6).all()
    assert crossing(y, visibility, 0.5) == pytest.approx(PLATE, abs=2.5 * texel)
    half = CONE * HEIGHT / float(light[2])
    width = crossing(y, visibility, 0.99) - crossing(y, visibility, 0.01)
    assert 0.7 * 2 * half < width < 2 * half + 3 * texel and half > 5 * texel  # few directions


def test_edge_of_a_point_light() -> None:
    y, visibility, texel = profile(torch.tensor([0.0, 0.0, 0.5]), point=True)
    wanted = PLATE * 0.5 / (0.5 - HEIGHT)
    assert visibility[0] == 0 and visibility[-1] == 1
    assert crossing(y, visibility, 0.5) == pytest.approx(wanted, abs=2.5 * texel)


@pytest.mark.parametrize("place", [[0.0, 0.0, 0.15], [0.05, 0.0, 0.02], [0.0, 0.0, 0.0]])
def test_a_point_light_between_the_surfaces(place: list[float]) -> None:
    maps = shadow_maps(OPS, *plate_over_ground(), torch.tensor(place), True)
    seen = maps.visibility(torch.zeros(1, 3) - 0.01, torch.tensor([[0.0, 0.0, 1.0]]))
    assert torch.isfinite(seen).all() and 0 <= float(seen) <= 1


def camera(size: int = 160) -> Camera:
    return perspective(torch.tensor([[0.12, 0.06, 0.5]]), torch.zeros(1, 3), 28.0, size, size)


def drawn(mesh: Mesh, light: Light, shadows: bool | None, **options) -> RenderOutput:
    material = options.pop("material", skin())
    return render(mesh, [material], camera(), light, shadows=shadows, **options)


SIDE = Light(
    Light.ambient(0.2).sh,
    torch.tensor([[[1.0, 0.2, 0.3], [-0.5, 0.3, 0.8]]]),
    torch.tensor([[[0.8, 0.7, 0.6], [0.3, 0.3, 0.4]]]),
    torch.tensor([[[0.2, -0.3, 0.4]]]),
    torch.tensor([[[0.05, 0.05, 0.05]]]),
)


@pytest.mark.parametrize("rows", [12, 48])
def test_a_convex_head_does_not_shade_itself(rows: int) -> None:
    """No acne, also where triangles are large; only close to the terminator light is taken."""
    mesh = head(rows, rows * 3 // 2)
    sun = replace(SIDE, directions=SIDE.directions[:, :1], colors=SIDE.colors[:, :1],
                  positions=None, intensities=None)  # fmt: skip
    plain, cast = (
        drawn(mesh, sun, on, material=Material.plain((0.5,) * 3)) for on in (False, True)
    )
    cosine = plain.normal_points @ torch.nn.functional.normalize(sun.directions[0, 0], dim=0)
    for before, after in ((plain.diffuse_points, cast.diffuse_points),
                          (plain.specular_points, cast.specular_points)):  # fmt: skip
        assert torch.equal(before[cosine > 0.2], after[cosine > 0.2])
        assert torch.equal(before[cosine <= 0], after[cosine <= 0])
    assert (plain.color - cast.color).abs().max() < 0.03
    assert torch.equal(plain.alpha, cast.alpha)


def test_a_nose_takes_only_what_lamps_gave() -> None:
    mesh = head(36, 54, bump=0.6)
    plain, cast = drawn(mesh, SIDE, False), drawn(mesh, SIDE, True)
    dark = replace(SIDE, colors=0 * SIDE.colors, intensities=torch.zeros(1, 1, 3))
    ambient = drawn(mesh, dark, False)
    for name in ("diffuse_points", "specular_points"):
        before, after, least = (getattr(out, name) for out in (plain, cast, ambient))
        assert (after <= before).all() and (after >= least - 1e-6).all()
    gone = (plain.diffuse_points - cast.diffuse_points).amax(-1)
    assert 0.03 < float((gone > 0.02).float().mean()) < 0.5


def test_generic_stages_and_batches_draw_the_same() -> None:
    mesh = head(24, 36, bump=0.6)
    fused = drawn(mesh, SIDE, True)
    generic = drawn(mesh, SIDE, True, backend=CpuOperations())
    torch.testing.assert_close(generic.color, fused.color, atol=2e-4, rtol=0)
    other = SIDE.rotated(torch.diag(torch.tensor([-1.0, 1.0, -1.0])))
    both = Light(*(torch.cat(pair) for pair in zip(SIDE.tensors(), other.tensors(), strict=True)))
    two = drawn(replace(mesh, vertices=mesh.vertices.expand(2, -1, -1)), both, True)
    torch.testing.assert_close(two.color[:1], fused.color, atol=1e-5, rtol=0)
    torch.testing.assert_close(two.color[1:], drawn(mesh, other, True).color, atol=1e-5, rtol=0)


def test_gradients_pass_through_what_is_lit() -> None:
    mesh = head(24, 36, bump=0.6)
    colors = SIDE.colors.clone().requires_grad_()
    (plain,), (cast,) = (
        torch.autograd.grad(
            drawn(mesh, replace(SIDE, colors=colors), on).diffuse_points.sum(), colors
        )
        for on in (False, True)
    )
    assert torch.isfinite(cast).all() and (cast > 0).all() and (cast < plain).any()


@pytest.mark.parametrize("place", [0.0, 0.3])
def test_a_point_beside_the_lamp_is_lit(place: float) -> None:
    """In the plane of a point light w is 0: no place in the map, and no index out of it."""
    lamp = torch.tensor([0.0, 0.0, 0.5])
    maps = shadow_maps(OPS, *plate_over_ground(), lamp, point=True)
    matrix = maps.matrices[0]
    matrix[3] = torch.tensor([0.0, 0.0, -1.0, 0.5])
    one = replace(maps, matrices=matrix[None], depth=maps.depth[:1], texel=0.0)
    position = torch.tensor([[place, 0.0, 0.5]])
    clip = matrix @ torch.cat([position[0], torch.ones(1)])
    assert clip[3] == 0
    assert one.visibility(position, torch.tensor([[0.0, 0.0, 1.0]])).tolist() == [1.0]


def test_depth_is_that_of_rasterize() -> None:
    mesh = head(24, 36)
    clip = camera().to_clip(mesh.vertices)
    rast, _ = OPS.rasterize(clip, mesh.triangles, (40, 48))
    depth = OPS.depth(clip, mesh.triangles, (40, 48))
    covered = rast[..., 3] > 0
    assert torch.equal(torch.isfinite(depth), covered)
    torch.testing.assert_close(depth[covered], rast[..., 2][covered], atol=1e-5, rtol=0)


class TestVertexVisibility:
    """Shadows that are known at the vertices, as a fit draws them."""

    light = Light.preset("studio")

    def mesh(self) -> Mesh:
        return head(60, 120, bump=0.6)

    def reached(self, mesh: Mesh, light: Light) -> Tensor:
        return vertex_visibility(OPS, mesh.vertices, mesh.triangles, light.tensors()[1])

    def test_as_shadow_maps_of_every_pixel(self) -> None:
        mesh = self.mesh()
        exact = drawn(mesh, self.light, True).color
        bare = drawn(mesh, self.light, False).color
        known = replace(mesh, reached=self.reached(mesh, self.light))
        near = render(known, [skin()], camera(), self.light).color
        cast = (exact - bare).abs().mean()
        assert cast > 2e-4  # the head does shade itself
        assert (near - exact).abs().mean() < 0.2 * cast

    def test_nothing_blocked_is_no_shadow_bit_by_bit(self) -> None:
        mesh = self.mesh()
        known = replace(mesh, reached=torch.ones(1, mesh.vertices.shape[1], 3))
        near = render(known, [skin()], camera(), self.light)
        assert torch.equal(near.color, drawn(mesh, self.light, False).color)

    def test_gradients_of_albedo_and_lamp(self) -> None:
        mesh, material = self.mesh(), skin()
        known = replace(mesh, reached=torch.full((1, mesh.vertices.shape[1], 3), 0.25))
        albedo = material.diffuse_albedo.clone().requires_grad_()
        colors = self.light.colors.clone().requires_grad_()
        lit = replace(self.light, colors=colors)
        out = render(known, [replace(material, diffuse_albedo=albedo)], camera(), lit)
        found = torch.autograd.grad(out.color.sum(), [albedo, colors])
        fainter = replace(self.light, colors=(0.25 * self.light.colors).requires_grad_())
        again = render(mesh, [replace(material, diffuse_albedo=albedo)], camera(), fainter)
        wanted = torch.autograd.grad(again.color.sum(), [albedo, fainter.colors])
        assert torch.allclose(found[0], wanted[0], atol=1e-4)
        assert torch.allclose(found[1], 0.25 * wanted[1], rtol=1e-3)

    def test_another_number_of_lights_is_refused(self) -> None:
        mesh = self.mesh()
        known = replace(mesh, reached=torch.ones(1, mesh.vertices.shape[1], 2))
        with pytest.raises(ValueError, match="of 2 lights"):
            render(known, [skin()], camera(), self.light)


def test_a_light_casts_as_many_shadows_as_it_says() -> None:
    mesh, studio = head(40, 80, bump=0.2), Light.preset("studio")
    first = replace(studio, directions=studio.directions[:, :1], colors=studio.colors[:, :1])
    rest = replace(studio, directions=studio.directions[:, 1:], colors=studio.colors[:, 1:])
    dark = replace(rest, sh=torch.zeros_like(rest.sh))
    some = drawn(mesh, replace(studio, casts=1), None, antialias=False).color
    parts = drawn(mesh, first, True, antialias=False).color
    parts = parts + drawn(mesh, dark, False, antialias=False).color
    assert torch.allclose(some, parts, atol=1e-5)
    kept = Light.from_dict(replace(studio, casts=2).to_dict())
    assert kept.casts == 2 and kept.to("cpu").rotated(torch.eye(3)).casts == 2
    with pytest.raises(ValueError, match="casts"):
        Light.from_dict(studio.to_dict() | {"casts": 4})
