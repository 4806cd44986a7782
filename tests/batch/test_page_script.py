"""`index.html` in a browser: sorting, filtering and finding, at a thousand subjects."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fitme.batch.index import index_html
from fitme.batch.task import Result
from fitme.runtime.notes import WARNING, Note
from tests.browser import click, evaluate, open_page, screenshot, wait

SHOWN = '[...document.querySelectorAll("article:not([hidden]) h2 span")].map(x => x.textContent)'


def choose(key: str) -> dict:
    return evaluate(f'sort.value = "{key}"; sort.dispatchEvent(new Event("change")); 1')


def find(text: str) -> dict:
    return evaluate(f'search.value = "{text}"; search.dispatchEvent(new Event("input")); 1')


def test_a_thousand(tmp_path: Path) -> None:
    results = [Result("nobody", "nobody", "failed", "no face")]
    for i in range(1000):
        quality = {"score": i / 10, "landmark_error": (i % 7) / 100, "color_error": 0.1}
        notes = tuple(Note(f"number {k}", WARNING) for k in range({7: 2, 700: 1}.get(i, 0)))
        name = f"s{i:03d}"
        results.append(Result(name, name, "done", quality=quality, seconds=i, notes=notes))
    for name in ("s000", "s001"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (384, 192), (200, 120, 90)).save(tmp_path / name / "thumb.jpg")
    page = tmp_path / "index.html"
    page.write_bytes(index_html(results, tmp_path))
    visit = open_page(page, [
        wait('document.querySelector("[data-name=s001] img").naturalWidth == 384'),
        evaluate(f"{SHOWN}.slice(0, 3)"),
        choose("-rank"), evaluate(f"{SHOWN}.slice(0, 2)"),
        choose("-landmark_error"), evaluate(f"{SHOWN}.slice(0, 2)"),
        choose("name"), find("S12"), evaluate(SHOWN),
        find(""), click('[data-show="failed"]'), evaluate(SHOWN),
        click('[data-show="bad"]'), evaluate(f"{SHOWN}.length"),
        find("no such"), evaluate("none.hidden"),
        find(""), click('[data-show="warned"]'), evaluate(SHOWN),
        evaluate('document.querySelectorAll("nav [aria-pressed=true]").length'),
        choose("-warnings"), click('[data-show="all"]'), evaluate(f"{SHOWN}.slice(0, 2)"),
        click("[data-name=s700] summary"),
        evaluate('document.querySelector("[data-name=s700] li").checkVisibility()'),
        screenshot(tmp_path / "page.png"),
    ])  # fmt: skip
    assert not visit.errors
    assert all(url.startswith("file:") for url in visit.requests)
    values = visit.values
    assert values[1] == ["nobody", "s000", "s001"]
    assert values[3] == ["s999", "s998"]
    assert values[5] == ["s006", "s013"]
    assert values[8] == [f"s12{i}" for i in range(10)]
    assert values[11] == ["nobody"]
    assert values[13] == 550
    assert values[15] is False
    assert values[18] == ["s007", "s700"]
    assert values[19] == 1
    assert values[22] == ["s007", "s700"]
    assert values[24] is True
