"""What the report says about the notes of a fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fitme.report.facts import fit_notes, notes
from tests.small_avatar import small_avatar

NOTE = {"kind": "gray", "severity": "warning", "text": "no colour", "photo": "photo.png"}


def test_the_notes_of_the_fit_come_first() -> None:
    avatar = replace(small_avatar(), about={"notes": [NOTE, NOTE | {"severity": "note"}]})
    assert notes(avatar, [None])[:2] == ["Warning: no colour", "no colour"]


def test_nothing_is_said_twice() -> None:
    avatar = small_avatar()
    bad = replace(avatar, photos=(replace(avatar.photos[0], landmark_error=0.04),))
    assert len(notes(bad, [None])) == 1
    noted = replace(bad, about={"notes": [NOTE | {"kind": "landmarks", "text": "off"}]})
    assert notes(noted, [None]) == ["Warning: off"]


@pytest.mark.parametrize("found", [None, 3, "x", [3], [{"kind": "gray"}], [NOTE | {"text": 3}]])
def test_notes_of_a_wrong_form_are_left_out(found: object) -> None:
    assert fit_notes({"notes": found}) == []
