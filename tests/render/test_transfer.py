"""Light that comes from where something lies in the way is kept from a vertex."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel, load_head, save_head
from fitme.render import Material, render
from fitme.render.camera import Camera, focal_from_fov, intrinsics, rigid
from fitme.render.light import Light, fibonacci_sphere, sh_basis, sh_diffuse
from fitme.render.transfer import MOST, visibility


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def glow(towards: tuple[float, float, float]) -> torch.Tensor:
    """[1,9,3] of a surround that is brightest in one direction."""
    directions = fibonacci_sphere(400)
    middle = torch.nn.functional.normalize(torch.tensor(towards), dim=0)
    radiance = 0.05 + ((directions @ middle - 1) * 2).exp()
    harmonics = sh_basis(directions).T @ radiance * (4 * torch.pi / 400)
    return harmonics[None, :, None].expand(1, 9, 3).contiguous()


def facing(size: int, batch: int = 1) -> Camera:
    pose = rigid(torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None], torch.tensor([[0.0, 0.0, 0.8]]))
    matrix = intrinsics(focal_from_fov(26.0, size), size, size).reshape(1, 3, 3)
    return Camera(matrix.expand(batch, 3, 3), pose.expand(batch, 4, 4), size, size)


class TestVisibility:
    def test_open_vertices_get_all(self) -> None:
        directions = fibonacci_sphere(20)
        sh = glow((0.0, 1.0, 0.5))
        open_ = torch.stack([sh_basis(directions)] * 2)
        assert torch.allclose(visibility(open_, sh), torch.ones(1, 20), atol=1e-5)

    def test_follows_the_light_and_stays_in_its_range(self, head: HeadModel) -> None:
        assert head.transfer is not None
        above = visibility(head.transfer, glow((0.0, 1.0, 0.3)))[0]
        below = visibility(head.transfer, glow((0.0, -1.0, 0.3)))[0]
        assert above.min() >= 0 and above.max() <= MOST
        throat = (head.mean[:, 1] < -0.10) & (head.mean[:, 2] > 0.02) & (head.neck_weight > 0.1)
        assert throat.sum() > 20
        assert above[throat].mean() < below[throat].mean() - 0.1  # the chin is in the way

    def test_agrees_with_many_shadowed_lamps(self, head: HeadModel) -> None:
        """The mean head under a light from above, drawn with one shadow per lamp."""
        directions = fibonacci_sphere(48)
        sh = glow((0.2, 0.8, 0.5))
        colors = (sh_basis(directions) @ sh[0]).clamp_min(0) * (4 / 48)
        lamps = Light(torch.zeros(1, 9, 3), directions[None], colors[None])
        none = torch.zeros(1, 0, 3)
        white = [Material.plain((0.5, 0.5, 0.5), 0.0)] * len(head.part_names)
        mesh, camera = head_mesh(head, head.mean[None]), facing(96)
        bare = replace(mesh, transfer=None, occlusion=None)
        truth = render(bare, white, camera, lamps, shadows=True, antialias=False)
        skin = truth.part[0] == head.skin.index

        def off(drawn) -> float:
            out = render(drawn, white, camera, Light(sh, none, none), antialias=False)
            return float((out.diffuse - truth.diffuse)[0][skin].square().mean().sqrt())

        assert off(mesh) < 0.6 * off(replace(mesh, transfer=None))


class TestRender:
    def test_two_images_have_their_own_lights(self, head: HeadModel) -> None:
        mesh = head_mesh(head, head.mean[None])
        white = [Material.plain((0.5, 0.5, 0.5))] * len(head.part_names)
        none = torch.zeros(2, 0, 3)
        both = torch.cat([glow((0.0, 1.0, 0.3)), glow((1.0, 0.0, 0.3))])
        out = render(mesh, white, facing(64, 2), Light(both, none, none))
        for k in range(2):
            one = Light(both[k : k + 1], none[:1], none[:1])
            alone = render(mesh, white, facing(64), one)
            assert torch.allclose(out.color[k], alone.color[0], atol=1e-6)

    def test_light_gets_its_gradient(self, head: HeadModel) -> None:
        mesh = head_mesh(head, head.mean[None])
        white = [Material.plain((0.5, 0.5, 0.5), 0.0)] * len(head.part_names)
        sh = glow((0.0, 1.0, 0.3)).requires_grad_()
        none = torch.zeros(1, 0, 3)

        def total(value: torch.Tensor) -> torch.Tensor:
            return render(mesh, white, facing(64), Light(value, none, none)).color.mean()

        total(sh).backward()
        assert sh.grad is not None
        step = torch.zeros_like(sh)
        step[0, 1] = 0.05
        with torch.no_grad():
            change = (total(sh + step) - total(sh - step)) / 2
        assert torch.isclose((sh.grad * step).sum(), change, rtol=0.02)

    def test_wrong_shape_is_refused(self, head: HeadModel) -> None:
        with pytest.raises(ValueError, match="transfer"):
            replace(head_mesh(head, head.mean[None]), transfer=torch.ones(2, 3, 9))


def test_is_kept_in_the_file(head: HeadModel, tmp_path) -> None:
    save_head(head, tmp_path / "head.safetensors")
    again = load_head(tmp_path / "head.safetensors")
    assert head.transfer is not None and torch.equal(again.transfer, head.transfer)
    save_head(replace(head, transfer=None), tmp_path / "plain.safetensors")
    assert load_head(tmp_path / "plain.safetensors").transfer is None
    assert torch.allclose(
        head.transfer[1, :, 0], sh_diffuse_constant(), atol=1e-3
    )  # without anything in the way every vertex gets all of a light from everywhere


def sh_diffuse_constant() -> torch.Tensor:
    """What a white Lambertian reflects of the first harmonic."""
    first = torch.zeros(9, 1)
    first[0] = 1
    return sh_diffuse(first, torch.tensor([0.0, 0.0, 1.0]))[0]
