"""A batch from beginning to end: find the work, have it done, tell how it went."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fitme.batch.index import index_html
from fitme.batch.manifest import find_result, input_hashes, write_failure
from fitme.batch.processes import ProcessExecutor
from fitme.batch.progress import BatchProgress
from fitme.batch.root import opened_root
from fitme.batch.subjects import Subject, find_subjects
from fitme.batch.table import counts, row, summary_csv
from fitme.batch.task import STAGING, Crash, Fit, Result, Settings, Task
from fitme.batch.weights import settings_with_hashes
from fitme.batch.work import real_fit
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_write_bytes
from fitme.runtime.resources import default_jobs, usable_cores

EXECUTORS = ("process", "ray")
_REPORT_EVERY_S = 60.0


class Executor(Protocol):
    """Where tasks run. A task ends as the result that `run_subject` gave, or as a crash."""

    jobs: int

    def run(self, tasks: Sequence[Task]) -> Iterator[Result | Crash]:
        """Outcomes in the order in which they come."""

    def close(self) -> None:
        """End what is running."""


@dataclass(frozen=True)
class BatchSummary:
    """All subjects in their order, and how long this run took."""

    root: Path
    results: tuple[Result, ...]
    seconds: float

    @property
    def failed(self) -> int:
        return counts(self.results)["failed"]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `fitme batch --json` prints it."""
        return {
            "root": str(self.root),
            "seconds": round(self.seconds, 3),
            "counts": counts(self.results),
            "subjects": [row(result) for result in self.results],
        }


def run_batch(
    source: Path,
    root: Path,
    settings: Settings | None = None,
    *,
    jobs: int | None = None,
    executor: str = "process",
    address: str | None = None,
    retry_failed: bool = False,
    fit: Fit = real_fit,
    progress: BatchProgress | None = None,
) -> BatchSummary:
    """Fit every subject of a folder or CSV into its own directory under `root`.

    Goes on where an earlier run stopped, in whatever way. A subject that fails is recorded with
    its reason and never stops the others. `summary.csv` and `index.html` are written at the end
    and about every minute. `fit` replaces the fit itself (see `Fit`).

    Raises InputError or OutputError for wrong usage, before anything is written, and
    KeyboardInterrupt after having written what is known so far.
    """
    start = time.monotonic()
    progress = progress or BatchProgress(quiet=True)
    _check_usage(executor, address, jobs)
    settings = settings_with_hashes(settings or Settings())
    # Absolute, but through no links: workers may have another current directory.
    source, root = Path(os.path.abspath(source)), Path(os.path.abspath(root))
    subjects, notes = find_subjects(source, leave_out=root)
    with opened_root(root):
        for note in notes:
            progress.note(note)
        tasks = [_task(subject, root, settings) for subject in subjects]
        batch = _Batch(root, tasks, progress)
        batch.look(retry_failed)
        try:
            if batch.open_tasks():
                _work(batch, settings, jobs, executor, address, fit)
            else:
                batch.begin("nothing to do")
        finally:
            progress.end()
            batch.report()
    return BatchSummary(root, tuple(batch.results.values()), time.monotonic() - start)


class _Batch:
    """The tasks and what is known of each; knows nothing of where they run."""

    def __init__(self, root: Path, tasks: Sequence[Task], progress: BatchProgress) -> None:
        self.root, self.tasks, self.progress = root, tasks, progress
        self.results = {
            task.directory: Result(task.name, task.directory, "pending", photos=len(task.photos))
            for task in tasks
        }
        self._reported = time.monotonic()

    def look(self, retry_failed: bool) -> None:
        """Find what earlier runs settled."""

        def known(task: Task) -> Result | None:
            return find_result(task, input_hashes(task.photos), retry_failed)

        with ThreadPoolExecutor(4) as pool:  # hashing frees the GIL
            for result in pool.map(known, self.tasks):
                if result is not None:
                    self.results[result.directory] = result

    def open_tasks(self) -> list[Task]:
        return [t for t in self.tasks if self.results[t.directory].status == "pending"]

    def begin(self, how: str) -> None:
        earlier = [result for result in self.results.values() if result.status != "pending"]
        self.progress.begin(len(self.tasks), earlier, how)

    def settle(self, result: Result) -> None:
        self.results[result.directory] = result
        self.progress.finished(result)
        if time.monotonic() - self._reported > _REPORT_EVERY_S:
            self.report()

    def report(self) -> None:
        """Write the table and the page."""
        results = list(self.results.values())
        files = {
            "summary.csv": summary_csv(results),
            "index.html": index_html(results, self.root),
        }
        for name, data in files.items():
            atomic_write_bytes(self.root / name, data, staging=self.root / STAGING)
        self._reported = time.monotonic()


def _work(
    batch: _Batch, settings: Settings, jobs: int | None, name: str, address: str | None, fit: Fit
) -> None:
    """Run all open tasks; those whose worker died once more, with nothing beside them."""
    executor = _make_executor(
        settings, batch.root, len(batch.open_tasks()), jobs, name, address, fit
    )
    try:
        batch.begin(f"{executor.jobs} at a time, {name}")
        crashes = []
        for outcome in executor.run(batch.open_tasks()):
            if isinstance(outcome, Crash):
                batch.progress.crashed(outcome)
                crashes.append(outcome)
            else:
                batch.settle(outcome)
        for crash in crashes:
            for outcome in executor.run([crash.task]):
                batch.settle(_bury(outcome) if isinstance(outcome, Crash) else outcome)
    finally:
        executor.close()


def _make_executor(
    settings: Settings, root: Path, tasks: int, jobs: int | None, name: str, address: str | None,
    fit: Fit,
) -> Executor:  # fmt: skip
    if name == "ray":
        from fitme.batch.cluster import RayExecutor

        return RayExecutor(jobs, 1, fit, settings=settings, root=root, address=address)
    # The last few subjects, or one alone, get all cores.
    jobs = min(jobs or default_jobs(settings.size, settings.device), tasks)
    return ProcessExecutor(jobs, max(1, usable_cores() // jobs), fit)


def _bury(crash: Crash) -> Result:
    """Record that a subject killed its worker twice."""
    task = crash.task
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("a", encoding="utf-8") as log:
        log.write(f"{crash.reason}\n")
    reason = f"{crash.reason}, twice; see {show_path(task.log)}"
    return write_failure(task, input_hashes(task.photos), "crash", reason, 0.0)


def _check_usage(executor: str, address: str | None, jobs: int | None) -> None:
    if executor not in EXECUTORS:
        raise InputError(f"unknown executor {executor!r}; choose {' or '.join(EXECUTORS)}")
    if address is not None and executor != "ray":
        raise InputError("--address is for --executor ray; give both or none")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: give at least 1")
    if executor == "ray":
        from fitme.batch.cluster import import_ray

        import_ray()


def _task(subject: Subject, root: Path, settings: Settings) -> Task:
    return Task(subject.name, subject.directory, subject.photos, subject.source, root, settings)
