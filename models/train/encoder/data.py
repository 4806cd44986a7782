"""Synthetic photos as training examples: cut out anew, recoloured, with their truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitme.models.encoder.starts import StartLayout
from fitme.models.train.encoder.cuts import (
    Cuts,
    cut_labels,
    cut_pixels,
    middle_cuts,
    moved,
    random_cuts,
)
from fitme.models.train.encoder.recolor import recolored
from fitme.models.train.encoder.truth import USED, Mirror, start_values
from fitme.models.train.photos.pictures import unpacked, unpacked_gray
from fitme.models.train.photos.sample import read_packed

KEPT = 0.80  # of a synthetic photo's side that a crop shows


@dataclass(frozen=True)
class Examples:
    """B crops of S pixels with their truth; places are shares of the side from the middle."""

    crops: Tensor  # [B,3,S,S] sRGB in 0..1
    labels: Tensor  # [B,S/2,S/2] int64
    points: Tensor  # [B,N,2]
    starts: Tensor  # [B,M] in the network's units
    known: Tensor  # [B,M] bool, which of `starts` are known


@dataclass(frozen=True)
class Flips:
    """What mirroring a photo does to its truth."""

    points: Tensor  # [N] int64, each point's mirror image
    person: Mirror

    def to(self, device: torch.device) -> Flips:
        return Flips(self.points.to(device), self.person.to(device))


class PhotoSet:
    """All photos of some shards, unpacked on a device: 0.4 MB each."""

    def __init__(
        self, shards: Sequence[Path], layout: StartLayout, flips: Flips,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        if not shards:
            raise ValueError("no shards of synthetic photos")
        self.layout, self.shards = layout, list(shards)
        self.device = torch.device(device)
        self.flips = flips.to(self.device)
        with ThreadPoolExecutor(2) as pool:  # cv2 lets go of the interpreter
            packs = list(pool.map(_unpacked_shard, shards))
        self.tensors = {
            name: torch.cat([pack[name] for pack in packs]).to(self.device) for name in packs[0]
        }

    def extended(self, more: PhotoSet) -> PhotoSet:
        """With those of other shards."""
        joined = object.__new__(PhotoSet)
        joined.layout, joined.device, joined.flips = self.layout, self.device, self.flips
        joined.shards = self.shards + more.shards
        joined.tensors = {k: torch.cat([v, more.tensors[k]]) for k, v in self.tensors.items()}
        return joined

    def __len__(self) -> int:
        return len(self.tensors["photo"])

    @property
    def side(self) -> int:
        """Pixels of a photo."""
        return int(self.tensors["photo"].shape[-1])

    def middles(self, index: Tensor, size: int) -> Examples:
        """The middle of each photo, as it is."""
        return self._cut(index, middle_cuts(len(index), KEPT), size)

    def cut(self, index: Tensor, size: int, draws: torch.Generator) -> Examples:
        """Photos cut at random, in their own colours; `draws` is a generator of the CPU."""
        return self._cut(index, random_cuts(len(index), KEPT, draws), size)

    def examples(self, index: Tensor, size: int, draws: torch.Generator) -> Examples:
        """Photos cut at random and recoloured."""
        plain = self.cut(index, size, draws)
        return Examples(**{**vars(plain), "crops": recolored(plain.crops, draws)})

    def _cut(self, index: Tensor, cuts: Cuts, size: int) -> Examples:
        index, cuts = index.to(self.device), cuts.to(self.device)
        picked = {name: values[index] for name, values in self.tensors.items()}
        points = picked["points"] / self.side - 0.5
        points = torch.where(cuts.mirrored[:, None, None], points[:, self.flips.points], points)
        starts, known = start_values(picked, cuts, self.side, self.layout, self.flips.person)
        return Examples(
            cut_pixels(picked["photo"], cuts, size),
            cut_labels(picked["labels"], cuts, size // 2),
            moved(cuts.matrix, points), starts, known,
        )  # fmt: skip


def _unpacked_shard(path: Path) -> dict[str, Tensor]:
    pack = read_packed(path)
    photos = np.stack([unpacked(picture) for picture in pack["photo"]])
    tensors = {name: torch.from_numpy(pack[name]).float() for name in (*USED, "points")}
    tensors["photo"] = torch.from_numpy(photos.transpose(0, 3, 1, 2).copy())
    tensors["labels"] = torch.from_numpy(np.stack([unpacked_gray(x) for x in pack["labels"]]))
    return tensors


def batches(photos: PhotoSet, size: int, batch: int, draws: torch.Generator) -> Iterator[Examples]:
    """Random batches without end, each photo once per round."""
    while True:
        order = torch.randperm(len(photos), generator=draws)
        for index in order.split(batch):
            if len(index) == batch or len(photos) < batch:
                yield photos.examples(index, size, draws)
