"""The report in a real browser: it runs, draws what our renderer draws, and asks for nothing."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, view_light
from fitme.image.color import linear_to_srgb
from fitme.render.camera import Camera
from fitme.render.light import PRESETS, Light
from fitme.report.html import report_html
from tests.browser import Step, Visit, click, drag, evaluate, open_page, screenshot, wait, wheel
from tests.small_avatar import small_avatar

READY = wait("window.fitme && (window.fitme.failed || document.querySelector('.ready'))")
# What the screen shows, small: the sum of the canvas' bytes changes with whatever is drawn.
SHOWN = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const { viewer } = window.fitme;
    viewer.draw();
    const small = document.createElement("canvas");
    [small.width, small.height] = [48, 48];
    const pen = small.getContext("2d");
    pen.drawImage(viewer.canvas, 0, 0, 48, 48);
    done(Array.from(pen.getImageData(0, 0, 48, 48).data));
})))"""
SIZE = 320


def colourful(avatar: Avatar) -> Avatar:
    """The avatar under a light with every harmonic, so that a wrong axis or sign is seen."""
    draw = torch.Generator().manual_seed(5)
    photo = avatar.photos[0]
    noise = 0.25 * torch.randn(1, 9, 3, generator=draw)
    noise[:, 0] = 1.6
    light = replace(photo.light, sh=noise)
    return replace(avatar, photos=(replace(photo, light=light),))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return colourful(small_avatar())


