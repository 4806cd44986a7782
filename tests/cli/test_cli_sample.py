"""`fitme sample`: options reach the library, user errors are one line, files appear."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from fitme.cli.main import app
from fitme.models import weight_path
from fitme.models.stylegan2 import GENERATORS, ReflectanceGenerator
from fitme.runtime.progress import SilentProgress, TqdmProgress

runner = CliRunner()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple, dict[str, Any]]]:
    """Replaces the library call; collects its arguments."""
    collected: list[tuple[tuple, dict[str, Any]]] = []
    module = types.ModuleType("fitme.sample")
    module.sample_avatars = lambda *args, **kwargs: collected.append((args, kwargs))  # type: ignore
    monkeypatch.setitem(sys.modules, "fitme.sample", module)
    return collected


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    generator = ReflectanceGenerator(GENERATORS["tiny"])
    generator.measure_w(torch.Generator().manual_seed(0), 1000)
    path = tmp_path / "tiny.safetensors"
    generator.save(path)
    return path


def refused(*arguments: str | Path) -> str:
    """Runs `fitme sample`, checks how it fails, returns the line."""
    result = runner.invoke(app, ["sample", *map(str, arguments)])
    assert result.exit_code == 2, (result.output, result.exception)
    assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
    return result.stderr


def test_defaults(calls) -> None:
    result = runner.invoke(app, ["sample", "--out", "r"])
    assert result.exit_code == 0 and "wrote r" in result.output
    ((args, kwargs),) = calls
    assert args == (Path("r"),)
    assert isinstance(kwargs.pop("progress"), TqdmProgress)
    assert kwargs == {
        "count": 8, "seed": 0, "size": 1024, "truncation": 1.0, "lights": ("studio",),
        "shadows": True, "sheet": False, "weights": None, "overwrite": False,
    }  # fmt: skip


def test_options_arrive(calls) -> None:
    arguments = (
        "sample --out r --count 3 --seed 7 --size 512 --truncation 0.7 --light rim --light side "
        "--no-shadows --sheet --weights w.safetensors --overwrite -q"
    )
    result = runner.invoke(app, arguments.split())
    assert result.exit_code == 0 and result.output == ""
    kwargs = calls[0][1]
    assert isinstance(kwargs.pop("progress"), SilentProgress)
    assert kwargs == {
        "count": 3, "seed": 7, "size": 512, "truncation": 0.7, "lights": ("rim", "side"),
        "shadows": False, "sheet": True, "weights": Path("w.safetensors"), "overwrite": True,
    }  # fmt: skip


@pytest.mark.skipif(
    not weight_path("head.safetensors").exists(), reason="the head model is not built"
)
def test_on_the_shipped_head(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["sample", "--out", str(out), "--count", "1", "--size", "32", "--weights",
                 str(weights), "-q"]  # fmt: skip
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0 and result.output == ""
    found = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert found == {
        "fitme_sample.json", "000/render_studio.png", "000/textures/diffuse_albedo.png",
        "000/textures/specular_albedo.png", "000/textures/normal.png",
    }  # fmt: skip


def test_errors(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "--count 0" in refused("--out", out, "--count", "0")
    assert "moon" in refused("--out", out, "--light", "moon")
    missing = tmp_path / "missing.safetensors"
    assert str(missing) in refused("--out", out, "--weights", missing)
    assert "--size 100" in refused("--out", out, "--weights", weights, "--size", "100")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    line = refused("--out", tmp_path / "full", "--weights", weights, "--overwrite")
    assert "thesis.txt" in line
    assert not out.exists()


@pytest.mark.parametrize("arguments", ["sample", "sample --out r --seed -1", "sample --out r -x"])
def test_wrong_usage(calls, arguments: str) -> None:
    result = runner.invoke(app, arguments.split())
    assert result.exit_code == 2 and not calls
    assert "Traceback" not in result.output
