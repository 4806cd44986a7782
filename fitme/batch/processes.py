"""A pool of worker processes that outlives any of them.

Not `concurrent.futures`: there the death of one worker takes all others and what they were doing
with it, and nobody can tell whose subject it was.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait

from fitme.batch.task import Crash, Fit, Result, Task
from fitme.batch.work import prepare_worker, run_subject
from fitme.runtime.processes import die_with_parent, how_it_ended, without_interrupts


class ProcessExecutor:
    """Runs tasks in `jobs` processes of `threads` threads, each of which keeps its models."""

    def __init__(self, jobs: int, threads: int, fit: Fit) -> None:
        self.jobs, self._threads, self._fit = jobs, threads, fit
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def run(self, tasks: Sequence[Task]) -> Iterator[Result | Crash]:
        """Outcomes as they come. A worker that dies costs its own task only, and is replaced."""
        queue = deque(tasks)
        while queue or self._busy:
            while queue and len(self._busy) < self.jobs:
                worker = self._idle.pop() if self._idle else _Worker(self._threads, self._fit)
                self._busy.append(worker)  # first, so that an interrupt finds it
                worker.start(queue.popleft())
            wait([thing for worker in self._busy for thing in (worker.pipe, worker.sentinel)])
            for worker in list(self._busy):
                outcome = worker.outcome()
                if outcome is not None:
                    self._busy.remove(worker)
                    if isinstance(outcome, Result):
                        self._idle.append(worker)
                    yield outcome

    def close(self) -> None:
        """End all workers at once; what they were at is left undone."""
        for worker in (*self._busy, *self._idle):
            worker.kill()
        self._busy, self._idle = [], []


class _Worker:
    """One process, and the task it is at."""

    def __init__(self, threads: int, fit: Fit) -> None:
        # A fresh interpreter: a fork would inherit the threads and locks of torch, if loaded.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, threads, fit), name="fitme-batch", daemon=True
        )
        with without_interrupts():
            self._process.start()
        theirs.close()
        self.sentinel = self._process.sentinel
        self._task: Task | None = None

    def start(self, task: Task) -> None:
        self._task = task
        with contextlib.suppress(OSError):  # died while idle: `outcome` will tell
            self.pipe.send(task)

    def outcome(self) -> Result | Crash | None:
        """The result, if it is there; a crash, if the process is dead; else None."""
        assert self._task is not None
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except (EOFError, OSError):
            pass
        else:
            if self._process.is_alive():
                return None
        self.kill()
        return Crash(self._task, _cause(self._process.exitcode))

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _cause(exitcode: int | None) -> str:
    hint = " (out of memory? try fewer --jobs)" if exitcode == -signal.SIGKILL else ""
    return f"the worker {how_it_ended(exitcode)}{hint}"


def _serve(pipe: Connection, threads: int, fit: Fit) -> None:
    """The worker: tasks in, results out, until the pipe closes or the parent dies."""
    die_with_parent()
    prepare_worker(threads)
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(run_subject(pipe.recv(), fit))
