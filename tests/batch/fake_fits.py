"""Fits of no photo for tests of the scheduling: the seam `run_batch(..., fit=...)`.

A worker imports this module by its name. What a fit does is in the text of the "photo":
`ok`, `slow SECONDS`, `refuse`, `break`, `kill` (always), `kill once`, `exit`, or `hang once before
RENAME` (the first start stops for good before the worker's RENAMEth rename of a whole folder).
Every start and every end is a line in `starts.txt` and `ends.txt` beside the photo's folder, every
such stop one in `hangs.txt`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fitme.batch.task import Fitted, Task
from fitme.runtime.errors import InputError


def fake_fit(task: Task, folder: Path) -> Fitted:
    """Does what the first photo says, then writes two files."""
    words = task.photos[0].read_text().split()
    _append(task, "starts.txt")
    starts = notes(task.photos[0].parent, "starts.txt").count(task.name)
    match words[0]:
        case "slow":
            time.sleep(float(words[1]))
        case "refuse":
            raise InputError(f"{task.photos[0]}: no face in <b>this</b>;\n  give another")
        case "break":
            raise RuntimeError("the fit is broken")
        case "exit":
            os._exit(3)
        case "hang" if starts == 1:
            _hang_before_rename(task, int(words[-1]))
        case "kill" if words[1:] != ["once"] or starts == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    (folder / "textures").mkdir()
    (folder / "textures" / "normal.png").write_bytes(b"normal")
    (folder / "fit.json").write_text("{}")
    (folder / "avatar.glb").write_bytes(task.photos[0].read_bytes() * 1000)
    _append(task, "ends.txt")
    quality = {"score": float(words[-1]) if words[0] == "ok" and len(words) > 1 else 80.0}
    return Fitted(len(task.photos), quality)


def notes(folder: Path, name: str) -> list[str]:
    """The subjects in one of the two files, in order."""
    path = folder.parent / name
    return path.read_text().split() if path.exists() else []


def _hang_before_rename(task: Task, number: int) -> None:
    """From now on this worker stops before that rename of a folder, half way through its work."""
    rename, seen = os.rename, 0

    def stopping(source: Path, target: Path) -> None:
        nonlocal seen
        seen += Path(source).is_dir() and Path(source).name != "textures"
        if seen == number:
            _append(task, "hangs.txt")
            time.sleep(3600)
        rename(source, target)

    os.rename = stopping


def _append(task: Task, name: str) -> None:
    path = task.photos[0].parent.parent / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{task.name}\n".encode())
    os.close(descriptor)
