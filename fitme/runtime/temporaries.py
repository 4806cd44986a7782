"""What a killed run leaves behind: the names of temporaries, whose they are, and their removal.

A temporary is called `.NAME.fitme-HOST-PID-N.ROLE` after the target that it will become (role
`new`), that it was (`old`, put aside while a new one takes its place), or that it tries out
(`probe`). It lies beside its target or in a staging folder on the same file system.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

_TEMPORARY = re.compile(
    r"\.(?P<target>.+)\.fitme-(?P<host>[\w.]+)-(?P<pid>\d+)-\d+\.(?P<role>\w+)", re.DOTALL
)
#: After this time a temporary is nobody's, also where its process cannot be asked after (another
#: machine's): no run takes a week.
_ABANDONED_AFTER_S = 7 * 24 * 3600
#: A process that is younger than what it is said to have written has only inherited the number;
#: so far apart may the clocks of a file server and of this machine be.
_CLOCKS_APART_S = 60.0


def temporary_path(target: Path, role: str, staging: Path | None = None) -> Path:
    """A name that does not exist yet, beside `target` or in `staging`."""
    folder = target.parent if staging is None else staging
    for number in itertools.count():
        name = f".{target.name}.fitme-{_host()}-{os.getpid()}-{number}.{role}"
        if not os.path.lexists(folder / name):
            return folder / name
    raise AssertionError("unreachable")


def remove_abandoned(folder: Path, target: str | None = None, home: Path | None = None) -> None:
    """Remove from `folder` what dead runs left; put an old result back that has no successor.

    Only that of the target of this name, where one is given. `home` is the folder of the targets,
    where that is another. What may belong to a living run stays.
    """
    for path, match in _temporaries(folder):
        mine = target is None or match["target"] == target
        if mine and not _may_be_alive(path, match["host"] == _host(), int(match["pid"])):
            _remove(path, match, home or folder)


def clear_staging(staging: Path, home: Path) -> None:
    """Remove a staging folder of targets in `home`, after putting back old results that have no
    successor. Asks after no process: call it where no other run can be at work."""
    for path, match in _temporaries(staging):
        _remove(path, match, home)
    shutil.rmtree(staging, ignore_errors=True)


def _temporaries(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if match := _TEMPORARY.fullmatch(entry.name):
            yield entry, match


def _remove(path: Path, match: re.Match[str], home: Path) -> None:
    target = home / match["target"]
    with contextlib.suppress(OSError):
        if match["role"] == "old" and not target.exists():
            os.rename(path, target)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _host() -> str:
    return re.sub(r"[^\w.]", "_", socket.gethostname())


def _may_be_alive(path: Path, same_host: bool, pid: int) -> bool:
    """Whether the process that made a temporary may still be at work on it."""
    try:
        written = path.lstat().st_mtime
    except FileNotFoundError:
        return False
    if time.time() - written > _ABANDONED_AFTER_S:
        return False
    if not same_host:
        return True
    try:
        process = psutil.Process(pid)
        # The dead keep their number until their parent has taken note of it, which where the
        # first process of a container reaps nobody is never.
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        return process.create_time() < written + _CLOCKS_APART_S
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OverflowError):
        return True
