"""Folds in the report's viewer against `Wrinkles`; without any the page is as it was."""

from __future__ import annotations

import base64
import io
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, view_light
from fitme.detail.wrinkles import Wrinkles, fold_weights
from fitme.image.color import linear_to_srgb
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.report.html import report_html
from fitme.report.scene import viewer_scene
from fitme.report.wrinkles import packed_wrinkles
from tests.browser import Step, click, evaluate
from tests.report.sample import wrinkled
from tests.report.test_report_browser import SHOWN, inside, picture, slide, visit
from tests.small_avatar import small_avatar

SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
SCOWL = {"browDownLeft": 1.0, "browDownRight": 0.4, "noseSneerLeft": 1.0, "noseSneerRight": 0.7}
OPEN = {"jawOpen": 0.6, "mouthPucker": 0.8, "browInnerUp": 0.9, "cheekPuff": 0.3}
SIZE = 320


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return wrinkled(small_avatar())


@pytest.fixture(scope="module")
def page(avatar: Avatar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("folds") / "report.html"
    file.write_text(report_html(avatar), encoding="utf-8")
    return file


def draw(camera: Camera, weights: dict[str, float], mode: str) -> Step:
    """The viewer's picture, base64 of RGBA bytes, under its first light; see `picture`."""
    given = {
        "K": camera.K[0].tolist(), "pose": camera.world_to_camera[0].tolist(),
        "width": camera.width, "height": camera.height,
    }  # fmt: skip
    return evaluate(f"""(() => {{
        const {{ viewer, controls, photoCamera }} = window.fitme;
        viewer.pose({json.dumps(weights)}, [[0, 0], [0, 0]]);
        viewer.light = controls.lights[0].light;
        viewer.mode = "{mode}";
        const given = {json.dumps(given)};
        const camera = photoCamera(viewer.scene, given);
        const bytes = viewer.pixels(camera, given.width, given.height);
        let text = "";
        for (const byte of bytes) text += String.fromCharCode(byte);
        return btoa(text);
    }})()""")


class TestAmounts:
    def test_they_are_the_renderers(self, avatar: Avatar, page: Path) -> None:
        """Those of three expressions and of a face at rest."""
        poses: list[dict[str, float]] = [SMILE, SCOWL, OPEN, {}]
        steps = [
            evaluate(f"""(() => {{
                const {{ viewer }} = window.fitme;
                viewer.pose({json.dumps(weights)}, [[0.1, 0.2], [0, 0]]);
                return Array.from(viewer.wrinkles.amount);
            }})()""")
            for weights in poses
        ]
        folds, neutral = avatar.wrinkles, avatar.neutral()
        assert folds is not None
        on = folds.fold[0].abs().sum(-1) > 0
        for weights, found in zip(poses, visit(page, *steps).values, strict=True):
            posed = posed_vertices(avatar, expression=weights, neutral=True)
            wanted = folds.amount(avatar.head, neutral, posed)[0]
            got = torch.tensor(found).reshape(wanted.shape)
            miss = (got - wanted).abs()
            print(weights, f"range {float(wanted.min()):.2f}..{float(wanted.max()):.2f}, largest "
                  f"difference {float(miss.max()):.4f}")  # fmt: skip
            assert not weights or float((wanted[on].abs() > 0.1).float().mean()) > 0.05
            assert float(miss.max()) < 0.03  # steps of 1/128 for each shape

    def test_both_ends_are_clamped(self, page: Path) -> None:
        script = """(() => {
            const { viewer } = window.fitme;
            viewer.pose({ jawOpen: 9, mouthPucker: 9 }, [[0, 0], [0, 0]]);
            return [Math.min(...viewer.wrinkles.amount), Math.max(...viewer.wrinkles.amount)];
        })()"""
        assert visit(page, evaluate(script)).values[0] == [-1, 1.25]


class TestPictures:
    def test_they_are_the_renderers(self, avatar: Avatar, page: Path) -> None:
        camera = facing_camera(avatar, 15.0, 0.0, SIZE)
        modes, poses = ("shaded", "diffuse", "normals"), (SMILE, OPEN)
        answers = visit(page, *(draw(camera, w, mode) for w in poses for mode in modes)).values
        light = view_light(avatar, camera, Light.preset("studio"))
        flip = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ camera.world_to_camera[0, :3, :3]

        def pictures(of: Avatar, weights: dict[str, float]) -> list[torch.Tensor]:
            vertices = posed_vertices(of, expression=weights, neutral=True)
            out = of.render(camera, light, vertices, shadows=True)
            shaded, albedo = (linear_to_srgb(x[0].clamp(0, 1)) for x in (out.color, out.albedo))
            return [shaded, albedo, out.normal[0] @ flip.T * 0.5 + 0.5]

        bare = replace(avatar, wrinkles=None)
        folded, smooth = ([one for w in poses for one in pictures(of, w)] for of in (avatar, bare))
        for mode, answer, ours, flat in zip(modes * 2, answers, folded, smooth, strict=True):
            drawn = picture(answer, camera)
            theirs, both = drawn[..., :3], inside(drawn[..., 3])
            seen = both & ((ours - flat).abs().mean(-1) > 0.03)  # where folds are seen
            miss, without = (float((x - theirs).abs().mean(-1)[seen].mean()) for x in (ours, flat))
            print(f"{mode}: {int(seen.sum())} pixels, difference {miss:.4f}, to a face without "
                  f"folds {without:.4f}")  # fmt: skip
            assert int(seen.sum()) > 500 and without > 3 * miss
            assert float((ours - theirs).abs().mean(-1)[both].mean()) < 0.01

    def test_a_slider_moves_them(self, page: Path) -> None:
        """With the folds' maps switched off the same face looks otherwise, but at rest."""
        switch = "window.fitme.viewer.wrinkles.scales = [0, 0, 0]"
        keep = "window.kept = window.fitme.viewer.wrinkles.scales"
        back = "window.fitme.viewer.wrinkles.scales = window.kept"
        plain = evaluate("document.querySelector('input[value=diffuse]').click()")  # fast to draw
        steps = [plain, click("#neutral"), evaluate(f"{keep}; 0"), evaluate(SHOWN),
                 evaluate(f"{switch}; 0"), evaluate(SHOWN),
                 slide("input[aria-label=Smile]", 1.0), evaluate(SHOWN),
                 evaluate(f"{back}; 0"), evaluate(SHOWN)]  # fmt: skip
        seen = [v for v in visit(page, *steps, width=420, height=420).values if isinstance(v, list)]
        rest, rest_off, smile_off, smile = (np.asarray(v, np.float64) for v in seen)
        assert np.array_equal(rest, rest_off)
        assert np.abs(smile - smile_off).mean() > 0.2


class TestPage:
    def test_without_folds_it_is_as_it_was(self, avatar: Avatar, tmp_path: Path) -> None:
        """Nothing but the folds' own data is added, and the shader does not know them."""
        bare = replace(avatar, wrinkles=None)
        plain, folded = viewer_scene(bare).data, viewer_scene(avatar).data
        assert "wrinkles" not in plain and folded.pop("wrinkles")
        maps = {"fold_pressed", "fold_drawn", "fold_shade"}
        assert {name: folded["images"].pop(name) for name in maps}
        folded["linearImages"] = [name for name in folded["linearImages"] if name not in maps]
        assert folded == plain
        file = tmp_path / "report.html"
        file.write_text(report_html(bare), encoding="utf-8")
        script = """(() => {
            const { gl, program, wrinkles } = window.fitme.viewer;
            const sources = gl.getAttachedShaders(program).map((s) => gl.getShaderSource(s));
            return [wrinkles ?? null, sources.some((text) => /fold/i.test(text)), gl.getError()];
        })()"""
        assert visit(file, evaluate(script)).values[0] == [None, False, 0]

    def test_it_grows_little(self, avatar: Avatar) -> None:
        """Folds all over the atlas, each map as irregular as can be; 1.5 MB are allowed."""
        draws = torch.Generator().manual_seed(0)
        rough = torch.randn(5, 1, 200, 200, generator=draws)
        rough = F.interpolate(rough, (512, 512), mode="bilinear")[:, 0]
        fold = fold_weights(torch.rand(1, 128, 128, generator=draws), 0.03)
        folds = Wrinkles(
            1e-4 * rough[:1], 1e-4 * rough[1:2], 0.2 * rough[None, 2:].movedim(1, -1), fold
        )
        images: dict[str, str] = {}
        packed = packed_wrinkles(replace(avatar, wrinkles=folds), images)
        assert {uri.split(";")[0] for uri in images.values()} == {"data:image/jpeg"}
        assert len(json.dumps([packed, images])) < 1.5e6

    def test_what_shows_nothing_is_left_out(self, avatar: Avatar) -> None:
        """Amounts where all maps are zero, and a map that is."""
        assert avatar.wrinkles is not None
        shade = avatar.wrinkles.shade.clone()
        shade[:, :, :128] = 0
        flat = torch.zeros_like(avatar.wrinkles.compressed)
        folds = replace(avatar.wrinkles, compressed=flat, stretched=flat, shade=shade)
        packed = packed_wrinkles(replace(avatar, wrinkles=folds), {})
        assert packed is not None and list(packed["maps"]) == ["shade"]
        data = zlib.decompress(base64.b64decode(packed["data"]))
        kind, start, count = packed["arrays"]["texel"]
        column = np.cumsum(np.frombuffer(data, kind, count, start)) % 128
        assert count > 100 and column.min() >= 62

    def test_signed_maps(self, avatar: Avatar) -> None:
        """What is no fold is exactly zero, and a map's scale is the value of +1."""
        data = viewer_scene(avatar).data
        shade = data["wrinkles"]["maps"]["shade"]
        bytes_ = base64.b64decode(data["images"][shade["image"]].split(",")[1])
        pixels = np.asarray(Image.open(io.BytesIO(bytes_)), np.float32)
        values = (pixels - 128) / 127 * shade["scale"]
        assert avatar.wrinkles is not None
        assert np.abs(values - avatar.wrinkles.shade[0].numpy()).max() < 0.6 * shade["scale"] / 127
        assert (pixels[0] == 128).all()
