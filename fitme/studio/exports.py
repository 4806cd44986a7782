"""Exports of avatars for the page: made by a process of their own beside the fit, as archives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from fitme.runtime.errors import FitmeError, InputError

#: What the page offers, in its order: preset -> what it is for.
PRESETS = {
    "gltf": "glTF with textures",
    "web": "Web, small",
    "three": "three.js",
    "blender": "Blender",
    "unity": "Unity",
    "unreal": "Unreal Engine",
    "talkinghead": "TalkingHead",
    "vrm": "VRM 1.0",
    "obj": "OBJ",
}
_ERROR = "fitme: error: "


class Exporter:
    """One export at a time."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def make(self, folder: Path, preset: str, archive: Path) -> None:
        """Write the archive of an avatar's export unless it is there and newer than the avatar.
        Raises InputError for a preset that is not offered, FitmeError where it cannot be made."""
        if preset not in PRESETS:
            raise InputError(f"no export {preset!r}; choose one of {', '.join(PRESETS)}")
        async with self._one:
            made = archive.is_file() and archive.stat().st_mtime
            if made and made >= (folder / "fit.json").stat().st_mtime:
                return
            archive.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
                out = Path(scratch, archive.stem)
                await _export(folder, preset, out)
                await asyncio.to_thread(_pack, out, archive)


async def _export(folder: Path, preset: str, out: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fitme.cli.main", "export", str(folder), "--out", str(out),
        "--preset", preset, "--quiet",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, start_new_session=os.name == "posix",
    )  # fmt: skip
    try:
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise FitmeError(f"the export failed: {lines[-1].removeprefix(_ERROR)}")


def _pack(out: Path, archive: Path) -> None:
    """The files below one folder of the archive's name, stored: PNG and GLB are packed already."""
    temporary = archive.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(temporary, "w") as packed:
        for path in sorted(out.rglob("*")):
            packed.write(path, Path(archive.stem) / path.relative_to(out))
    temporary.replace(archive)
