"""The checks of the Triton backend, on the GPU of this machine or by Triton's interpreter; and
that every kernel compiles for a GPU, where none is. Both in programs of their own: Triton reads
TRITON_INTERPRET when it is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="torch's wheels for the CPU alone come without Triton")
REPOSITORY = Path(__file__).resolve().parents[3]


def run(*arguments: str, interpret: bool) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRITON_INTERPRET")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    if interpret:
        environment["TRITON_INTERPRET"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    return done.stdout


def test_same_as_the_cpu_backend() -> None:
    checks = "tests/render/triton/check_backend.py"
    out = run("pytest", "-v", "-p", "no:xdist", checks, interpret=not torch.cuda.is_available())
    assert " passed" in out and "failed" not in out


@pytest.mark.parametrize("capability", ["80"])  # Ampere; newer ones compile the same
def test_every_kernel_compiles_for_a_gpu(capability: str) -> None:
    out = run("tests.render.triton.compiling", capability, interpret=False)
    count, _ = out.splitlines()[-1].split()
    assert int(count) > 30
