"""The contact picture: its panels, and that its windows lie where the photo says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fitme.avatar.model import Avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.head.geometry import Geometry
from fitme.head.view import View
from fitme.image.color import linear_to_srgb, srgb_to_linear
from fitme.image.photo import Photo
from fitme.render import Material
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, render_rgba, to_bytes
from fitme.report.overlay import head_window, overlay_picture, photo_window, wire
from tests.tiny_head import tiny_head

WIDTH, HEIGHT = 320, 400
NOSE = 0  # landmark of the tiny head: the tip of its skull's front


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    """Grey octahedra 0.9 m away, tilted, right of the photo's middle."""
    view = View(
        rotation=torch.tensor([[math.pi - 0.1, 0.12, 0.25]]),
        translation=torch.tensor([[0.03, 0.02, 0.9]]),
        focal=torch.tensor([700.0]),
        width=WIDTH,
        height=HEIGHT,
        expression=torch.zeros(1, 2),
        gaze=torch.zeros(1, 2, 2),
    )
    seen = AvatarPhoto(Path("photo.png"), view, Light.ambient(1.0), {}, 0.0)
    materials = tuple(Material.plain((c, c, c)) for c in (0.5, 0.9, 0.9))
    return Avatar(Geometry(tiny_head(), torch.zeros(1, 2)), materials, (seen,))


def moved(avatar: Avatar, x: float, y: float, z: float) -> Avatar:
    """The avatar with its head elsewhere in the camera's space."""
    photo = avatar.photos[0]
    view = replace(photo.view, translation=torch.tensor([[x, y, z]]))
    return replace(avatar, photos=(replace(photo, view=view),))


def photo_with_dot(avatar: Avatar, landmark: int) -> tuple[Photo, torch.Tensor]:
    """A dark photo with a bright 3 x 3 dot on the pixel of a landmark, and the dot's centre."""
    view = avatar.photos[0].view
    points = avatar.head.landmarks(view.posed(avatar.head, avatar.identity))
    x, y = (int(c) for c in view.camera().project(points)[0, landmark])
    pixels = torch.full((HEIGHT, WIDTH, 3), 0.02)
    pixels[y - 1 : y + 2, x - 1 : x + 2] = 1.0
    return Photo(Path("photo.png"), pixels), torch.tensor([x + 0.5, y + 0.5])


class TestWindow:
    def test_holds_the_whole_head(self, avatar: Avatar) -> None:
        window = head_window(avatar, 0, 200)
        posed = avatar.photos[0].view.posed(avatar.head, avatar.identity)
        pixels = window.project(posed)[0]
        low, high = pixels.amin(0), pixels.amax(0)
        assert (low > 5).all() and (high < 195).all()
        torch.testing.assert_close(low + high, torch.full((2,), 200.0), atol=1e-2, rtol=0)
        assert float((high - low).max()) == pytest.approx(200 / 1.12, rel=1e-3)

    @pytest.mark.parametrize("size", [90, 256, 400])
    @pytest.mark.parametrize(
        "where", [(0.03, 0.02, 0.9), (-0.1, -0.15, 0.9), (0.2, 0.2, 1.2), (0.0, 0.0, 0.45)]
    )
    def test_a_landmark_of_the_photo_lies_where_the_window_projects_it(
        self, avatar: Avatar, size: int, where: tuple[float, float, float]
    ) -> None:
        avatar = moved(avatar, *where)
        photo, dot = photo_with_dot(avatar, NOSE)
        whole, window = avatar.photos[0].view.camera(), head_window(avatar, 0, size)
        pixels = photo_window(photo, whole, window)
        assert pixels.shape == (size, size, 3)
        weight = (pixels[..., 0] - 0.02).clamp_min(0)  # outside the photo it is black
        axis = torch.arange(size) + 0.5
        found = torch.stack([(weight.sum(0) * axis).sum(), (weight.sum(1) * axis).sum()])
        found = found / weight.sum()
        # Where the camera of the whole photo has the dot, the window must have it, too.
        scale = float(window.K[0, 0, 0] / whole.K[0, 0, 0])
        principal = whole.K[0, :2, 2]
        expected = (dot - principal) * scale + window.K[0, :2, 2]
        assert (found - expected).abs().max() < max(1.0, scale)  # a pixel, of the coarser grid
        points = avatar.head.landmarks(avatar.photos[0].view.posed(avatar.head, avatar.identity))
        assert (window.project(points)[0, NOSE] - found).abs().max() < 1 + 2 * scale


