"""Steps of a descent on a GPU: nothing in them makes the host wait.

A step launches two to four thousand small kernels, and to launch them takes longer than to run
them. Steps that do the same may therefore be recorded once and replayed as a whole (CUDA graphs).
What changes from step to step, rates and the row of the history, is looked up in tables on the
device by a counter that lies there too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

Losses = dict[str, Tensor]

WARM = 3  # steps that are run before they are recorded, so that all is compiled and kept
WORTH = 6  # steps that are left: fewer are not worth a recording


class GpuSteps:
    """Adam on groups of unknowns with their rates [S,G] of each of S steps; see `descend`."""

    def __init__(
        self, groups: Sequence[Sequence[Tensor]], rates: Sequence[Sequence[float]],
        betas: tuple[float, float], evaluate: Callable[[int], Losses],
        changes: Collection[int] | None, besides: Collection[int] = (),
    ) -> None:  # fmt: skip
        """`changes` are the steps from which on others are done, which ends a recording; None: no
        step is to be recorded. `besides` are those that do more than others, but leave behind no
        other tensors than were there, only other values."""
        self.unknowns = [tensor for group in groups for tensor in group]
        device = self.unknowns[0].device
        self.steps, self.evaluate = len(rates), evaluate
        self.rates = torch.tensor(rates, dtype=torch.float32, device=device)
        record = changes is not None and device.type == "cuda" and torch.cuda.is_available()
        own = [self.rates[0, index].clone() for index in range(len(groups))]
        self.optimizer = torch.optim.Adam(
            [{"params": list(group), "lr": rate} for group, rate in zip(groups, own, strict=True)],
            betas=betas, fused=True, capturable=record,
        )  # fmt: skip
        # that steps before a recording run without one is meant so
        self.optimizer._warned_capturable_if_run_uncaptured = True  # type: ignore[attr-defined]
        self.row = torch.zeros(1, dtype=torch.int64, device=device)
        self.names: list[str] = []
        self.found: Tensor | None = None  # [S,L] losses
        self.device = device
        self.changes = set(changes or ()) if record else None
        self.besides = set(besides)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._warm = 0

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Where all steps run: a recording must not be on the device's own stream. Convolutions
        have gradients whose bits are the same each time."""
        before = torch.backends.cudnn.deterministic
        torch.backends.cudnn.deterministic = True
        try:
            if self.changes is None:
                yield
                return
            side, own = torch.cuda.Stream(self.device), torch.cuda.current_stream(self.device)
            side.wait_stream(own)
            with torch.cuda.stream(side):
                yield
            own.wait_stream(side)
        finally:
            torch.backends.cudnn.deterministic = before
            self._graph = None

    def run(self, step: int) -> None:
        """One step."""
        if self.changes is None:
            self._step(step)
        elif step in self.changes:
            self._graph, self._warm = None, 0
            self._step(step)
        elif step in self.besides:
            self._step(step)
        elif self._graph is not None:
            self._graph.replay()
        elif self._warm < WARM or self._left(step) < WORTH:
            self._warm += 1
            self._step(step)
        elif self._record(step):
            assert self._graph is not None
            self._graph.replay()
        else:
            self._step(step)

    def _record(self, step: int) -> bool:
        """Record a step, which does not run it; False, and never again, where that fails."""
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(self.device)):
                self._step(step)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            warnings.warn(f"steps of the fit are not recorded: {reason}", stacklevel=2)
            self.changes = None
            return False
        self._graph = graph
        return True

    def _left(self, step: int) -> int:
        """Steps from this one that do the same."""
        assert self.changes is not None
        return min([after for after in self.changes if after > step] + [self.steps]) - step

    def _step(self, step: int) -> None:
        losses = self.evaluate(step)
        each = torch.stack(list(losses.values()))
        if self.found is None:
            self.names = list(losses)
            self.found = each.new_zeros(self.steps, len(losses))
        rates = self.rates.index_select(0, self.row)[0].unbind()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"].copy_(rate)
        self.optimizer.zero_grad(set_to_none=True)
        each.sum().backward()
        self.optimizer.step()
        self.found.index_copy_(0, self.row, each.detach()[None])
        self.row += 1

    def history(self) -> dict[str, list[float]]:
        """Each loss of each step, brought from the device at once."""
        if self.found is None:
            return {}
        return dict(zip(self.names, self.found.T.tolist(), strict=True))

    def loss(self, step: int) -> float:
        """The sum of a step's losses; the host waits for it."""
        return float(self.found[step].sum()) if self.found is not None else 0.0
