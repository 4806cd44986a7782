"""New views: signs of the angles, where the light stays, sizes, expressions."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, head_sphere, posed_vertices, read_light, view_light
from fitme.head.view import head_angles
from fitme.render import RenderOutput
from fitme.render.light import PRESETS, Light, sh_radiance
from fitme.render.picture import parse_background, render_rgba
from fitme.report.views import Turntable, view_picture
from fitme.runtime.errors import InputError
from tests.small_avatar import HEIGHT, WIDTH, make_avatar, small_avatar
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return small_avatar()


def nose_pixel(avatar: Avatar, out: RenderOutput) -> torch.Tensor:
    """Column and row of the drawn point that is nearest to the tip of the nose."""
    tip = avatar.neutral()[0]
    tip = tip[tip[:, 2].argmax()]
    away = (out.position[0] - tip).norm(dim=-1)
    away[out.part[0] < 0] = math.inf
    row, column = divmod(int(away.argmin()), away.shape[1])
    assert away.min() < 0.004
    return torch.tensor([column + 0.5, row + 0.5])


class TestAngles:
    def test_signs_in_the_picture(self, avatar: Avatar) -> None:
        def nose(yaw: float, pitch: float) -> torch.Tensor:
            out = avatar.render_view(yaw, pitch, neutral=True, resolution=128)
            return nose_pixel(avatar, out)

        front = nose(0, 0)
        assert abs(front[0] - 64) < 4  # in the middle, and the face looks at the camera
        right, up = nose(35, 0) - front, nose(0, 20) - front
        assert right[0] > 20 and abs(right[1]) < 4  # to the image's right
        assert up[1] < -6 and abs(up[0]) < 3

    @pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (-70.0, 15.0), (150.0, -30.0)])
    def test_camera_has_the_angles_and_the_whole_head(
        self, avatar: Avatar, yaw: float, pitch: float
    ) -> None:
        camera = facing_camera(avatar, yaw, pitch, 200)
        angles = head_angles(camera.world_to_camera[0, :3, :3])
        assert angles == pytest.approx(
            {"yaw_deg": yaw, "pitch_deg": pitch, "roll_deg": 0.0}, abs=1e-3
        )
        centre, _ = head_sphere(avatar)
        torch.testing.assert_close(
            camera.project(centre[None, None])[0, 0], torch.tensor([100.0] * 2)
        )
        pixels = camera.project(avatar.neutral())[0]
        assert 0 < pixels.min() < pixels.max() < 200
        spread = pixels.amax(0) - pixels.amin(0)
        assert spread.max() > 150
        seen = avatar.photos[0].view.camera().transform(centre[None, None])
        distance = camera.transform(centre[None, None])[0, 0, 2]
        assert float(distance) == pytest.approx(float(seen.norm()), rel=1e-5)

    def test_one_angle_leaves_the_other_at_zero(self, avatar: Avatar) -> None:
        one, both = (
            avatar.render_view(yaw=20, resolution=48),
            avatar.render_view(20, 0, resolution=48),
        )
        assert torch.equal(one.color, both.color) and one.color.shape == (1, 48, 48, 3)


class TestPhotoView:
    def test_without_angles_it_is_the_photos_view(self, avatar: Avatar) -> None:
        one, two = avatar.render_view(), avatar.render_photo()
        assert one.color.shape == (1, HEIGHT, WIDTH, 3)
        assert torch.equal(one.alpha, two.alpha)
        assert (one.color - two.color).abs().max() < 1e-4

    def test_resolution_is_the_longer_side(self, avatar: Avatar) -> None:
        assert avatar.render_view(resolution=60).color.shape == (1, 60, 48, 3)

    def test_picture_of_a_huge_photo_is_enlarged(
        self, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fitme.report.views.MAX_DRAWN_PX", 60)
        picture = view_picture(avatar)
        assert picture.shape == (HEIGHT, WIDTH, 4)
        sharp = render_rgba(avatar.render_photo())
        assert np.abs(picture.astype(int) - sharp).mean() < 8

    def test_a_photo_that_is_not_there(self, avatar: Avatar) -> None:
        with pytest.raises(IndexError):
            avatar.render_view(photo=1)

    def test_without_a_photo(self) -> None:
        full = make_avatar(tiny_head())
        bare = Avatar(full.geometry, full.materials)
        out = bare.render_view(resolution=40)
        front = bare.render_view(0, 0, light=Light.preset("studio"), resolution=40)
        assert torch.equal(out.color, front.color) and out.alpha.max() == 1


class TestLight:
    def in_picture(self, light: Light, camera, direction: list[float]) -> torch.Tensor:
        """Radiance [3] that comes from a direction in the picture's axes."""
        flip = torch.tensor([1.0, -1.0, -1.0])
        world = (torch.tensor(direction) * flip) @ camera.world_to_camera[0, :3, :3]
        return sh_radiance(light.sh[0], world / world.norm())

    def test_the_photos_light_stays_in_the_picture(self, avatar: Avatar) -> None:
        seen = avatar.photos[0]
        own, turned = seen.view.camera(), facing_camera(avatar, -50.0, 20.0, 64)
        light = view_light(avatar, turned)
        for direction in ([1.0, 0, 0], [0.3, -1.0, 0.2], [0.0, 0.2, 1.0]):
            torch.testing.assert_close(self.in_picture(light, turned, direction),
                                       self.in_picture(seen.light, own, direction),
                                       atol=1e-5, rtol=0)  # fmt: skip
        before = seen.light.directions[0] @ own.world_to_camera[0, :3, :3].T
        after = light.directions[0] @ turned.world_to_camera[0, :3, :3].T
        torch.testing.assert_close(after, before)
        centre, _ = head_sphere(avatar)
        before = (seen.light.positions[0] - centre) @ own.world_to_camera[0, :3, :3].T
        after = (light.positions[0] - centre) @ turned.world_to_camera[0, :3, :3].T
        torch.testing.assert_close(after, before)

    @pytest.mark.parametrize("yaw", [None, 0.0, 60.0])
    def test_a_preset_comes_from_its_side_of_the_picture(
        self, avatar: Avatar, yaw: float | None
    ) -> None:
        out = avatar.render_view(yaw, light=Light.preset("side"), resolution=64, neutral=True)
        inside = out.alpha[0, ..., 0] > 0.9
        brightness = torch.where(inside, out.color[0].mean(-1), 0.0)
        columns = inside.any(0).nonzero()[:, 0]
        middle = int(columns.float().mean().round())
        left = brightness[:, :middle].sum() / inside[:, :middle].sum()
        assert brightness[:, middle:].sum() / inside[:, middle:].sum() > 1.5 * left

    def test_turned_light_goes_from_the_front_to_the_right(self, avatar: Avatar) -> None:
        camera = facing_camera(avatar, 30.0, 0.0, 64)
        front = Light(torch.zeros(1, 9, 3), torch.tensor([[[0.0, 0, 1]]]), torch.ones(1, 1, 3))
        light = view_light(avatar, camera, front, turn=90.0)
        seen = light.directions[0, 0] @ camera.world_to_camera[0, :3, :3].T
        torch.testing.assert_close(seen, torch.tensor([1.0, 0.0, 0.0]), atol=1e-5, rtol=0)

    def test_presets_and_files(self, tmp_path: Path) -> None:
        for name in PRESETS:
            assert torch.equal(read_light(name).sh, Light.preset(name).sh)
        file = tmp_path / "light.json"
        file.write_text(json.dumps(Light.preset("rim").to_dict()))
        assert torch.equal(read_light(str(file)).colors, Light.preset("rim").colors)

    @pytest.mark.parametrize(
        ("content", "word"),
        [("{", "JSON"), ("[]", "object"), ("{}", "sh"), ('{"sh": 1}', "sh"),
         ('{"sh": [[1e99]]}', "sh"), (json.dumps({"sh": [[[0] * 3] * 9] * 2,
          "directions": [[[0] * 3]] * 2, "colors": [[[0] * 3]] * 2}), "2 lights")],
    )  # fmt: skip
    def test_bad_files(self, tmp_path: Path, content: str, word: str) -> None:
        file = tmp_path / "light.json"
        file.write_text(content)
        with pytest.raises(InputError, match=word) as caught:
            read_light(str(file))
        assert str(file) in str(caught.value) and "\n" not in str(caught.value)

    @pytest.mark.parametrize("text", ["sun", "none.json", "."])
    def test_unknown(self, text: str) -> None:
        with pytest.raises(InputError, match=r"preset|exist"):
            read_light(text)


