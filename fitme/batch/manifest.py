"""What is finished: hashes of what a subject was made from and of what was written.

`batch.json` lies in the subject's directory and comes into being with it, in the same rename, so
that no kill can part the two. A failure is a record of its own outside, since it leaves no
directory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fitme.batch.task import Fitted, Result, Settings, Task
from fitme.runtime.files import atomic_write_bytes, file_sha256, write_json
from fitme.runtime.notes import read_notes
from fitme.runtime.plain_json import json_bytes

MANIFEST = "batch.json"
FORMAT = "fitme-batch-1"
MISSING = "missing"  # stands for the hash of an input that cannot be read


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes in hexadecimal, or MISSING."""
    try:
        return file_sha256(path)
    except OSError:
        return MISSING


def input_hashes(photos: Sequence[Path]) -> list[str]:
    """The hashes of the photos in their order. Where they lie does not matter."""
    return [file_hash(path) for path in photos]


def task_key(settings: Settings, inputs: Sequence[str]) -> str:
    """One hash of all that a subject's avatar depends on."""
    return hashlib.sha256(json_bytes([settings.identity(), list(inputs)])).hexdigest()


def write_manifest(
    folder: Path, task: Task, inputs: Sequence[str], fitted: Fitted, seconds: float
) -> Result:
    """Describe the files in `folder`, which is complete, by a manifest in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "subject": task.name,
            "key": task_key(task.settings, inputs),
            "settings": task.settings.identity(),
            "inputs": [
                {"path": str(path), "sha256": digest}
                for path, digest in zip(task.photos, inputs, strict=True)
            ],
            "outputs": {path.relative_to(folder).as_posix(): file_hash(path) for path in files},
            "photos": fitted.photos,
            "quality": dict(fitted.quality),
            "notes": [asdict(note) for note in fitted.notes],
            "seconds": round(seconds, 3),
        },
    )
    return Result(
        task.name, task.directory, "done",
        quality=dict(fitted.quality), seconds=round(seconds, 3), photos=fitted.photos,
        notes=fitted.notes,
    )  # fmt: skip


def write_failure(
    task: Task, inputs: Sequence[str], kind: str, reason: str, seconds: float
) -> Result:
    """Record that a subject failed; `kind` is refused, error or crash."""
    task.failure.parent.mkdir(parents=True, exist_ok=True)
    reason = " ".join(reason.split())
    record = {
        "format": FORMAT,
        "subject": task.name,
        "key": task_key(task.settings, inputs),
        "skip_bad": task.settings.skip_bad,
        "kind": kind,
        "reason": reason,
        "seconds": round(seconds, 3),
    }
    atomic_write_bytes(task.failure, json_bytes(record), staging=task.staging)
    return Result(
        task.name, task.directory, "failed", reason,
        seconds=round(seconds, 3), photos=len(task.photos),
    )  # fmt: skip


def find_result(task: Task, inputs: Sequence[str], retry_failed: bool = False) -> Result | None:
    """What earlier runs say about a task: done, failed for good, or None where there is work.

    Done: same photos, settings, weights and version, and every file as it was written. Failed:
    the same, and the failure was the subject's own and not the disk's.
    """
    key = task_key(task.settings, inputs)
    return _find_done(task, key) or (None if retry_failed else _find_failed(task, key))


def _find_done(task: Task, key: str) -> Result | None:
    known = _read(task.out / MANIFEST)
    outputs, quality = known.get("outputs"), known.get("quality")
    if known.get("key") != key or not isinstance(outputs, dict) or not isinstance(quality, dict):
        return None
    photos = known.get("photos")
    if not isinstance(photos, int):
        return None
    if photos < len(task.photos) and not task.settings.skip_bad:
        return None
    if not outputs or any(file_hash(task.out / name) != h for name, h in outputs.items()):
        return None
    return Result(
        task.name, task.directory, "done", quality=quality,
        seconds=known.get("seconds", 0.0), photos=photos, earlier=True,
        notes=read_notes(known.get("notes")),
    )  # fmt: skip


def _find_failed(task: Task, key: str) -> Result | None:
    known = _read(task.failure)
    if known.get("key") != key or known.get("skip_bad") != task.settings.skip_bad:
        return None
    if known.get("kind") == "output":  # a full disk says nothing about the subject
        return None
    return Result(
        task.name, task.directory, "failed", str(known.get("reason")),
        seconds=known.get("seconds", 0.0), photos=len(task.photos), earlier=True,
    )  # fmt: skip


def _read(path: Path) -> Mapping[str, Any]:
    """A record of ours, or nothing where it is missing or damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and value.get("format") == FORMAT else {}
