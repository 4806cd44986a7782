"""The process that fits: it keeps its models, and its death is a message."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection

from fitme.runtime.errors import FitmeError
from fitme.runtime.processes import die_with_parent, how_it_ended, without_interrupts
from fitme.studio.order import Fitter, Message, Order
from fitme.studio.reporter import Reporter


class WorkerDied(Exception):
    """The process is gone; the message says how it ended."""


class Worker:
    """One process. A dead one is replaced by a new `Worker`."""

    def __init__(self, fitter: Fitter) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, fitter), name="fitme-studio", daemon=True
        )
        with without_interrupts():
            self._process.start()
        theirs.close()

    def run(self, order: Order) -> Iterator[Message]:
        """The messages of a fit; the last is "done" or "failed". Raises WorkerDied."""
        try:
            self._pipe.send(order)
            while True:
                message: Message = self._pipe.recv()
                yield message
                if message[0] in ("done", "failed"):
                    return
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            hint = (
                " (out of memory? try smaller or fewer photos)" if code == -signal.SIGKILL else ""
            )
            raise WorkerDied(f"the fit's process {how_it_ended(code)}{hint}") from None

    def kill(self) -> None:
        """End it at once, from any thread; what it was at is left undone."""
        self._process.kill()


def _serve(pipe: Connection, fitter: Fitter) -> None:
    """The worker: orders in, messages out, until the pipe closes or the parent dies."""
    die_with_parent()
    with contextlib.suppress(Exception):  # the first fit will say what is wrong
        fitter.get_ready()
    with contextlib.suppress(EOFError, OSError):
        while True:
            order: Order = pipe.recv()
            pipe.send(_do(fitter, order, Reporter(pipe.send)))


def _do(fitter: Fitter, order: Order, reporter: Reporter) -> Message:
    try:
        fitter.fit(order, reporter)
    except FitmeError as error:
        return "failed", " ".join(str(error).split())
    except Exception as error:
        traceback.print_exc()
        return "failed", f"this is a bug in fitme ({type(error).__name__}: {error})"
    return "done", None
