"""Independent pieces of work on several threads, where most of their time is spent in torch, numba,
zlib and other code that lets Python's other threads run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch

from fitme.runtime.device import some_threads

MOST_WORKERS = 4  # there are no more pieces of about the same length; torch has the other threads

_own = threading.local()  # .crew: the crew that this thread works in


@dataclass(frozen=True, eq=False)
class _Task:
    call: Callable[[], Any]
    future: Future[Any]
    group: Sequence[Future[Any]]  # of all calls that were given with it


def side_by_side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls return, in their order. They run on the threads that torch has here, which
    they divide among them: on two cores two calls of one thread each, and one after the other where
    there is one thread. Begin with the longest. Calls may call this again; whoever has nothing left
    to do of its own then helps. Not to be called with a lock in hand that calls may ask for.

    What a call raises is raised here, when no call runs any more; those not begun are left out.
    """
    crew: _Crew | None = getattr(_own, "crew", None)
    if crew is not None:
        return crew.run(calls)
    have = torch.get_num_threads()
    workers = min(have, MOST_WORKERS)
    if workers < 2 or len(calls) < 2:
        return [call() for call in calls]
    return _Crew(workers, have // workers).lead(calls)


class _Crew:
    """Threads that take tasks from one list, each with `threads` of torch's."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers, self.threads = workers, threads
        self.tasks: list[_Task] = []
        self.news = threading.Condition()  # a task was added or done
        self.over = False
        self.grad = torch.is_grad_enabled()  # torch keeps it for each thread

    def lead(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """`run` with helpers, which end with it; the calling thread is one of the crew."""
        helpers = [threading.Thread(target=self._help) for _ in range(self.workers - 1)]
        for helper in helpers:
            helper.start()
        _own.crew = self
        try:
            with some_threads(self.threads):
                return self.run(calls)
        finally:
            _own.crew = None
            with self.news:
                self.over = True
                self.tasks.clear()
                self.news.notify_all()
            for helper in helpers:
                helper.join()

    def run(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """What the calls return; the calling thread works until all are done."""
        futures: list[Future[Any]] = [Future() for _ in calls]
        mine = [_Task(call, own, futures) for call, own in zip(calls, futures, strict=True)]
        with self.news:
            self.tasks = mine + self.tasks
            self.news.notify_all()
        try:
            self._work(lambda: all(future.done() for future in futures))
        except BaseException:  # such as a user's Ctrl-C
            self._leave_out(futures)
            raise
        for future in futures:
            if not future.cancelled() and (failed := future.exception()) is not None:
                raise failed
        return [future.result() for future in futures]

    def _work(self, enough: Callable[[], bool]) -> None:
        """Do tasks, or wait for some, until there is `enough`."""
        while True:
            with self.news:
                self.news.wait_for(lambda: enough() or bool(self.tasks))
                if enough():
                    return
                task = self.tasks.pop(0)
            try:
                task.future.set_result(task.call())
            except BaseException as error:
                task.future.set_exception(error)
                self._leave_out(task.group)
            with self.news:
                self.news.notify_all()

    def _help(self) -> None:
        _own.crew = self
        with some_threads(self.threads), torch.set_grad_enabled(self.grad):
            self._work(lambda: self.over)

    def _leave_out(self, group: Sequence[Future[Any]]) -> None:
        """Calls of a group that were not begun are not made."""
        with self.news:
            for task in [task for task in self.tasks if task.group is group]:
                self.tasks.remove(task)
                task.future.cancel()
