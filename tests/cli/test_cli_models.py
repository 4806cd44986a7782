from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.learned import registry

runner = CliRunner()
DATA = b"tensors" * 1000


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """`lpips` is a small file on this disk; the cache is empty."""
    monkeypatch.setenv("FITME_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "served.pth"
    path.write_bytes(DATA)
    small = replace(
        registry.MODELS[0],
        url=path.as_uri(),
        sha256=hashlib.sha256(DATA).hexdigest(),
        size=len(DATA),
        download=len(DATA),
    )
    monkeypatch.setattr(registry, "MODELS", (small, *registry.MODELS[1:]))
    return path


def run(*arguments: str | Path, code: int = 0):
    result = runner.invoke(app, ["models", *map(str, arguments)])
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result


class TestPull:
    def test_then_list_and_verify(self, served: Path, tmp_path: Path) -> None:
        assert "244 MB" not in run("list").stdout and "MB to fetch" in run("list").stdout
        pulled = run("pull", "lpips")
        kept = tmp_path / "cache" / "models" / "alexnet-owt-7be5be79.pth"
        assert pulled.stdout == f"lpips: {kept}\n" and kept.read_bytes() == DATA
        assert "licence" in pulled.stderr
        assert "lpips         pulled" in run("list").stdout
        report = json.loads(run("list", "--json").stdout)
        assert [m["pulled"] for m in report["models"]] == [
            True,
            *[False] * 4,
            *(m["pulled"] for m in report["models"][5:]),
        ]
        assert report["models"][4]["commercial"] == "no"
        assert run("verify").stdout == "lpips: ok\n"

    def test_quiet(self, served: Path) -> None:
        assert run("pull", "lpips", "-q").output == ""

    def test_by_hand(self, served: Path, tmp_path: Path) -> None:
        moved = served.rename(tmp_path / "mine.pth")
        run("pull", "lpips", code=2)
        run("pull", "lpips", "--from", moved)
        assert run("verify", "lpips", "-q").output == ""

    def test_damaged(self, served: Path, tmp_path: Path) -> None:
        run("pull", "lpips")
        (tmp_path / "cache" / "models" / "alexnet-owt-7be5be79.pth").write_bytes(DATA[::-1])
        result = run("verify", code=2)
        assert result.stdout == "lpips: damaged\n"
        assert result.stderr == (
            "fitme: error: not whole: lpips; `fitme models pull --force lpips`\n"
        )
        run("pull", "lpips")  # notices that it is damaged
        run("verify")

    def test_nothing_there(self, served: Path) -> None:
        assert "nothing is in the cache" in run("verify").stdout
        assert "not there" in run("verify", "facenet", code=2).stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["pull", "clip"], "choose lpips"),
            (["pull", "lpips", "--from", "nowhere.pth"], "nowhere.pth is no file"),
            (["pull", "lpips", "facenet", "--from", "x"], "for one model"),
            (["verify", "clip"], "choose lpips"),
        ],
    )
    def test_bad_input_is_one_line(self, served: Path, arguments: list[str], words: str) -> None:
        result = run(*arguments, code=2)
        assert result.stderr.startswith("fitme: error: ") and words in result.stderr
        assert result.stderr.count("\n") == 1


def test_list_imports_no_torch() -> None:
    program = (
        "import sys\nfrom fitme.cli.main import main\nsys.argv = ['fitme', 'models', 'list']\n"
        "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("False\n")
