"""What a run leaves for its report: seconds per stage, losses, masks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fitme.fit.descent import History
from fitme.runtime.memory import ENOUGH_MIB, release_free_blocks


@dataclass
class RunLog:
    """Filled as the run goes on."""

    seconds: dict[str, float] = field(default_factory=dict)  # per stage, in their order
    history: dict[str, History] = field(default_factory=dict)  # losses per stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, which finds no memory kept by what came before."""
        release_free_blocks(ENOUGH_MIB)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)

    def finish(self) -> None:
        """Add up the stages."""
        self.seconds["total"] = round(sum(self.seconds.values()), 3)

    def last_losses(self) -> dict[str, float]:
        """Each loss at the end of its stage, by "stage/name"."""
        return {
            f"{stage}/{name}": values[-1]
            for stage, losses in self.history.items()
            for name, values in losses.items()
        }
