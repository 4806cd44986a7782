"""`fitme transfer`: an avatar directory, and refusals of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitme.avatar.model import Avatar
from fitme.cli.main import app
from fitme.head.model import save_head
from tests.small_avatar import creased, make_avatar, small_avatar
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    small_avatar().save(folder / "plain")
    creased(small_avatar()).save(folder / "creased")
    make_avatar(tiny_head()).save(folder / "tiny")
    save_head(tiny_head(), folder / "tiny.safetensors")
    return folder


def run(*arguments: object):
    return CliRunner().invoke(app, ["transfer", *map(str, arguments)])


def test_writes_an_avatar(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "mixed"
    plain, creased = people / "plain", people / "creased"
    result = run(plain, "--dynamic", creased, "--static", creased, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {out}\n"
    made = Avatar.load(out)
    assert made.wrinkles is not None and made.run.notes[-1]["kind"] == "transfer"
    assert run(plain, "--dynamic", creased, "--out", out).exit_code == 2


def test_refusals_are_one_line(people: Path, tmp_path: Path) -> None:
    plain, tiny = people / "plain", people / "tiny"
    for arguments, words in (
        ([plain], "nothing to transfer"),
        ([plain, "--static", tiny], "another head model"),
        ([plain, "--static", tiny, "--head", people / "tiny.safetensors"], "another head model"),
        ([plain, "--expression", people / "nobody"], "is no directory"),
    ):
        result = run(*arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2, arguments
        assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
        assert words in result.stderr
    assert list(tmp_path.iterdir()) == []
