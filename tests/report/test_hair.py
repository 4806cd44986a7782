"""Hair in the report: the viewer draws it, hides it, and gives it out with the GLB."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fitme.hair import PRESETS, BeardStyle, Hair
from fitme.report.hair import packed_hair
from fitme.report.html import report_html
from tests.browser import click, evaluate, open_page
from tests.export.external import validate
from tests.report.test_report_browser import READY, SHOWN, differences
from tests.small_avatar import small_avatar

MOST_BYTES = 1_500_000  # that hair may add to a page
GLB = """buildGlb ? new Promise(async (done) => {
    const blob = await buildGlb(JSON.parse(document.getElementById("scene").textContent));
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(blob);
}) : null"""


@pytest.fixture(scope="module")
def avatar():
    return replace(small_avatar(), hair=Hair(PRESETS["bob"], beard=BeardStyle(), seed=1))


@pytest.fixture(scope="module")
def page(avatar, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    text = report_html(avatar)
    # what is private to the page, for the test alone
    text = text.replace("start();\n", "window.buildGlb = buildGlb;\nstart();\n")
    file.write_text(text, encoding="utf-8")
    return file


def test_size(avatar) -> None:
    images: dict[str, str] = {}
    data = packed_hair(avatar, images)
    assert [mesh["name"] for mesh in data["meshes"]] == ["hair", "beard", "lashes"]
    assert len(json.dumps(data)) + sum(map(len, images.values())) < MOST_BYTES


def test_none() -> None:
    images: dict[str, str] = {}
    assert packed_hair(small_avatar(), images) is None and images == {}


def test_in_the_browser(page, tmp_path) -> None:
    jaw = "window.fitme.controls.set('jawOpen', 1)"
    chin = (
        "(() => { const [, b] = window.fitme.viewer.hair.meshes;"
        " let down = 0; b.position.forEach((y, k) => { if (k % 3 === 1)"
        " down = Math.max(down, b.rest[k] - y); }); return down; })()"
    )
    steps = [
        READY, evaluate("window.fitme.failed ?? ''"), evaluate(SHOWN), click("#hair"),
        evaluate(SHOWN), click("#hair"), evaluate(SHOWN), evaluate(jaw), evaluate(SHOWN),
        evaluate(chin), evaluate(GLB),
    ]  # fmt: skip
    seen = open_page(page, steps)
    assert seen.values[1] == "" and seen.errors == [] and seen.requests == []
    shown, hidden, again = (seen.values[k] for k in (2, 4, 6))
    assert min(differences([shown, hidden, again])) > 1
    assert differences([shown, again])[0] < 0.1
    assert seen.values[9] > 0.01  # metres that the jaw takes the beard down
    file = tmp_path / "avatar.glb"
    file.write_bytes(base64.b64decode(seen.values[10]))
    issues = validate(file)["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]
