"""The queue of the page: one fit at a time, the others wait."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from fitme.runtime.errors import InputError
from fitme.runtime.temporaries import remove_abandoned
from fitme.studio.job import CANCELLED, DONE, FAILED, RUNNING, WAITING, Job
from fitme.studio.order import Fitter, Message, Order
from fitme.studio.worker import Worker, WorkerDied

MOST_WAITING = 8
KEPT = 20  # jobs that are over and still told of


class Line:
    """Jobs and the worker that does them. All methods may be called from any thread."""

    def __init__(self, fitter: Fitter, unmade: Callable[[Order], None]) -> None:
        """`unmade` is called with an order that failed or was cancelled, once nobody works on it
        any more."""
        self.version = 0  # counts changes
        self._fitter, self._unmade = fitter, unmade
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._closed = False
        self._worker: Worker | None = Worker(fitter)  # at once: its first start takes seconds
        self._thread = threading.Thread(target=self._work, name="fitme-studio-line", daemon=True)
        self._thread.start()

    def submit(self, title: str, order: Order) -> int:
        """Put an order at the end; its number. Raises InputError where too many wait."""
        with self._changed:
            if len(self._waiting()) >= MOST_WAITING:
                raise InputError(f"{MOST_WAITING} fits wait already; let one of them end first")
            job = Job(next(self._numbers), title, order)
            self._jobs[job.number] = job
            self._tell()
            return job.number

    def cancel(self, number: int) -> bool:
        """End a job that waits or runs; False where there is none of this number."""
        with self._changed:
            job = self._jobs.get(number)
            if job is None or job.over:
                return False
            running = job.status == RUNNING
            job.end(CANCELLED)
            if running and self._worker is not None:
                self._worker.kill()
            self._tell()
        if not running:
            self._unmade(job.order)
        return True

    def forget(self, number: int) -> None:
        """Tell no more of a job that is over."""
        with self._changed:
            if number in self._jobs and self._jobs[number].over:
                del self._jobs[number]
                self._tell()

    def state(self) -> list[dict[str, Any]]:
        """All jobs as the page gets them, in the order of their numbers."""
        with self._changed:
            waiting = [job.number for job in self._waiting()]
            return [
                job.to_dict(waiting.index(n) + 1 if n in waiting else 0)
                for n, job in self._jobs.items()
            ]

    def picture(self, number: int) -> bytes | None:
        """The last picture of a job, JPEG."""
        with self._changed:
            job = self._jobs.get(number)
            return None if job is None else job.picture

    def taken(self) -> set[str]:
        """Names of the directories that jobs which are not over will write."""
        with self._changed:
            return {job.order.out.name for job in self._jobs.values() if not job.over}

    def close(self) -> None:
        """End the worker and what it is at."""
        with self._changed:
            self._closed = True
            if self._worker is not None:
                self._worker.kill()
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _waiting(self) -> Sequence[Job]:
        return [job for job in self._jobs.values() if job.status == WAITING]

    def _tell(self) -> None:
        self.version += 1
        over = [number for number, job in self._jobs.items() if job.over]
        for number in over[:-KEPT]:
            del self._jobs[number]
        self._changed.notify_all()

    def _work(self) -> None:
        """The thread: job after job."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting())
                if self._closed:
                    return
                job = self._waiting()[0]
                job.begin()
                self._worker = self._worker or Worker(self._fitter)
                worker = self._worker
                self._tell()
            try:
                for message in worker.run(job.order):
                    self._take(job, message)
            except WorkerDied as death:
                self._bury(job, str(death))

    def _take(self, job: Job, message: Message) -> None:
        kind, value = message
        with self._changed:
            if job.over:  # cancelled; its worker is about to die
                return
            if kind == "done":
                job.end(DONE)
            elif kind == "failed":
                job.end(FAILED, value)
            else:
                job.take(message)
            self._tell()
        if kind == "failed":
            self._unmade(job.order)

    def _bury(self, job: Job, reason: str) -> None:
        """The worker died under a job: cancelled, or by itself."""
        out = job.order.out
        remove_abandoned(out.parent, out.name)  # what it had written
        self._unmade(job.order)
        with self._changed:
            self._worker = None if self._closed else Worker(self._fitter)
            if not job.over:
                job.end(FAILED, reason)
            self._tell()
