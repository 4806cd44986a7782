"""The report as text: what is in it, what is escaped, what is left out."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.avatar.model import Avatar
from fitme.avatar.run_info import RunInfo
from fitme.fit.api import fit_photos
from fitme.fit.settings import override
from fitme.image.photo import Photo
from fitme.report.curves import loss_chart, read_history
from fitme.report.embed import resized, rounded, script_json
from fitme.report.evidence import Evidence
from fitme.report.geometry import packed_geometry
from fitme.report.html import report_html
from fitme.report.panels import photo_panels, reduced
from tests.fit.settings import QUICK
from tests.report.sample import EVIL, HISTORY, Reader, mask, photo_of, with_run
from tests.small_avatar import HEIGHT, WIDTH, small_avatar


@pytest.fixture(scope="module")
def page() -> str:
    avatar = with_run(small_avatar(), history=HISTORY)
    return report_html(avatar, [photo_of(avatar)], [mask()])


class TestPage:
    def test_elements_are_closed_and_pictures_have_texts(self, page: str) -> None:
        tags = Reader(page).tags
        pictures = [attrs for tag, attrs in tags if tag == "img"]
        assert len(pictures) > 20
        assert all(str(attrs["src"]).startswith("data:") and "alt" in attrs for attrs in pictures)
        ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
        assert len(ids) == len(set(ids))

    def test_nothing_is_loaded(self, page: str) -> None:
        for tag, attrs in Reader(page).tags:
            for name in ("src", "href"):
                assert str(attrs.get(name) or "data:").startswith("data:"), (tag, name)
        without_data = re.sub(r"data:[\w/;,+=-]*", "", page)
        assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|url\(|@import", without_data)
        assert "default-src 'none'" in page

    def test_parts(self, page: str) -> None:
        text = unescape(page)
        for word in ("Photo and avatar", "Wire overlay", "Difference", "Mask", "Diffuse albedo"):
            assert word in text, word
        assert "commercial use allowed" in text and "photos have no scale" in text
        for word in ("Under other lights", "the photo's", "From other sides", "+60°", "Losses"):
            assert word in text, word

    def test_the_scene_is_json_with_sorted_out_images(self, page: str) -> None:
        text = re.search(r'<script type="application/json" id="scene">(.*?)</script>', page, re.S)
        assert text is not None
        scene = json.loads(text[1])
        assert scene["lights"][0]["name"] == "studio"
        assert scene["images"]["head_diffuse"] == "#map-diffuse"
        assert 'id="map-diffuse"' in page
        assert len(scene["materials"]) == len(small_avatar().head.part_names)
        assert scene["photos"][0]["angles"]["yaw"] == pytest.approx(25.0, abs=1e-3)
        assert scene["photos"][0]["angles"]["pitch"] == pytest.approx(-8.0, abs=1e-3)
        assert scene["photos"][0]["angles"]["roll"] == pytest.approx(0.0, abs=1e-3)

    def test_texts_from_outside_are_escaped(self) -> None:
        one = small_avatar()
        photo = replace(one.photos[0], path=Path(EVIL))
        avatar = with_run(
            replace(one, photos=(photo,)), history={EVIL: {EVIL: [1.0, 0.5]}}, preset=EVIL,
            timings_s={EVIL: 1.0}, settings={EVIL: EVIL}, fitme=EVIL,
            notes=[{"kind": EVIL, "severity": EVIL, "text": EVIL, "photo": 0}],
        )  # fmt: skip
        given = replace(photo_of(avatar), notes=(EVIL,))
        text = report_html(avatar, [given], [mask(0.0)])
        tags = Reader(text).tags
        assert sum(tag == "script" for tag, _ in tags) == 2
        assert not any("onerror" in attrs for _, attrs in tags)
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text

    @pytest.mark.parametrize("name", ["two\nlines\t.png", "\udcff\udce9.png", "\u202egnp.exe"])
    def test_names_that_cannot_be_shown_are_spelled_out(self, name: str) -> None:
        one = small_avatar()
        avatar = replace(one, photos=(replace(one.photos[0], path=Path(name)),))
        text = report_html(with_run(avatar, settings={"weights": name}), [photo_of(avatar)])
        assert f"<h1>{name!r}</h1>" in unescape(text)
        alts = [attrs.get("alt") for tag, attrs in Reader(text).tags if tag == "img"]
        assert f"The photo, cut around the head ({name!r})" in alts
        text.encode("utf-8")

    def test_without_photos(self) -> None:
        text = report_html(small_avatar())
        assert "Wire overlay" not in text and "From other sides" in text
        empty = report_html(replace(small_avatar(), photos=(), run=RunInfo()))
        Reader(empty)
        assert "As in the photo" not in re.sub(r"<script>.*", "", empty, flags=re.S)

    def test_wrong_counts(self) -> None:
        with pytest.raises(ValueError, match="photos: wanted 1, one per photo, got 2"):
            report_html(small_avatar(), [None, None])


class TestPanels:
    def test_the_masked_share_is_measured(self) -> None:
        avatar = small_avatar()
        all_of_it = photo_panels(avatar, photo_of(avatar), 0, mask(), 96)
        none_of_it = photo_panels(avatar, photo_of(avatar), 0, mask(0.0), 96)
        unknown = photo_panels(avatar, photo_of(avatar), 0, None, 96)
        assert all_of_it.masked == pytest.approx(0.0, abs=1e-6) and none_of_it.masked == 1.0
        assert unknown.mask is None and unknown.psnr is None
        assert none_of_it.psnr is None and none_of_it.mean_difference is None
        assert all_of_it.psnr is not None
        assert all_of_it.photo.shape == all_of_it.mask.shape == (96, 96, 3)  # type: ignore[union-attr]

    def test_a_photo_like_the_render_has_no_difference(self) -> None:
        avatar = small_avatar()
        out = avatar.render_photo(0, 8 * HEIGHT)
        large = replace(avatar.photos[0].view, focal=avatar.photos[0].view.focal * 8,
                        width=8 * WIDTH, height=8 * HEIGHT)  # fmt: skip
        avatar = replace(avatar, photos=(replace(avatar.photos[0], view=large),))
        to_photo = torch.diag(torch.tensor([8 * WIDTH / 10, 8 * HEIGHT / 10, 1.0]))
        seen = Photo(Path("x.png"), out.color[0].clamp(0, 1))
        panels = photo_panels(avatar, seen, 0, Evidence(torch.ones(10, 10), to_photo), 256)
        assert panels.psnr is not None and panels.psnr > 35
        assert panels.mean_difference is not None and panels.mean_difference < 0.01

    def test_a_mask_lies_where_its_crop_lay(self) -> None:
        avatar = small_avatar()
        camera = avatar.photos[0].view.camera()
        trusted = torch.ones(20, 20)
        trusted[10:, :10] = 0.0
        to_photo = torch.tensor([[2.0, 0.0, 30.0], [0.0, 2.0, 40.0], [0.0, 0.0, 1.0]])
        seen = Evidence(trusted, to_photo).in_window(camera, camera)
        assert seen.shape == (HEIGHT, WIDTH)
        assert seen[70, 40] == 0 and seen[50, 40] == 1 and seen[70, 60] == 1 and seen[5, 5] == 1
        assert int((seen < 0.5).sum()) == pytest.approx(400, abs=45)

    def test_reduced_keeps_shared_materials_shared(self) -> None:
        small = reduced(small_avatar(), 8)
        assert small.materials[0].diffuse_albedo.shape == (1, 8, 8, 3)
        assert small.materials[1] is small.materials[2]


class TestGeometry:
    def test_arrays_come_back(self) -> None:
        avatar = small_avatar()
        packed = packed_geometry(avatar)
        data = zlib.decompress(base64.b64decode(packed["data"]))

        def array(name: str) -> np.ndarray:
            kind, start, count = packed["arrays"][name]
            assert start % 4 == 0
            return np.frombuffer(data, np.dtype(kind), count, start)

        neutral = avatar.neutral()[0].numpy()
        assert np.array_equal(array("positions").reshape(-1, 3), neutral)
        corner = array("cornerVertex").astype(int)
        triangles = corner[array("triangles").astype(int)].reshape(-1, 3)
        assert len(triangles) == sum(part["count"] for part in packed["parts"])
        jaw = next(p for p in packed["parts"] if p["name"] == "teeth")
        of_part = triangles[jaw["first"] : jaw["first"] + jaw["count"]]
        assert set(np.unique(of_part)) <= set(avatar.head.part_vertices("teeth").tolist())
        offsets = array("expressionOffset").astype(float)
        steps = array("expressionIndex").astype(int)
        at = 0
        shapes = avatar.geometry.expression_offsets()
        for shape, true in zip(packed["expressions"], shapes, strict=True):
            count = shape["count"]
            moved = np.zeros_like(neutral)
            index = np.cumsum(steps[at : at + count])
            moved[index] = offsets[3 * at : 3 * (at + count)].reshape(3, -1).T * shape["scale"]
            assert np.abs(moved - true.numpy()).max() < 1.1e-5, shape["name"]
            at += count
        assert at == len(steps)


class TestCurves:
    def test_a_chart(self) -> None:
        chart = loss_chart("light", HISTORY["light"])
        assert chart.steps == 3 and [row.name for row in chart.rows] == [
            "total", "photometric", "code",
        ]  # fmt: skip
        assert [row.color for row in chart.rows] == [color for color, _ in chart.lines]
        for _, points in chart.lines:
            across = [tuple(map(float, point.split(","))) for point in points.split()]
            assert len(across) == 3
            assert all(0 <= x <= chart.width and 0 <= y <= chart.height for x, y in across)
        assert len(loss_chart("one", {"a": [0.0]}).lines) == 1

    def test_is_drawn(self, page: str) -> None:
        assert page.count("<polyline") == 3 and "Losses of the stage light over 3 steps" in page

    @pytest.mark.parametrize(
        "data", [None, [], {"a": 3}, {"a": {"b": "text"}}, {"a": {"b": [float("nan")]}}]
    )
    def test_what_is_no_history_is_left_out(self, data: object) -> None:
        assert read_history(data) == {}


class TestEmbed:
    def test_script_json_cannot_end_its_element(self) -> None:
        text = script_json({"a": "</script><!--\u2028"})
        assert "<" not in text and "\u2028" not in text
        assert json.loads(text) == {"a": "</script><!--\u2028"}

    def test_rounded(self) -> None:
        assert rounded({"a": [1.23456789, 3, "x", (0.000123456789,)]}, 3) == {
            "a": [1.23, 3, "x", [0.000123]]
        }

    @pytest.mark.parametrize("channels", [1, 3])
    def test_resized(self, channels: int) -> None:
        assert resized(np.zeros((40, 20, channels), np.uint8), 10).shape == (10, 5, channels)
        assert resized(np.zeros((4, 2, channels), np.uint8), 10).shape == (4, 2, channels)


class TestFit:
    def test_a_fit_writes_its_report(self, astronaut: Path, tmp_path: Path) -> None:
        quick = override(QUICK, {"tune.steps": 0})
        summary = fit_photos([astronaut], tmp_path / "a", preset=quick, size=64)
        text = (summary.out / "report.html").read_text(encoding="utf-8")
        for word in ("astronaut.png", "Mask", "of the face masked", "photometric", "Time"):
            assert word in text, word
        history = json.loads((summary.out / "fit.json").read_text())["history"]
        assert len(history["light"]["photometric"]) == len(history["invert"]["landmark"]) == 2
        values = [v for terms in history.values() for line in terms.values() for v in line]
        assert all(float(f"{v:.5g}") == v for v in values)
        assert Avatar.load(summary.out).run.history == history
