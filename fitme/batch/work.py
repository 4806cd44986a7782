"""What a worker does, whoever started it: one subject, whole or not at all."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from fitme.batch.manifest import (
    MANIFEST,
    find_result,
    input_hashes,
    write_failure,
    write_manifest,
)
from fitme.batch.task import Fit, Fitted, Result, Task
from fitme.runtime.errors import FitmeError, InputError, OutputError, show_path
from fitme.runtime.files import atomic_directory


def prepare_worker(threads: int) -> None:
    """Once per worker, before torch loads: its share of the cores, and how it waits.

    The fit's kernels take their threads from torch, so that one number is enough.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    with contextlib.suppress(Exception):  # no usable stderr
        faulthandler.enable()  # a segmentation fault leaves its stack in the log


def real_fit(task: Task, folder: Path) -> Fitted:
    """`fitme.batch.fit.fit_subject`, whose imports take seconds and belong to the worker."""
    from fitme.batch.fit import fit_subject

    return fit_subject(task, folder)


def run_subject(task: Task, fit: Fit = real_fit) -> Result:
    """Fit one subject and put it into place, or record why not. Never raises for its sake.

    What an earlier attempt finished is not done again: a worker may die, and its task be given to
    another, between the last rename and the answer.
    """
    start = time.perf_counter()
    with output_to(task.log):
        inputs = input_hashes(task.photos)
        known = find_result(task, inputs, retry_failed=True)
        if known is not None:
            return known
        try:
            if not task.photos:
                raise InputError(f"{show_path(task.source)} holds no photo; add one or remove it")
            _claim(task.out)
            with atomic_directory(task.out, overwrite=True, staging=task.staging) as folder:
                fitted = fit(task, folder)
                result = write_manifest(folder, task, inputs, fitted, time.perf_counter() - start)
            for path in (task.failure, task.failure_picture):
                path.unlink(missing_ok=True)
            return result
        except FitmeError as error:
            kind, reason = "output" if isinstance(error, OutputError) else "refused", str(error)
        except Exception as error:
            traceback.print_exc()
            kind, reason = "error", f"{type(error).__name__}: {error}; see {show_path(task.log)}"
        _picture_failure(task)
        return write_failure(task, inputs, kind, reason, time.perf_counter() - start)


def _claim(out: Path) -> None:
    """Mark an earlier result, however damaged, as one that may be replaced. Files that no fit
    writes are still refused."""
    if out.is_dir() and not (out / MANIFEST).exists():
        (out / MANIFEST).touch()


def _picture_failure(task: Task) -> None:
    """A small copy of the first photo that opens, for the index; without one there is none."""
    with contextlib.suppress(Exception):
        from PIL import Image, ImageOps

        task.failure.parent.mkdir(parents=True, exist_ok=True)
        task.failure_picture.unlink(missing_ok=True)
        with Image.open(task.photos[0]) as image:
            image.draft("RGB", (384, 384))
            upright = ImageOps.exif_transpose(image).convert("RGB")
        upright.thumbnail((384, 192))
        upright.save(task.failure_picture, quality=82)


@contextlib.contextmanager
def output_to(log: Path) -> Iterator[None]:
    """Send what this process prints, native code included, to a file; no file where nothing is."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    out, err = sys.stdout, sys.stderr
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        # Python's own streams may be elsewhere (a cluster's, a test's).
        with open(1, "w", closefd=False, buffering=1, errors="replace") as stream:
            sys.stdout = sys.stderr = stream
            yield
    finally:
        sys.stdout, sys.stderr = out, err
        for descriptor, number in zip(kept, (1, 2), strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(target)
        with contextlib.suppress(OSError):
            if log.stat().st_size == 0:
                log.unlink()
