"""Independent readers of our files: Khronos' validator, three.js,
glTF-Transform, Blender. Skipped if absent.

node packages are looked for in $FITME_NODE_MODULES, else in node_modules/ of the repository:
    npm install --no-save --no-package-lock gltf-validator three \
        @gltf-transform/core @gltf-transform/extensions @gltf-transform/functions
Blender is a Python that has the `bpy` wheel: $FITME_BPY_PYTHON, else that of .venv-bpy in the
repository, else the one running the tests:
    uv venv --python 3.11 .venv-bpy && uv pip install --python .venv-bpy bpy
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


def _node(script: str, package: str, file: Path, *more: Path) -> dict:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    modules = Path(os.environ.get("FITME_NODE_MODULES") or REPOSITORY / "node_modules")
    if not (modules / package).is_dir():
        pytest.skip(f"the node package {package} is not in {modules} (npm install {package})")
    command = [node, str(HERE / script), str(modules / package), str(file), *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def validate(file: Path) -> dict:
    """The Khronos validator's report on a file."""
    return _node("validator.mjs", "gltf-validator", file)


def load_in_three(file: Path) -> dict:
    """What three.js's GLTFLoader makes of a file (see three_probe.mjs)."""
    return _node("three_probe.mjs", "three", file)


def decode_meshopt(file: Path) -> dict:
    """What three.js's decoder makes of meshopt streams or a GLB (see meshopt_probe.mjs)."""
    return _node("meshopt_probe.mjs", "three", file)


def clean_with_gltf_transform(file: Path, out: Path) -> dict:
    """What glTF-Transform finds in a GLB "before" and "after" it wrote it anew, as `out`."""
    return _node("gltf_transform_probe.mjs", "@gltf-transform", file, out)


def blender_python() -> str:
    """A Python that has the `bpy` wheel; skips the test where there is none."""
    python = os.environ.get("FITME_BPY_PYTHON")
    own = REPOSITORY / ".venv-bpy" / "bin" / "python"
    if python is None and own.exists():
        python = str(own)
    if python is None:
        if importlib.util.find_spec("bpy") is None:
            pytest.skip("no Blender: no bpy here or in .venv-bpy, and FITME_BPY_PYTHON is not set")
        python = sys.executable
    return python


def load_in_blender(file: Path, again: Path | None = None) -> dict:
    """What Blender's importer makes of a GLB, FBX or OBJ (see blender_probe.py); `again` is a GLB
    that its exporter then writes."""
    command = [blender_python(), str(HERE / "blender_probe.py"), str(file)]
    command += [str(again)] if again else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    reports = [line for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    assert done.returncode == 0 and reports, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(reports[0].removeprefix("REPORT "))
