"""Subjects as tasks of a Ray cluster (`pip install "fitme[ray]"`), on one file system.

A Ray worker process lives on between tasks, so the models stay loaded in it as in ours. A task
whose worker or node dies is given to another one by Ray; what it had finished is found by its
manifest and not done again.
"""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fitme.batch.task import STATE_DIR, Crash, Fit, Result, Settings, Task
from fitme.batch.work import prepare_worker, run_subject
from fitme.runtime.errors import FitmeError, InputError, show_path
from fitme.runtime.resources import has_gpu

RETRIES = 1  # by Ray, on another worker, before the batch tries it alone
_CONNECT_S, _PROBE_S, _CANCEL_S = 10.0, 120.0, 10.0


class RayExecutor:
    """Runs tasks on the cluster at `address`, or on one that is started here for this run."""

    def __init__(
        self, jobs: int | None, threads: int, fit: Fit, *, settings: Settings, root: Path,
        address: str | None,
    ) -> None:  # fmt: skip
        self._ray = ray = import_ray()
        self._waiting: dict[Any, Task] = {}
        self._started = not ray.is_initialized()
        if self._started:
            _connect(ray, address, None if jobs is None else jobs * threads)
        try:
            total = ray.cluster_resources()
            gpus = 1 if settings.device == "cuda" else 0
            if settings.device == "auto" and total.get("GPU", 0) >= 1:
                gpus = 1
            if gpus and not total.get("GPU") and not has_gpu():
                raise InputError("--device cuda: the Ray cluster has no GPU; use --device cpu")
            slots = int(total.get("GPU", 1)) if gpus else int(total.get("CPU", 1)) // threads
            self.jobs = max(1, slots if jobs is None else jobs)
            self._remote = ray.remote(max_retries=RETRIES, num_cpus=threads, num_gpus=gpus)(
                _remote_subject
            )
            self._threads, self._fit = threads, fit
            _check_nodes(ray, root)
        except BaseException:
            self.close()
            raise

    def run(self, tasks: Sequence[Task]) -> Iterator[Result | Crash]:
        """Outcomes as they come."""
        ray, queue = self._ray, deque(tasks)
        while queue or self._waiting:
            while queue and len(self._waiting) < self.jobs:
                task = queue.popleft()
                self._waiting[self._remote.remote(task, self._threads, self._fit)] = task
            # Not for ever at once, so that an interrupt gets through.
            ready, _ = ray.wait(list(self._waiting), num_returns=1, timeout=1.0)
            for reference in ready:
                task = self._waiting.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError as error:
                    first = next((x for x in str(error).splitlines() if x.strip()), "")
                    yield Crash(task, f"Ray lost its worker ({type(error).__name__}: {first})")

    def close(self) -> None:
        """Cancel what is running and leave the cluster."""
        with contextlib.suppress(Exception):
            for reference in self._waiting:
                self._ray.cancel(reference, force=True)
            if self._waiting:  # until they are dead, so that nobody writes any more
                waiting = list(self._waiting)
                self._ray.wait(waiting, num_returns=len(waiting), timeout=_CANCEL_S)
        self._waiting = {}
        if self._started:
            self._ray.shutdown()


def import_ray() -> Any:
    """The module. Raises InputError where it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise InputError(
            '--executor ray needs Ray: pip install "fitme[ray]" (here and on every node)'
        ) from error
    return ray


def _check_address(address: str) -> None:
    """Raise InputError where nobody listens: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address in ("auto", "local") or not (colon and port.isdigit()):
        return  # Ray knows at once
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--address {address}: no Ray cluster answers there ({error}); check it with"
            " `ray status`"
        ) from error


def _connect(ray: Any, address: str | None, cpus: int | None) -> None:
    if address is not None:
        _check_address(address)
    try:
        if address is None:
            ray.init(
                num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="error"
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = next((x for x in str(error).splitlines() if x.strip()), type(error).__name__)
        raise InputError(
            f"--address {address}: no Ray cluster answers there ({first}); check it with"
            " `ray status`"
        ) from error


def _remote_subject(task: Task, threads: int, fit: Fit) -> Result:
    prepare_worker(threads)
    return run_subject(task, fit)


def _probe(token: Path, words: str) -> str:
    """On a node: what it reads in the driver's file, and which fitme it has."""
    from fitme.batch.task import Settings

    try:
        text = token.read_text()
    except OSError as error:
        return f"cannot read {token} ({error.strerror})"
    if text != words:
        return f"reads something else in {token}"
    return f"fitme {Settings().identity()['fitme']}"


def _check_nodes(ray: Any, root: Path) -> None:
    """Every node must see the output folder and have this fitme. Raises FitmeError naming it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    words = uuid.uuid4().hex
    token = root / STATE_DIR / f"probe-{words}"
    token.write_text(words)
    wanted = f"fitme {Settings().identity()['fitme']}"
    probe = ray.remote(num_cpus=0, max_retries=0)(_probe)
    asked = {}
    try:
        for node in ray.nodes():
            if node["Alive"]:
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                answer = probe.options(scheduling_strategy=place).remote(token, words)
                asked[answer] = node["NodeManagerHostname"]
        for answer, name in asked.items():
            try:
                said = ray.get(answer, timeout=_PROBE_S)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None) or error
                said = f"fails ({type(cause).__name__}: {' '.join(str(cause).split())[-200:]})"
            if said != wanted:
                raise FitmeError(
                    f"Ray node {name} {said}, wanted {wanted}; every node needs this version and"
                    f" {show_path(root)} on a shared file system under the same path"
                )
    finally:
        token.unlink(missing_ok=True)
