"""GLB to FBX by Blender, an external program that is only asked for when FBX is wanted."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from fitme.runtime.errors import InputError, show_path

BLENDER_VARIABLE = "FITME_BLENDER"
_SCRIPT = Path(__file__).with_name("blender_fbx.py")
_CURE = (
    "install Blender (https://www.blender.org/download) so that `blender` is on the PATH, or set"
    f" {BLENDER_VARIABLE} to it, or leave --fbx out: the GLB holds the same"
)
_LIMIT_S = 900


def blender_command() -> list[str]:
    """How to run a Python script in Blender, without the script.

    `$FITME_BLENDER` (a Blender, or a Python that has the `bpy` wheel), else `blender` on the PATH,
    else this Python if it has `bpy`. Raises InputError with the cure where there is none.
    """
    named = os.environ.get(BLENDER_VARIABLE)
    program = shutil.which(named) if named else shutil.which("blender")
    if named and program is None:
        raise InputError(f"{BLENDER_VARIABLE} is {show_path(named)}, which is no program; {_CURE}")
    if program is None:
        if importlib.util.find_spec("bpy") is None:
            raise InputError(f"FBX files are written by Blender, and there is none; {_CURE}")
        program = sys.executable
    if "python" in Path(program).name.lower():
        return [program]
    return [program, "--background", "--factory-startup", "--python-exit-code", "1", "--python"]


def glb_to_fbx(glb: bytes, engine: str) -> bytes:
    """The bytes of an FBX of a GLB, for "unity" (metres, axes baked) or "unreal" (centimetres).

    Raises InputError with the cure where Blender is missing or fails.
    """
    command = blender_command()
    with tempfile.TemporaryDirectory(prefix="fitme-fbx-") as folder:
        source, target = Path(folder) / "avatar.glb", Path(folder) / "avatar.fbx"
        source.write_bytes(glb)
        arguments = [*command, str(_SCRIPT), "--", str(source), str(target), engine]
        try:
            done = subprocess.run(
                arguments, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(
                f"Blender ({command[0]}) could not be run: {error}; {_CURE}"
            ) from error
        if done.returncode or not target.is_file():
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[
                -1
            ]
            raise InputError(
                f"Blender ({command[0]}) wrote no FBX: {said}; use Blender 4.2 or later"
            )
        return target.read_bytes()
