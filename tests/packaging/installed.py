"""The wheel of this checkout in an environment of its own, without downloading anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("fitme", "models", "cli")  # the folders that `tool.setuptools.package-dir` names
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it; `files` are the wheel's names."""

    environment: Path
    files: frozenset[str]

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, `python` or `fitme`, away from the checkout."""
        name, *rest = arguments
        program = self.environment / ("Scripts" if os.name == "nt" else "bin") / name
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [str(program), *rest], cwd=self.environment, env=env, timeout=timeout,
            capture_output=True, text=True,
        )  # fmt: skip


def build_wheel(folder: Path) -> Path:
    """The wheel, built in `folder` from a copy: a checkout's old build/ would end up in it."""
    copy = folder / "checkout"
    for name in SOURCES:
        shutil.copytree(
            REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, copy / name)
    _run([sys.executable, "-c", BUILD, str(folder)], copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_wheel(folder: Path) -> Installed:
    """Build and install; the third-party packages are those of the running environment.

    A line in a .pth file lends its site-packages. The checkout's own editable install stays out,
    as Python does not read the .pth files of a folder that is named in one.
    """
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there, with which the README installs")
    wheel = build_wheel(folder)
    environment = folder / "environment"
    _run([uv, "venv", "-q", "--offline", "--python", sys.executable, str(environment)], folder)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = _run([str(python), "-c", "import sysconfig as s; print(s.get_path('purelib'))"])
    lent = sysconfig.get_path("purelib")
    (Path(packages.strip()) / "lent.pth").write_text(f"{lent}\n")
    install = ["pip", "install", "-q", "--offline", "--no-deps", "--python", str(python)]
    _run([uv, *install, str(wheel)], folder)
    with zipfile.ZipFile(wheel) as archive:
        return Installed(environment, frozenset(archive.namelist()))


def _run(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
