"""One batch or studio at a time per output folder.

The lock belongs to the open file: the system frees it when its process dies in whatever way, so
that there are no stale locks. The text in the file only tells the next one who holds it.

Not `filelock`: it cannot tell who holds the lock (its earlier versions empty the file at each try),
and where a file system has no locks it falls back on one that outlives its holder.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fitme.runtime.errors import OutputError, show_path

_BUSY = (BlockingIOError, PermissionError)


@contextlib.contextmanager
def locked(path: Path, root: Path, what: str = "batch") -> Iterator[None]:
    """Hold the lock file `path` of the batch, or `what` it is, in `root`. Raises OutputError where
    another does."""
    try:
        stream = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{show_path(path)} cannot be written ({error.strerror})") from error
    with stream:
        try:
            _acquire(stream.fileno())
        except _BUSY:
            stream.seek(0)
            holder = " ".join(stream.read(200).split()) or "another process"
            raise OutputError(
                f"{show_path(root)} is in use by another {what} ({holder}); wait for it or choose"
                " another --out"
            ) from None
        except OSError as error:
            raise OutputError(
                f"{show_path(root)} cannot be locked ({error.strerror}); choose an --out on a file"
                " system with file locks"
            ) from error
        stream.seek(0)
        stream.truncate()
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        stream.write(f"process {os.getpid()} on {platform.node()} since {since}\n")
        stream.flush()
        yield
        # The file stays: removing it would let two others lock an old and a new one.


if sys.platform == "win32":
    import msvcrt

    def _acquire(descriptor: int) -> None:
        # Far behind the text, which would otherwise be unreadable while it is locked.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _acquire(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
