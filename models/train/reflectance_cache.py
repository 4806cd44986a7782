"""Draws kept on disk and drawn again: on few cores a draw costs more than a training step.

A run's cache is a cheap copy of what its seed says: entries are made in groups, each from a seed
of its own and when one of it is first asked for, so a run that finds a full, half or empty cache
trains on the same pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitme.models.stylegan2 import mirror_signal
from fitme.models.stylegan2.filters import shrink
from fitme.models.train.reflectance_data import DataSource, named_seed


class DrawCache:
    """`count` draws of `source` at `resolution`, as signals in half precision.

    Files in `folder`: signals [count,6,R,R], parameters [count,P], a byte per entry that says
    whether it is there. Entries are marked after they were written: a kill loses at most one group.
    """

    def __init__(
        self, source: DataSource, folder: Path, resolution: int, count: int, seed: int
    ) -> None:
        self.source, self.resolution, self.count, self.seed = source, resolution, count, seed
        self.group = max(1, 2048 // resolution)  # a draw costs half as much in company
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{resolution}-{count}-{seed}"
        shapes = {
            "signals": (np.float16, (count, 6, resolution, resolution)),
            "parameters": (np.float32, (count, source.parameter_count)),
            "done": (np.uint8, (count,)),
        }
        opened = {n: _open(folder / f"{name}.{n}.npy", *about) for n, about in shapes.items()}
        self.signals, self.parameters, self.done = (opened[n][0] for n in shapes)
        if any(made for _, made in opened.values()):
            self.done[:] = 0  # a mark is worth nothing where another file was lost

    def fill(self, indices: list[int]) -> None:
        """Make the groups in which entries are missing."""
        for group in sorted({index // self.group for index in indices}):
            entries = slice(group * self.group, min((group + 1) * self.group, self.count))
            if self.done[entries].all():
                continue
            seed = named_seed(f"{self.seed}/cache/{self.resolution}/{group}")
            generator = torch.Generator().manual_seed(seed)
            size = entries.stop - entries.start
            parameters, maps = self.source.draw(size, self.resolution, generator)
            self.signals[entries] = maps.to_signal().half().cpu().numpy()
            self.parameters[entries] = parameters.cpu().numpy()
            self.done[entries] = 1

    def get(self, indices: list[int], resolution: int) -> tuple[Tensor, Tensor]:
        """(parameters [B,P], signals [B,6,R,R]) of the entries."""
        self.fill(indices)
        signal = shrink(torch.from_numpy(self.signals[indices]).float(), resolution)
        return torch.from_numpy(self.parameters[indices]), signal

    def draw(
        self, batch: int, resolution: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """(parameters [B,P], signals [B,6,R,R]) of random entries, each mirrored or not."""
        indices = torch.randint(self.count, (batch,), generator=generator).tolist()
        mirrored = torch.rand(batch, generator=generator) < 0.5
        parameters, signal = self.get(indices, resolution)
        turned = mirror_signal(signal)
        signal = torch.where(mirrored[:, None, None, None], turned, signal)
        parameters = torch.where(
            mirrored[:, None], self.source.mirror_parameters(parameters), parameters
        )
        return parameters, signal


def _open(path: Path, dtype: type, shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    """The array in a file, and whether it had to be made: missing, damaged or another's."""
    try:
        found = np.lib.format.open_memmap(path, "r")
        if found.shape == shape and found.dtype == dtype:
            return np.lib.format.open_memmap(path, "r+"), False
    except (OSError, ValueError):
        pass
    return np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape), True
