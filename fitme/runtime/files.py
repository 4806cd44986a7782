"""Results appear on disk whole or not at all.

A run writes into a hidden sibling of its target, or into a staging folder on the same file
system, and what it wrote is renamed into place at the very end: a killed run leaves no half
avatar, and an earlier result stays readable until the new one is complete. What the user can cure
is raised as a one-line :class:`~fitme.runtime.errors.OutputError`.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fitme.runtime.errors import OutputError, show_path
from fitme.runtime.plain_json import json_bytes
from fitme.runtime.temporaries import remove_abandoned, temporary_path

#: One of these marks a directory as an earlier result.
RESULT_FILES = ("fit.json", "fitme_sample.json", "batch.json", "fitme_export.json")

#: What an earlier result may contain and `--overwrite` may therefore delete, as patterns of
#: paths relative to the output directory. A new kind of output file is added here.
OUTPUT_FILES = (
    *RESULT_FILES,
    "avatar.*",
    "avatar_lod[0-9].*",
    "expressions/*.obj",
    "wrinkles.md",
    "wrinkles.js",
    "wrinkles_blender.py",
    "skin_blender.py",
    "report.html",
    "render_*.png",
    "overlay_*.png",
    "turntable*",
    "textures/*",
    "deformation.safetensors",
    "sheet.png",
    "thumb.jpg",
    "hair_strands*",
    "*_[0-9][0-9][0-9][0-9][0-9].[0-9][0-9]s.png",  # pictures of a film
    "[0-9][0-9][0-9]/render_*.png",
    "[0-9][0-9][0-9]/textures/*",
)
_SYSTEM_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")


def check_output_dir(path: str | Path, overwrite: bool = False) -> None:
    """Raise OutputError, in one line with the cure, unless `path` can become the output.

    It may be new (missing parents are made later), an empty directory or, with `overwrite`,
    an earlier result: a directory with one of `RESULT_FILES` and nothing else than
    `OUTPUT_FILES`. Anything else is never deleted. Creates nothing that outlives the call.
    """
    target, shown = _resolve(path), show_path(path)
    _check_target(shown, target, overwrite)
    parent = target.parent
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(
            f"{shown} lies under {show_path(parent)}, which is a file;"
            " choose another output directory"
        )
    # Asking os.access is not enough: root, read-only mounts and ACLs all answer wrongly.
    probe = temporary_path(parent / target.name, "probe")
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            f"{shown} cannot be created: {show_path(parent)} is not writable ({error.strerror});"
            " choose another output directory or change its permissions"
        ) from error


def check_output_file(path: str | Path, suffixes: tuple[str, ...], overwrite: bool = False) -> None:
    """Raise OutputError, in one line with the cure, unless `path` may become a file of ours: one of
    the `suffixes` (lower case), in a directory that is there, and new unless `overwrite`."""
    target, shown = Path(path), show_path(path)
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"{shown} must end in {' or '.join(suffixes)}; rename the output")
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise OutputError(f"{shown} is a directory or its folder does not exist; make the folder")
    if target.exists() and not overwrite:
        raise OutputError(f"{shown} exists; pass --overwrite to replace it or choose another name")


@contextlib.contextmanager
def atomic_directory(
    path: str | Path, overwrite: bool = False, *, staging: str | Path | None = None
) -> Iterator[Path]:
    """Yield an empty hidden directory that becomes `path` when the block succeeds.

    It is a sibling of `path`, or lies in `staging`: a directory on the same file system whose
    owner clears it (`clear_staging`), so that nothing but results ever lies beside `path`.

    On any exception, KeyboardInterrupt included, the hidden directory is removed and `path` is
    what it was. What a killed run of the same target left behind is removed here on entry (or put
    back, when it was killed between the two renames of an overwrite). Missing parents are
    made. Raises OutputError as `check_output_dir` does, before and again after the block.
    """
    target = _resolve(path)
    folder = target.parent if staging is None else Path(staging)
    remove_abandoned(folder, target.name, target.parent)
    if staging is None:
        check_output_dir(path, overwrite)
    else:  # no probe, which would lie beside the target
        _check_target(show_path(path), target, overwrite)
    missing = list(itertools.takewhile(lambda parent: not parent.exists(), target.parents))
    temporary = temporary_path(target, "new", folder)
    try:
        try:
            temporary.mkdir(parents=True)
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{show_path(path)} cannot be created ({error.strerror});"
                " choose another output directory"
            ) from error
        yield temporary
        _swap_in(path, target, temporary, overwrite)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def remove_result(path: str | Path) -> None:
    """Delete a directory of a result: first it has its name no more, then what is in it goes.

    Raises OutputError, in one line, where it is no result, holds files of others or cannot be
    renamed; nothing is deleted then.
    """
    target, shown = _resolve(path), show_path(path)
    if not target.is_dir() or not any((target / name).is_file() for name in RESULT_FILES):
        raise OutputError(f"{shown} is no result of fitme")
    foreign = next(_foreign_files(target), None)
    if foreign is not None:
        raise OutputError(
            f"{shown} also holds {show_path(foreign)}, which fitme did not write;"
            " move it away first"
        )
    gone = temporary_path(target, "new")  # `remove_abandoned` ends what is left by a crash
    try:
        os.rename(target, gone)
    except OSError as error:
        raise OutputError(f"{shown} cannot be deleted ({error.strerror})") from error
    shutil.rmtree(gone, ignore_errors=True)


def atomic_write_bytes(path: str | Path, data: bytes, *, staging: str | Path | None = None) -> None:
    """Write `data` to `path` so that a reader sees the old content or the new, never a part.

    `staging` as in `atomic_directory`; it is made where it is missing. Raises OutputError when
    the directory of `path` is missing or not writable, or the disk is full.
    """
    target = _resolve(path)
    folder = target.parent if staging is None else Path(staging)
    temporary = temporary_path(target, "new", folder)
    try:
        if staging is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(
            f"{show_path(path)} cannot be written ({error.strerror});"
            " check that its directory exists, is writable and has room"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, read in pieces. Raises OSError."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: str | Path, value: Any) -> None:
    """`json_bytes(value)` written with `atomic_write_bytes`; raises what those two raise."""
    atomic_write_bytes(path, json_bytes(value))


def _resolve(path: str | Path) -> Path:
    # Through links: a link to a directory stays one and its target is replaced.
    return Path(os.path.realpath(path))


def _check_target(shown: str, target: Path, overwrite: bool) -> None:
    """Raise OutputError unless what is at `target`, if anything, may be replaced."""
    if target.is_dir():
        _check_replaceable(shown, target, overwrite)
    elif os.path.lexists(target):
        raise OutputError(f"{shown} is a file, not a directory; choose another output directory")


def _check_replaceable(shown: str, target: Path, overwrite: bool) -> None:
    entries = sorted(entry.name for entry in target.iterdir())
    here = Path(os.path.realpath(os.curdir))
    if target == here or target in here.parents:  # renaming it would strand the user's shell
        raise OutputError(
            f"{shown} is the current directory; name a directory inside it as the output"
        )
    if not entries:
        return
    if not set(RESULT_FILES) & set(entries):
        raise OutputError(
            f"{shown} holds other files (such as {show_path(entries[0])}) and no earlier result;"
            " choose a new or empty output directory"
        )
    if not overwrite:
        raise OutputError(
            f"{shown} already holds a result; pass --overwrite to replace it"
            " or choose another output directory"
        )
    foreign = next(_foreign_files(target), None)
    if foreign is not None:
        raise OutputError(
            f"{shown} also holds {show_path(foreign)}, which fitme did not write;"
            " move it away (it would be lost) or choose another output directory"
        )


def _foreign_files(directory: Path) -> Iterator[str]:
    for entry in sorted(directory.rglob("*")):
        name = entry.relative_to(directory).as_posix()
        if entry.name in _SYSTEM_LITTER or (entry.is_dir() and not entry.is_symlink()):
            continue
        # fnmatch lets * cross a slash; here it must not.
        if not any(
            name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)
            for pattern in OUTPUT_FILES
        ):
            yield name


def _swap_in(path: str | Path, target: Path, temporary: Path, overwrite: bool) -> None:
    _check_target(show_path(path), target, overwrite)  # filled by others while the block ran?
    old: Path | None = None
    try:
        if target.is_dir():
            old = temporary_path(target, "old", temporary.parent)
            os.rename(target, old)
        os.rename(temporary, target)
    except BaseException as error:
        if old is not None and old.exists() and not target.exists():
            os.rename(old, target)
        if isinstance(error, OSError):
            raise OutputError(
                f"{show_path(path)} cannot be put in place ({error.strerror});"
                " free some room or choose another output directory"
            ) from error
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