class TestShadows:
    """On wherever a light was given, as the photo's own light says (None), and as told."""

    def test_default(self, avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
        cast: list[bool | None] = []

        def render(*args: object, shadows: bool | None = False) -> None:
            cast.append(shadows)

        monkeypatch.setattr("fitme.avatar.relight.render", render)
        given = Light.preset("side")
        bare = Avatar(avatar.geometry, avatar.materials)
        for light, wanted in ((given, None), (None, None), (given, False), (None, True)):
            avatar.render_view(20, light=light, shadows=wanted)
        bare.render_view(20)
        avatar.render_photo()
        assert cast == [True, None, False, True, True, None]

    def test_the_nose_shades_an_eye(self, avatar: Avatar) -> None:
        """The light comes from the picture's right: above the tip only what lies left of the
        ridge is dark."""
        view = {"light": Light.preset("side"), "resolution": 128, "neutral": True}
        plain, cast = (avatar.render_view(0, 0, shadows=on, **view) for on in (False, True))
        assert torch.equal(plain.alpha, cast.alpha)
        lost = (plain.color - cast.color)[0].mean(-1)
        ridge = nose_pixel(avatar, plain)
        middle, row = int(ridge[0]), int(ridge[1])
        near = lost[row - 24 : row - 8]
        assert float(lost.max()) > 0.1 and float(lost.min()) > -1e-5
        left, right = near[:, middle - 20 : middle], near[:, middle : middle + 20]
        assert left.clamp_min(0).sum() > 10 * right.clamp_min(0).sum()


class TestExpression:
    def test_weights_replace_those_of_the_photo(self) -> None:
        avatar = make_avatar(tiny_head())
        head, view = avatar.head, avatar.photos[0].view
        jaw = head.expression[0]
        own = view.posed(head, avatar.identity)
        assert torch.equal(posed_vertices(avatar), own)
        opened = posed_vertices(avatar, expression={"jawOpen": 1.0})
        torch.testing.assert_close(opened[0] - own[0], (1 - view.expression[0, 0]) * jaw)
        assert torch.equal(view.expression, avatar.photos[0].view.expression)
        assert torch.equal(posed_vertices(avatar, neutral=True), avatar.neutral())

    @pytest.mark.parametrize(
        ("weights", "word"),
        [({"jawopen": 0.5}, "did you mean jawOpen"), ({"x": 0.5}, "no expression x"),
         ({"jawOpen": 1.5}, "0..1"), ({"jawOpen": math.nan}, "0..1")],
    )  # fmt: skip
    def test_refused(self, weights: dict[str, float], word: str) -> None:
        with pytest.raises(InputError, match=word):
            make_avatar(tiny_head()).render_view(expression=weights)


class TestBackground:
    def test_colours(self) -> None:
        assert parse_background("transparent") is None
        assert parse_background("#ffffff").tolist() == pytest.approx([1, 1, 1])
        assert torch.equal(parse_background("255,0,128"), parse_background("#FF0080"))

    @pytest.mark.parametrize("text", ["red", "#fff", "1,2", "256,0,0", "-1,0,0", "", "#gggggg"])
    def test_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="no colour"):
            parse_background(text)


