from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fitme.avatar.run_info import RunInfo
from fitme.cli.examples import EXAMPLES
from fitme.cli.main import app
from fitme.fit.settings import PRESETS, override
from fitme.runtime.errors import InputError, OutputError
from fitme.runtime.progress import SilentProgress, TqdmProgress

runner = CliRunner()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple, dict[str, Any]]]:
    """Replaces the library call; collects its arguments."""
    collected: list[tuple[tuple, dict[str, Any]]] = []
    module = types.ModuleType("fitme.fit.api")
    module.fit_photos = lambda *args, **kwargs: collected.append((args, kwargs))  # type: ignore
    monkeypatch.setitem(sys.modules, "fitme.fit.api", module)
    return collected


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Replaces the library call by one that raises."""

    def install(error: BaseException) -> None:
        def fit_photos(*args: object, **kwargs: object) -> None:
            raise error

        module = types.ModuleType("fitme.fit.api")
        module.fit_photos = fit_photos  # type: ignore
        monkeypatch.setitem(sys.modules, "fitme.fit.api", module)

    return install


def console(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """The application in a fresh interpreter, `code` afterwards."""
    program = (
        "import sys\nfrom fitme.cli.main import main\n"
        f"sys.argv = ['fitme', *{arguments!r}]\n"
        f"try:\n    main()\nfinally:\n    {code or 'pass'}\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


class TestPreset:
    def test_changed_by_set(self, calls) -> None:
        arguments = ["--preset", "fast", "--set", "tune.steps=7", "--set", "refine.on=false"]
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "result", *arguments])
        assert result.exit_code == 0, result.output
        preset = calls[0][1]["preset"]
        assert preset == override(PRESETS["fast"], {"tune.steps": 7, "refine.on": False})
        assert preset.tune.steps == 7 and not preset.refine.on

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--preset", "quick"], "fast, default, best"),
            (["--set", "tune.steps"], "NAME=VALUE"),
            (["--set", "speed=3"], "fitme presets"),
            (["--set", "tune_steps=3"], "did you mean tune.steps?"),
            (["--set", "tune.steps=many"], "whole number"),
            (["--set", "refine.on=maybe"], "true or false"),
            (["--set", "priors.code=nan"], "priors.code=nan: give a finite number"),
            (["--set", "invert.texels=300"], "invert.texels=300: give a power of two"),
            (["--set", "invert.pixels=100"], "invert.pixels=100: give a multiple of 32"),
            (["--set", "light.steps=-1"], "at least 0"),
            (["--set", "light.lamp_share=2"], "a share from 0 to 1"),
            (["--set", "tune.coarsest=4096"], "power of two"),
        ],
    )
    def test_bad_settings_are_one_line(self, calls, arguments: list[str], words: str) -> None:
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "result", *arguments])
        assert result.exit_code == 2 and calls == []
        assert words in result.output and result.output.count("\n") == 1

    def test_table(self) -> None:
        result = runner.invoke(app, ["presets"])
        rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines()}
        assert rows["fast"] == ["default", "best"] and len(rows["tune.steps"]) == 3


class TestFit:
    def test_defaults(self, calls) -> None:
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "result"])
        assert result.exit_code == 0, result.output
        ((args, kwargs),) = calls
        assert args == ([Path("a.jpg")], Path("result"))
        assert isinstance(kwargs.pop("progress"), TqdmProgress)
        assert kwargs == {
            "face": None,
            "landmarks": None,
            "device": "auto",
            "size": 1024,
            "preset": "default",
            "weights": None,
            "skip_bad": False,
            "overwrite": False,
        }
        assert "wrote result" in result.output

    def test_options_arrive(self, calls) -> None:
        arguments = (
            "fit a.jpg --out r --face 1 --landmarks p.json --device cpu --size 512 --overwrite -q"
        )
        result = runner.invoke(app, arguments.split())
        assert result.exit_code == 0 and result.output == ""
        kwargs = calls[0][1]
        assert isinstance(kwargs.pop("progress"), SilentProgress)
        assert kwargs == {
            "face": 1,
            "landmarks": "p.json",
            "device": "cpu",
            "size": 512,
            "preset": "default",
            "weights": None,
            "skip_bad": False,
            "overwrite": True,
        }

    @pytest.mark.parametrize("error", [InputError("a.jpg is\nbad; cure"), OutputError("a; b")])
    def test_user_error_is_one_line(self, failing, error: Exception) -> None:
        failing(error)
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "r"])
        assert result.exit_code == 2
        assert result.stderr == f"fitme: error: {' '.join(str(error).split())}\n"
        assert result.stdout == ""

    def test_interrupt(self, failing) -> None:
        failing(KeyboardInterrupt())
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "r"])
        assert result.exit_code == 130
        assert result.stderr == "fitme: interrupted\n"

    def test_bug_keeps_its_traceback(self, failing) -> None:
        failing(ZeroDivisionError("bug"))
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "r"])
        assert isinstance(result.exception, ZeroDivisionError)

    @pytest.mark.parametrize(
        "arguments",
        [
            "fit",
            "fit a.jpg",
            "fit --out r",
            "nonsense",
            "fit a.jpg --out r --device gpu",
            "fit a.jpg --out r --face x",
            "fit a.jpg --out r --size 3",
            "fit a.jpg --out r --seed 1",
            "fit a.jpg --out r --unknown",
        ],
    )
    def test_wrong_usage(self, calls, arguments: str) -> None:
        result = runner.invoke(app, arguments.split())
        assert result.exit_code == 2
        assert "Traceback" not in result.output and not calls

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [("fit a.jpg --out r -v -q", "--quiet")],
    )
    def test_contradictions(self, calls, arguments: str, words: str) -> None:
        result = runner.invoke(app, arguments.split())
        assert result.exit_code == 2 and not calls
        assert result.stderr.startswith("fitme: error: ") and words in result.stderr
        assert result.stderr.count("\n") == 1


NOTES = [{"kind": "gray", "severity": "warning", "text": "no colour", "photo": 0}]


class TestJson:
    """One object on stdout, and nothing else there."""

    @pytest.fixture
    def fitted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """`fit_photos` that has written a result."""
        out = tmp_path / "result"
        (out / "textures").mkdir(parents=True)
        (out / "fit.json").write_text("{}")
        (out / "textures" / "normal.png").write_text("")
        photo = types.SimpleNamespace(
            path=Path("a.jpg"), losses={"invert/photometric": 0.25}, landmark_error=0.0125
        )
        summary = types.SimpleNamespace(
            out=out,
            seconds={"align": 1.5, "total": 2.0},
            landmark_error=0.0125,
            avatar=types.SimpleNamespace(photos=(photo,), run=RunInfo(notes=NOTES)),
        )
        module = types.ModuleType("fitme.fit.api")
        module.fit_photos = lambda *args, **kwargs: summary  # type: ignore
        monkeypatch.setitem(sys.modules, "fitme.fit.api", module)
        return out

    @pytest.mark.parametrize("more", [[], ["-v"], ["-q"]])
    def test_fit(self, fitted: Path, more: list[str]) -> None:
        result = runner.invoke(app, ["fit", "a.jpg", "--out", str(fitted), "--json", *more])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout) == {
            "out": str(fitted),
            "seconds": {"align": 1.5, "total": 2.0},
            "landmark_error": 0.0125,
            "losses": [{"invert/photometric": 0.25}],
            "photos": ["a.jpg"],
            "notes": NOTES,
            "files": ["fit.json", "textures/normal.png"],
        }

    def test_verbose_says_more_on_stderr(self, fitted: Path) -> None:
        result = runner.invoke(app, ["fit", "a.jpg", "--out", str(fitted), "-v"])
        assert result.stdout == f"wrote {fitted}\n"
        assert "align: 1.5 s" in result.stderr
        assert "landmark error 1.25 %, invert/photometric 0.25" in result.stderr

    def test_error_stays_on_stderr(self, failing) -> None:
        failing(InputError("a.jpg is bad; cure"))
        result = runner.invoke(app, ["fit", "a.jpg", "--out", "r", "--json"])
        assert result.exit_code == 2 and result.stdout == ""

    def test_presets(self) -> None:
        tables = json.loads(runner.invoke(app, ["presets", "--json"]).stdout)
        assert tables["fast"]["tune.steps"] == 0 and set(tables) == {"fast", "default", "best"}

    def test_version(self) -> None:
        assert json.loads(runner.invoke(app, ["version", "--json"]).stdout)["fitme"]

    def test_head_info(self) -> None:
        from fitme.models import weight_path

        path = str(weight_path("head.safetensors"))
        facts = json.loads(runner.invoke(app, ["head", "info", path, "--json"]).stdout)
        assert facts["identity"] == 90 and len(facts["expressions"]) == 52
        assert facts["parts"]["eye_L"] > 0


def commands(typed: typer.Typer, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands."""
    found = [
        (*before, c.name or c.callback.__name__)  # type: ignore
        for c in typed.registered_commands
    ]
    for group in typed.registered_groups:
        found += commands(group.typer_instance, (*before, str(group.name)))  # type: ignore
    return found


