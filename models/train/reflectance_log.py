"""The loss log of a training run: JSON lines in a file, readable lines for the terminal."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from fitme.runtime.files import atomic_write_bytes


class LossLog:
    """Appends one JSON object a line: step, images, seconds, stage, seconds_per_image, losses."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self,
        stage: str,
        where: dict[str, float],
        pending: list[dict[str, Tensor]],
        seconds: float,
        images: int,
        end: int,
    ) -> str:
        """Write the means of `pending`, the losses of the steps since the last line.

        `where` is written as it is and has "step"; `seconds` and `images` are those of the
        pending steps, `end` the last step of the stage. Returns the line for the terminal, with
        the time left in the stage. Raises FloatingPointError where a loss is not finite.
        """
        names = dict.fromkeys(name for entry in pending for name in entry)
        means = {
            name: float(torch.stack([entry[name] for entry in pending if name in entry]).mean())
            for name in names
        }
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise FloatingPointError(
                f"{', '.join(bad)} not finite near step {where['step']}; --resume from the last"
                " checkpoint, with another --dtype or a lower rate"
            )
        entry = {**where, "stage": stage, "seconds_per_image": seconds / images, **means}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        left = int((end - where["step"]) * seconds / len(pending))
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        shown = " ".join(f"{name}={value:.4g}" for name, value in means.items())
        return (
            f"{stage}: step {where['step']} of {end}, {seconds / images:.3f} s/image, "
            f"{clock} left | {shown}"
        )

    def cut(self, step: int) -> None:
        """Drop the lines of later steps, which a kill has undone."""
        if self.path.exists():
            lines = self.path.read_text("utf-8").splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            atomic_write_bytes(self.path, "".join(kept).encode())
