"""The page in a browser: a photo is chosen, its progress seen, and the head that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fitme.report.html import report_html
from tests.browser import Visit, click, download, evaluate, open_page, screenshot, upload, wait
from tests.small_avatar import small_avatar
from tests.studio.running import png, served

TEXT = "document.getElementById('{}').textContent"
READY = wait("document.querySelector('#stage.ready')")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an avatar with its report."""
    folder = tmp_path_factory.mktemp("made") / "avatar"
    small_avatar().save(folder)
    (folder / "report.html").write_text(report_html(small_avatar()), encoding="utf-8")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.png" for name in ("ok", "refuse", "slow", "bad")}
    for path in found.values():
        path.write_bytes(png())
    found["bad"].write_bytes(b"no picture")
    return found


def visit(root: Path, made: Path | None, *steps: dict[str, Any], **options: Any) -> Visit:
    with served(root, made) as address:
        seen = open_page(address, steps, **options)
        assert all(url.startswith(address) for url in seen.requests)
    return seen


@pytest.mark.parametrize("phone", [False, True])
def test_from_a_photo_to_a_head(
    tmp_path: Path, made: Path, photos: dict[str, Path], phone: bool
) -> None:
    size = {"width": 390, "height": 844} if phone else {}
    seen = visit(
        tmp_path / "root", made,
        evaluate("document.getElementById('make').disabled"),
        upload("#files", photos["ok"]),
        wait("document.querySelector('#chosen img').naturalWidth"),
        click("#make"),
        READY,
        evaluate("location.hash"),
        evaluate(TEXT.format("head-title")),
        evaluate("document.querySelectorAll('#head-facts div').length"),
        evaluate("document.querySelectorAll('#viewer-place .slider').length > 52"),
        evaluate("document.querySelectorAll('#heads button').length"),
        evaluate("document.documentElement.scrollWidth - innerWidth"),
        evaluate("getComputedStyle(document.getElementById('canvas')).touchAction"),
        screenshot(tmp_path / "head.png", full=True),
        download("#save-avatar", tmp_path),
        click("#close-head"), wait("document.getElementById('head').hidden"),
        click("#heads button"), READY,
        click("#delete"), screenshot(tmp_path / "question.png"), click("#delete-not"),
        evaluate("document.querySelectorAll('#heads button').length"),
        click("#delete"), click("#delete-yes"),
        wait("!document.querySelector('#heads button') && document.getElementById('head').hidden"),
        **size,
    )  # fmt: skip
    assert not seen.errors
    disabled, *_ = seen.values
    assert disabled is True
    assert seen.values[5:12] == ["#head=ok", "ok", seen.values[7], True, 1, 0, "pan-y"]
    assert seen.values[7] >= 2
    assert Path(seen.values[13]).read_bytes()[:4] == b"glTF"
    assert [value for value in seen.values[14:] if value is not None] == [1]  # kept when asked
    assert not list((tmp_path / "root").glob("*/*/ok*")) and not (tmp_path / "root/ok").exists()


def test_work_that_waits_fails_and_is_cancelled(tmp_path: Path, photos: dict[str, Path]) -> None:
    def send(name: str) -> list[dict[str, Any]]:
        return [upload("#files", photos[name]), click("#make")]

    cards = "[...document.querySelectorAll('.job')].map((c) => c.dataset.status).join(' ')"
    problem = TEXT.format("form-problem")
    seen = visit(
        tmp_path / "root", None,
        *send("bad"), wait(problem), evaluate(problem),
        click("#chosen button"), evaluate("document.getElementById('make').disabled"),
        *send("refuse"), wait(f"{cards} === 'failed'"),
        evaluate("document.querySelector('.job .problem').textContent"),
        *send("slow"), wait("document.querySelector('[data-status=running] img')?.naturalWidth"),
        *send("ok"), wait(f"{cards} === 'failed running waiting'"),
        evaluate("document.querySelector('[data-status=waiting] .how').textContent"),
        evaluate("document.querySelector('[aria-current=step]').textContent"),
        evaluate("document.querySelectorAll('[aria-current=step]').length"),
        screenshot(tmp_path / "work.png", full=True),
        click("[data-status=running] .cancel"), click("[data-status=failed] .cancel"),
        wait("document.getElementById('work').hidden"),
        evaluate("document.querySelectorAll('#heads button').length"),
    )  # fmt: skip
    values = [value for value in seen.values if value is not None]
    assert values[0] == (
        "bad.png is not an image fitme can read; give a JPEG, PNG, WebP, HEIC or TIFF photo"
    )
    assert values[1] is True
    assert values[2] == "refuse.png: no face in <b>this</b>; give another"
    assert values[3:] == ["default, waits as number 1", "Light", 1, 1]
