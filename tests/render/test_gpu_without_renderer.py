"""A machine with a GPU that nothing installed can draw on: the CPU with a note, or one line."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from fitme import doctor
from fitme.cli.main import app
from fitme.render import get_backend
from fitme.runtime.device import resolve_device, triton_cure
from fitme.runtime.errors import InputError

REAL_FIND_SPEC = importlib.util.find_spec
RENDERERS = ("triton", "nvdiffrast")


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch sees a GPU; Triton and nvdiffrast are not installed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    facts = SimpleNamespace(name="Made-up GPU", total_memory=80e9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: facts)
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in RENDERERS else REAL_FIND_SPEC(name, *rest),
    )


def test_auto_takes_the_cpu_and_says_why() -> None:
    notes: list[str] = []
    assert resolve_device("auto", notes.append) == torch.device("cpu")
    assert len(notes) == 1 and "CPU" in notes[0] and "triton" in notes[0]
    assert "\n" not in notes[0]
    assert resolve_device("cpu", notes.append) == torch.device("cpu") and len(notes) == 1


def test_with_a_renderer_auto_takes_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    monkeypatch.setenv("CC", "cc")
    notes: list[str] = []
    assert resolve_device("auto", notes.append) == torch.device("cuda")
    assert resolve_device("cuda", notes.append) == torch.device("cuda") and not notes


def test_cuda_is_refused_with_the_cure() -> None:
    with pytest.raises(InputError, match=r"--device cuda: .*pip install triton.* --device cpu$"):
        resolve_device("cuda")
    with pytest.raises(
        ModuleNotFoundError, match="the triton renderer cannot run here; pip install triton"
    ):
        get_backend(None, "cuda")
    with pytest.raises(ModuleNotFoundError, match="the nvdiffrast renderer cannot run here"):
        get_backend("nvdiffrast", "cuda")


def test_what_triton_needs_beside_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: object())
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "platform", "linux")
    assert "install gcc" in triton_cure()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": "/nowhere"})
    assert "python3-dev" in triton_cure() and "/nowhere/Python.h" in triton_cure()
    monkeypatch.setattr(sys, "platform", "win32")
    assert triton_cure() == ""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    assert "pip install triton-windows" in triton_cure()


@pytest.mark.parametrize("command", ["fit", "batch"])
def test_one_line_and_code_2(command: str, tmp_path: Path, astronaut: Path) -> None:
    people = tmp_path / "people" / "one"
    people.mkdir(parents=True)
    (people / "photo.png").write_bytes(astronaut.read_bytes())
    source, out = astronaut if command == "fit" else people.parent, tmp_path / "out"
    arguments = [command, str(source), "--out", str(out), "--device", "cuda"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    (line,) = result.stderr.splitlines()
    assert line.startswith("fitme: error: --device cuda") and "triton" in line
    assert not out.exists()


def test_doctor_says_it_as_it_is() -> None:
    checks = {check.name: check for check in doctor._device()}
    assert checks["device"].text.startswith("cpu: ")
    assert checks["gpu"].status == "note" and "Made-up GPU, 80 GB" in checks["gpu"].text
    assert "triton" in checks["gpu"].cure
    backends = {check.name: check for check in doctor._backends()}
    assert all(backends[f"render {name}"].status == "note" for name in RENDERERS)
    assert backends["render cpu"].status == "ok"


def test_doctor_prints_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for slow in ("_landmarks", "_generator", "_head"):
        monkeypatch.setattr(doctor, slow, lambda: iter(()))
    result = CliRunner().invoke(app, ["doctor"])
    assert "device: cpu" in result.output and "cuda" not in result.output.partition("render")[0]