@pytest.fixture(scope="module")
def page(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(report_html(avatar), encoding="utf-8")
    return file


def visit(page: Path, *steps: Step, **options: Any) -> Visit:
    seen = open_page(page, [READY, evaluate("window.fitme.failed ?? ''"), *steps], **options)
    assert seen.values[1] == ""
    assert seen.errors == [] and seen.requests == []
    return replace(seen, values=seen.values[2:])


def slide(selector: str, value: float) -> Step:
    """Move a slider as a user does."""
    return evaluate(
        f"(() => {{ const s = document.querySelector({json.dumps(selector)}); s.value = {value};"
        " s.dispatchEvent(new Event('input')); })()"
    )


def differences(pictures: Sequence[list[int]]) -> list[float]:
    """Mean absolute difference of each picture to the one before, in 0..255."""
    arrays = [np.asarray(picture, np.float64) for picture in pictures]
    return [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(arrays)]


def ask(camera: Camera, light: int, mode: str = "shaded", neutral: bool = False) -> Step:
    """The viewer's RGBA bytes, base64, from a camera of ours; `light` counts as in its list."""
    given = {
        "K": camera.K[0].tolist(), "pose": camera.world_to_camera[0].tolist(),
        "width": camera.width, "height": camera.height,
    }  # fmt: skip
    pose = "{ weights: {}, gaze: [[0, 0], [0, 0]] }" if neutral else "viewer.scene.photos[0]"
    return evaluate(f"""(() => {{
        const {{ viewer, controls, photoCamera }} = window.fitme;
        const pose = {pose};
        viewer.pose(pose.weights, pose.gaze);
        viewer.light = controls.lights[{light}].light;
        viewer.mode = "{mode}";
        const given = {json.dumps(given)};
        const bytes = viewer.pixels(photoCamera(viewer.scene, given), given.width, given.height);
        let text = "";
        for (let k = 0; k < bytes.length; k += 8192) {{
            text += String.fromCharCode(...bytes.subarray(k, k + 8192));
        }}
        return btoa(text);
    }})()""")


def picture(answer: str, camera: Camera) -> torch.Tensor:
    """The answer to `ask` as display values [H, W, 4] in 0..1, top row first."""
    flat = np.frombuffer(base64.b64decode(answer), np.uint8)
    shaped = flat.reshape(camera.height, camera.width, 4)[::-1].copy()
    return torch.from_numpy(shaped).float() / 255


def inside(alpha: torch.Tensor) -> torch.Tensor:
    """Pixels [H, W] two away from the silhouette: both antialias that in their own way."""
    covered = (alpha > 0.999).float()[None, None]
    return (-F.max_pool2d(-covered, 5, 1, 2))[0, 0] > 0.5


class TestAgreement:
    """The viewer's pictures against those of our own renderer."""

    @pytest.mark.parametrize("own_light", [True, False])
    def test_shaded(self, avatar: Avatar, page: Path, own_light: bool) -> None:
        names = sorted(PRESETS, key=lambda name: name != "studio")
        cases: list[tuple[Camera, Light, int, bool]] = []
        if own_light:
            seen = avatar.photos[0]
            whole = seen.view.camera().resized(4 * seen.view.height, 4 * seen.view.width)
            cases.append((whole, seen.light, len(names), False))
        else:
            for yaw, pitch, name in ((30.0, 10.0, "studio"), (-70.0, -20.0, "rim")):
                camera = facing_camera(avatar, yaw, pitch, SIZE)
                light = view_light(avatar, camera, Light.preset(name))
                cases.append((camera, light, names.index(name), yaw > 0))
        answers = visit(page, *(ask(camera, index, neutral=n) for camera, _, index, n in cases))
        for (camera, light, index, neutral), answer in zip(cases, answers.values, strict=True):
            vertices = posed_vertices(avatar, neutral=neutral)
            out = avatar.render(camera, light, vertices, shadows=not own_light)
            ours = linear_to_srgb(out.color[0].clamp(0, 1))
            theirs = picture(answer, camera)
            both = inside(out.alpha[0, ..., 0])
            miss = (ours - theirs[..., :3]).abs().mean(-1)[both]
            print(f"light {index}: mean difference {float(miss.mean()):.4f}, "
                  f"99 % {float(miss.quantile(0.99)):.4f}, {int(both.sum())} pixels")  # fmt: skip
            assert int(both.sum()) > 5000
            assert float(theirs[..., 3][both].min()) == 1.0
            plain = linear_to_srgb(avatar.render(camera, light, vertices).color[0].clamp(0, 1))
            unlike = float((plain - theirs[..., :3]).abs().mean(-1)[both].mean())
            assert own_light or unlike > 1.5 * float(miss.mean())  # it casts shadows, as ours do
            assert float(miss.mean()) < 0.008 and float(miss.quantile(0.95)) < 0.04
            covered = (out.alpha[0, ..., 0] > 0.5) == (theirs[..., 3] > 0.5)
            assert float(covered.float().mean()) > 0.995

    def test_maps(self, avatar: Avatar, page: Path) -> None:
        camera = facing_camera(avatar, 15.0, 0.0, SIZE)
        answers = visit(page, ask(camera, 0, "diffuse"), ask(camera, 0, "normals")).values
        light = view_light(avatar, camera, Light.preset("studio"))
        out = avatar.render(camera, light, posed_vertices(avatar))
        flip = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ camera.world_to_camera[0, :3, :3]
        wanted = [linear_to_srgb(out.albedo[0].clamp(0, 1)), out.normal[0] @ flip.T * 0.5 + 0.5]
        for answer, ours in zip(answers, wanted, strict=True):
            miss = (picture(answer, camera)[..., :3] - ours).abs().mean(-1)
            assert float(miss[inside(out.alpha[0, ..., 0])].mean()) < 0.01

    def test_orbit_is_facing_camera(self, avatar: Avatar, page: Path) -> None:
        """The orbit's own camera is the one of `fitme render --yaw --pitch`."""
        camera = facing_camera(avatar, -40.0, 12.0, SIZE)
        given = {"K": camera.K[0].tolist(), "pose": camera.world_to_camera[0].tolist(),
                 "width": SIZE, "height": SIZE}  # fmt: skip
        script = f"""(() => {{
            const {{ viewer, photoCamera }} = window.fitme;
            Object.assign(viewer.orbit, {{ yaw: -40, pitch: 12, roll: 0, zoom: 1, shift: [0, 0] }});
            return [photoCamera(viewer.scene, {json.dumps(given)}), viewer.orbit.camera(9, 9)];
        }})()"""
        ours, theirs = visit(page, evaluate(script)).values[0]
        for key in ("turn", "offset", "project"):
            assert theirs[key] == pytest.approx(ours[key], abs=1e-4), key


class TestControls:
    def test_what_is_moved_is_seen(self, page: Path) -> None:
        jaw = "input[data-shape=jawOpen]"
        steps = [
            click("#neutral"), evaluate(SHOWN),
            slide(jaw, 1.0), evaluate(SHOWN),
            slide("#light-turn-0", 120.0), evaluate(SHOWN),
            evaluate("document.querySelector('input[value=normals]').click()"), evaluate(SHOWN),
            evaluate("document.querySelector('input[value=geometry]').click()"), evaluate(SHOWN),
            evaluate("document.querySelector('input[value=shaded]').click()"),
            click("#as-photo-0"), evaluate(SHOWN),
        ]  # fmt: skip
        seen = [value for value in visit(page, *steps).values if value is not None]
        first = np.asarray(seen[0]).reshape(48, 48, 4)
        assert first[..., 3].min() == 0 and first[..., 3].max() == 255  # a head on nothing
        assert first[24, 24, :3].std() > 2
        moved = differences(seen)
        print("differences", [round(value, 2) for value in moved])
        assert all(value > 0.3 for value in moved)

    def test_the_mouse(self, page: Path) -> None:
        state = evaluate("""(() => { const { viewer } = window.fitme;
            return [viewer.orbit.yaw, viewer.orbit.pitch, viewer.orbit.zoom, ...viewer.lightTurn];
        })()""")
        seen = visit(
            page, wheel((300, 400), -200), state, wheel((300, 400), -100, key="Control"), state,
            click("#reset-view"), state, drag((300, 400), (380, 360)), state,
            drag((300, 400), (380, 360), button="right"), state,
            drag((300, 400), (380, 360), key="Shift"), state,
            wheel((300, 400), -200), state, click("#reset-view"), state,
        )  # fmt: skip
        passed, pinched, start, turned, lit, again, near, reset = [
            v for v in seen.values if v is not None
        ]
        assert passed == start  # the wheel is the page's until the picture is clicked
        assert pinched[2] > 1.1 * start[2]
        assert turned[0] > start[0] + 5 and turned[1] > start[1] + 2 and turned[2:] == start[2:]
        assert lit[:3] == turned[:3] and lit[3] > 5 and lit[4] > 2
        assert again[:3] == turned[:3] and again[3] == pytest.approx(2 * lit[3])
        assert near[2] > 1.2 * again[2]
        assert reset[:3] == start[:3]

    def test_neutral_is_neutral_and_the_photo_comes_back(self, avatar: Avatar, page: Path) -> None:
        script = "[window.fitme.controls.weights, window.fitme.controls.gaze()]"
        seen = visit(
            page, click("#neutral"), evaluate(script),
            slide("input[data-shape=eyeLookUpLeft]", 1.0), evaluate(script),
            click("#as-photo-0"), evaluate(script),
        )  # fmt: skip
        rest, up, back = [value for value in seen.values if value is not None]
        assert rest == [{}, [[0, 0], [0, 0]]]
        assert up[1][0][0] == pytest.approx(np.radians(25.0)) and up[1][1] == [0, 0]
        view = avatar.photos[0].view
        assert np.allclose(back[1], view.gaze[0].numpy(), atol=1e-5)
        weights = [back[0].get(name, 0) for name in avatar.head.expression_names]
        assert np.allclose(weights, view.expression[0].numpy(), atol=1e-5)


class TestPage:
    @pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
    def test_fits_its_window(self, page: Path, tmp_path: Path, width: int, dark: bool) -> None:
        wide = "document.documentElement.scrollWidth"
        shot = tmp_path / "page.png"
        seen = visit(page, evaluate(wide), screenshot(shot), width=width, height=800, dark=dark)
        assert seen.values[0] <= width
        assert np.asarray(Image.open(shot).convert("L")).std() > 10

    def test_pictures_open_large(self, page: Path) -> None:
        opened = evaluate("document.getElementById('large').open")
        seen = visit(page, click(".strip img"), opened, click("#large"), opened)
        assert [value for value in seen.values if value is not None] == [True, False]
