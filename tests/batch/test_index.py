"""`index.html` as text: notes, names, and that they survive from the fit to the page."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from fitme.batch.index import index_html
from fitme.batch.manifest import find_result, input_hashes, write_manifest
from fitme.batch.task import Fitted, Result, Settings, Task
from fitme.runtime.notes import WARNING, Note

EVIL = "\"><script>alert(1)</script>'"
NOTES = (Note("the eyes are shut", WARNING, "eyes", 0), Note(EVIL))


def page_of(tmp_path: Path, *results: Result) -> str:
    return index_html(results, tmp_path).decode()


def test_notes_are_counted_and_listed(tmp_path: Path) -> None:
    page = page_of(tmp_path, Result("a", "a", "done", notes=NOTES), Result("b", "b", "done"))
    assert page.count("<details") == 1
    assert ">1 warning, 1 note</summary>" in page and 'data-warnings="1"' in page
    assert '<li class="warning">the eyes are shut</li>' in page
    assert "with warnings <b>1</b>" in page
    assert EVIL not in page and page.count("<script>") == 1
    assert "with warnings" not in page_of(tmp_path, Result("b", "b", "done"))


def test_names_of_any_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff\n")
    (tmp_path / name).mkdir()
    (tmp_path / name / "thumb.jpg").touch()
    page = page_of(tmp_path, Result(name, name, "done"), Result(name, name, "failed", name))
    assert 'href="a%FF%0A/overlay_00.png"' in page and 'src="a%FF%0A/thumb.jpg?' in page
    assert "<span>&#39;a\\udcff\\n&#39;</span>" in page


def test_a_batch_that_goes_on_still_has_them(tmp_path: Path) -> None:
    photo = tmp_path / "p.png"
    photo.touch()
    task = Task("p", "p", (photo,), photo, tmp_path, Settings())
    task.out.mkdir()
    (task.out / "fit.json").write_text("{}")
    inputs = input_hashes(task.photos)
    fresh = write_manifest(task.out, task, inputs, Fitted(1, notes=NOTES), 1.0)
    assert fresh.notes == NOTES
    assert find_result(task, inputs) == replace(fresh, earlier=True)
