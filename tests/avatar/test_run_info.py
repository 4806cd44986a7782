"""What fit.json says about a run: typed, round trip, and never in the way of the avatar."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fitme.avatar.model import Avatar
from fitme.avatar.run_info import RESERVED, RunInfo
from tests.small_avatar import make_avatar
from tests.tiny_head import tiny_head

NOTE = {"kind": "pose", "severity": "warning", "text": "the head is turned far", "photo": 0}
FULL = RunInfo(
    fitme="1.2", versions={"torch": "2"}, preset="fast", settings={"tune_steps": 1}, seed=0,
    device="cpu", timings_s={"total": 2.5}, history={"light": {"code": [1.0, 0.5]}},
    notes=[NOTE], extra={"later": {"a": 1}},
)  # fmt: skip


class TestRoundTrip:
    def test_through_json(self) -> None:
        data = json.loads(json.dumps(FULL.to_dict()))
        assert RunInfo.from_dict(data) == FULL
        assert data["later"] == {"a": 1} and data["seed"] == 0

    def test_what_is_empty_is_left_out(self) -> None:
        assert RunInfo().to_dict() == {}
        assert RunInfo.from_dict({}) == RunInfo()

    def test_through_a_directory(self, tmp_path: Path) -> None:
        replace(make_avatar(tiny_head()), run=FULL).save(tmp_path / "a")
        data = json.loads((tmp_path / "a" / "fit.json").read_text())
        assert next(iter(data)) == "format" and data["timings_s"] == {"total": 2.5}
        assert Avatar.load(tmp_path / "a", tiny_head()).run == FULL


class TestExceptions:
    @pytest.mark.parametrize("key", [*RESERVED, "preset", "timings_s"])
    def test_nothing_of_the_file_can_be_overwritten(self, key: str) -> None:
        with pytest.raises(ValueError, match=key):
            RunInfo(extra={key: "mine"})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("preset", 3), ("fitme", []), ("device", {}), ("seed", "0"), ("seed", True),
            ("settings", []), ("timings_s", {"a": "1 s"}), ("timings_s", 3), ("history", "x"),
            ("notes", {}), ("notes", [{"kind": "pose"}]), ("notes", [3]), ("versions", None),
        ],
    )  # fmt: skip
    def test_wrong_kinds_are_named(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=field):
            RunInfo(**{field: value})
        with pytest.raises(ValueError, match=field):
            RunInfo.from_dict({field: value})
