"""Files that save a program work it did before: whole or not there, behind their own checksum, and
no error where none can be written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

_DIGEST = hashlib.sha256().digest_size


def folders(source: Path) -> list[Path]:
    """Where files that a source file's code made may lie, the first to be written to first.

    NUMBA_CACHE_DIR, when set, is the only place. Otherwise the package's own folder, which an
    administrator may have filled for all users, and the user's cache folder, where there is one.
    """
    inside = f"{source.parent.name}_{hashlib.sha1(str(source.parent).encode()).hexdigest()}"
    if os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(os.environ["NUMBA_CACHE_DIR"]) / inside]
    users = user_cache_path("fitme", appauthor=False) / "kernels" / inside
    # without HOME and without an entry in the password file the path is a relative "~/.cache"
    return [source.parent / "__pycache__", *([users] if users.is_absolute() else [])]


def read_kept(path: Path) -> bytes | None:
    """What `write_kept` wrote; None where nothing is, or something damaged, which is removed."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[_DIGEST:]
    if hashlib.sha256(body).digest() == data[:_DIGEST]:
        return body
    remove(path)
    return None


def write_kept(path: Path, body: bytes) -> None:
    """All or nothing, also when several processes write the same file. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would hide an administrator's from the users
        os.replace(temporary, path)
    except OSError:
        remove(Path(temporary))
        raise


def remove(path: Path) -> None:
    """Remove a file that may not be there, or not be ours."""
    with suppress(OSError):
        path.unlink()