class TestPanels:
    def test_five_square_panels(self, avatar: Avatar) -> None:
        photo, _ = photo_with_dot(avatar, NOSE)
        picture = overlay_picture(avatar, photo, size=96)
        assert picture.shape == (96, 480, 3) and picture.dtype == np.uint8
        source, wires, render, left, right = np.split(picture, 5, axis=1)
        view = avatar.photos[0].view
        window = head_window(avatar, 0, 96)
        np.testing.assert_array_equal(source, to_bytes(photo_window(photo, view.camera(), window)))
        inside = avatar.render(
            window, avatar.photos[0].light, view.posed(avatar.head, avatar.identity)
        ).alpha[0, ..., 0].numpy()  # fmt: skip
        np.testing.assert_array_equal(render[inside == 0], source[inside == 0])
        assert (render[inside == 1] > 100).all()
        assert ((wires != source).any(-1)).mean() > 0.02
        backdrop = to_bytes(torch.full((1, 1, 3), BACKDROP))[0, 0]
        for side in (left, right):
            np.testing.assert_array_equal(side[0, 0], backdrop)
        assert (left != right).any()

    def test_wire_draws_edges_between_cells_only(self) -> None:
        uv = torch.zeros(1, 4, 6, 2)
        uv[:, :, 3:, 0] = 0.5
        out = SimpleNamespace(uv=uv, part=torch.zeros(1, 4, 6, dtype=torch.long))
        drawn = wire(out, torch.zeros(4, 6, 3))
        assert (drawn[:, 3, 1] > 0.5).all()
        assert (drawn[:, [0, 1, 2, 4, 5]] == 0).all()


class TestRgba:
    def test_alpha_is_straight(self) -> None:
        alpha = torch.tensor([0.0, 0.1, 0.5, 1.0]).reshape(1, 1, 4, 1)
        colour = torch.tensor([0.8, 0.2, 0.05])
        rgba = render_rgba(SimpleNamespace(alpha=alpha, color=alpha * colour))
        assert rgba.shape == (1, 4, 4) and rgba.dtype == np.uint8
        assert rgba[0, :, 3].tolist() == [0, 26, 128, 255]
        assert rgba[0, 0].tolist() == [0, 0, 0, 0]
        wanted = (linear_to_srgb(colour) * 255 + 0.5).to(torch.uint8).tolist()
        for column in (1, 2, 3):  # a half-covered pixel is as bright as a whole one
            assert rgba[0, column, :3].tolist() == wanted

    def test_a_render_over_black_is_the_premultiplied_one(self, avatar: Avatar) -> None:
        out = avatar.render_photo()
        rgba = render_rgba(out)
        assert rgba.shape == (HEIGHT, WIDTH, 4)
        share = rgba[..., 3:] / 255
        assert ((share > 0.2) & (share < 0.8)).sum() > 20  # antialiased edges
        over = srgb_to_linear(torch.from_numpy(rgba[..., :3] / 255).float()) * share
        wanted = out.color[0].clamp(0, 1)
        assert (over - wanted).abs().max() < 0.01

    def test_over_a_colour_it_is_opaque(self) -> None:
        alpha = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 3, 1)
        rgba = render_rgba(SimpleNamespace(alpha=alpha, color=alpha * torch.ones(3)),
                           torch.tensor([0.0, 0.5, 0.0]))  # fmt: skip
        assert rgba[0, :, 3].tolist() == [255] * 3
        wanted = to_bytes(torch.tensor([[[0, 0.5, 0], [0.5, 0.75, 0.5], [1, 1, 1]]]))
        np.testing.assert_array_equal(rgba[..., :3], wanted)

    def test_brighter_than_white_is_clipped(self) -> None:
        one = torch.ones(1, 1, 1, 1)
        rgba = render_rgba(SimpleNamespace(alpha=one, color=torch.full((1, 1, 1, 3), 3.0)))
        assert rgba[0, 0].tolist() == [255, 255, 255, 255]