class TestTurntable:
    def test_a_swing_begins_where_it_ends(self) -> None:
        angles = [yaw for yaw, _ in Turntable(frames=8, swing=40.0).angles()]
        assert angles == pytest.approx([0, 28.28, 40, 28.28, 0, -28.28, -40, -28.28], abs=0.01)
        assert Turntable(frames=4, motion="full").angles() == [(0, 0), (90, 0), (180, 0), (270, 0)]
        assert Turntable(frames=2, motion="relight").angles() == [(0, 0), (0, 180)]

    def test_frames(self) -> None:
        avatar = make_avatar(tiny_head())
        frames = list(Turntable(frames=4, resolution=32).draw(avatar))
        assert len(frames) == 4 and frames[0].shape == (32, 32, 4)
        assert np.abs(frames[0].astype(int) - frames[2]).mean() < 0.5  # forth and back
        assert np.abs(frames[0].astype(int) - frames[1]).mean() > 2
        first, second = Turntable(frames=2, motion="relight", resolution=32).draw(avatar)
        np.testing.assert_array_equal(first[..., 3], second[..., 3])  # the head stands still
        assert np.abs(first.astype(int) - second).max() > 20


def test_example(avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "examples" / "relight.py"
    spec = importlib.util.spec_from_file_location("relight_example", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(Avatar, "load", lambda folder, head=None: avatar)
    written = example.relight(tmp_path, tmp_path / "out", resolution=40)
    pictures = [np.asarray(Image.open(file)).astype(int) for file in written]
    assert [p.shape for p in pictures] == [(40, 40, 4)] * 3
    assert all(np.abs(pictures[0] - other).mean() > 1 for other in pictures[1:])