class TestHelpOfEveryCommand:
    @pytest.mark.parametrize("path", commands(app), ids=" ".join)
    def test_has_an_example_that_parses(self, path: tuple[str, ...]) -> None:
        result = runner.invoke(app, [*path, "--help"])
        assert result.exit_code == 0
        assert "Example" in result.output and f"  fitme {' '.join(path)}" in result.output
        for line in result.output.rpartition("Example")[2].splitlines()[1:]:
            words = line.split(">")[0].split()
            assert words[0] == "fitme"
            # Options are known and none is missing, up to files that are not there.
            tried = runner.invoke(app, [*words[1:], "--help"])
            assert tried.exit_code == 0

    def test_examples_of_no_command(self) -> None:
        """Nothing is left over from a command that was renamed."""
        assert {" ".join(path) for path in commands(app)} >= set(EXAMPLES) - {"export"}

    def test_completion(self) -> None:
        done = console("--show-completion", "bash")
        assert done.returncode == 0 and "complete " in done.stdout and "fitme" in done.stdout
        environment = {
            **os.environ, "_FITME_COMPLETE": "complete_bash", "COMP_WORDS": "fitme tur",
            "COMP_CWORD": "1",
        }  # fmt: skip
        program = "import sys; from fitme.cli.main import main; sys.argv = ['fitme']; main()"
        found = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert found.stdout.split() == ["turntable"]


class TestVersionAndHelp:
    @pytest.mark.parametrize("arguments", [["--version"], ["version"]])
    def test_version(self, arguments: list[str]) -> None:
        result = runner.invoke(app, arguments)
        assert result.exit_code == 0
        assert result.output.startswith("fitme ") and result.output[6].isdigit()

    def test_help_imports_nothing_heavy(self) -> None:
        code = (
            "heavy = ('torch', 'numba', 'numpy', 'PIL'); "
            "print([name for name in heavy if name in sys.modules])"
        )
        done = console("--help", code=code)
        assert done.returncode == 0 and done.stderr == ""
        assert "fit" in done.stdout and done.stdout.endswith("[]\n")

    def test_console_exit_codes(self) -> None:
        done = console("fit", "a.jpg", "b.jpg", "--out", "r")
        assert done.returncode == 2
        assert done.stderr.startswith("fitme: error: ") and done.stderr.count("\n") == 1
