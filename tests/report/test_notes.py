"""Notes of a report: those of the fit, those that the numbers of its photos give, graded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitme.avatar.model import Avatar
from fitme.report.html import report_html
from fitme.report.notes import all_notes
from fitme.runtime.notes import NOTE, WARNING, Note, count_notes, read_notes
from tests.report.sample import EVIL, Reader, mask, photo_of, with_run
from tests.small_avatar import small_avatar

FACES = {
    "kind": "faces",
    "severity": "note",
    "text": "Of 3 faces the largest is fitted.",
    "photo": 0,
}
SHUT = {"kind": "eyes", "severity": "warning", "text": "The eyes are shut.", "photo": 0}


def off(avatar: Avatar) -> Avatar:
    """The avatar with landmarks far from where they were seen."""
    return replace(avatar, photos=(replace(avatar.photos[0], landmark_error=0.2),))


class TestNotes:
    def test_the_fits_come_graded(self) -> None:
        found = all_notes(with_run(small_avatar(), notes=[FACES, SHUT]), [None])
        assert [(note.text, note.severity) for note in found] == [
            (SHUT["text"], WARNING), (FACES["text"], NOTE),
        ]  # fmt: skip

    def test_numbers_speak(self) -> None:
        from fitme.report.panels import photo_panels

        avatar = small_avatar()
        panels = photo_panels(avatar, photo_of(avatar), 0, mask(0.0), 96)
        found = all_notes(off(avatar), [panels], [("it was rotated",)])
        assert [note.severity for note in found] == [WARNING, NOTE, NOTE]
        assert "20.0 %" in found[0].text
        assert found[1].text == "it was rotated" and "100 %" in found[2].text
        assert all_notes(avatar, [None]) == ()

    def test_nothing_is_said_twice(self) -> None:
        said = {"kind": "landmarks", "severity": "warning", "text": "They are off.", "photo": 0}
        avatar = with_run(off(small_avatar()), notes=[said])
        found = all_notes(avatar, [None], [("They are off.",)])
        assert [note.text for note in found] == ["They are off."]

    def test_names_tell_several_photos_apart(self) -> None:
        one = small_avatar()
        photos = tuple(replace(one.photos[0], path=Path(f"{k}.png")) for k in range(2))
        avatar = with_run(replace(one, photos=photos), notes=[{**SHUT, "photo": 1}])
        assert [note.text for note in all_notes(avatar, [])] == ["1.png: The eyes are shut."]

    @pytest.mark.parametrize(
        "data", [None, 3, {"text": "x"}, ["x"], [{"kind": "yaw"}], [{"text": 3}], [{"text": ""}]]
    )
    def test_what_is_no_note_is_left_out(self, data: Any) -> None:
        assert read_notes(data) == ()

    def test_fields_of_another_kind(self) -> None:
        assert read_notes([{"text": "x", "severity": 3, "photo": "a", "kind": None}]) == (
            Note("x", NOTE, "None"),
        )

    def test_count(self) -> None:
        notes = read_notes([SHUT, FACES, FACES])
        assert count_notes(notes) == "1 warning, 2 notes" and count_notes(()) == ""


class TestPage:
    def test_they_stand_above_the_viewer(self) -> None:
        evil = {**SHUT, "text": EVIL}
        text = report_html(with_run(small_avatar(), notes=[FACES, evil]))
        tags = Reader(text).tags
        lists = [attrs["class"] for tag, attrs in tags if tag == "section" and "class" in attrs]
        assert lists[:3] == ["notes", "notes mild", "viewer"]
        assert FACES["text"] in text and EVIL not in text and "&lt;script&gt;alert" in text

    def test_without_there_is_no_list(self) -> None:
        assert 'class="notes' not in report_html(small_avatar()).split("<noscript>")[0]
