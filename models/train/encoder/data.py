"""Synthetic photos as training examples: cut out anew, recoloured, with their truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from fitme.models.encoder.starts import FACE_MIDDLE, StartLayout
from fitme.models.train.photos.pictures import unpacked, unpacked_gray
from fitme.models.train.photos.sample import read_packed
from fitme.render.camera import rotation_towards
from fitme.render.light import sh_rotation

KEPT = 0.80  # of a synthetic photo's side that a crop shows
ZOOM, TURN, SHIFT = 0.10, 12.0, 0.05  # spreads: log scale, degrees, share of the crop's side
BLACK = 0.4  # share of crops with black beyond the edge
TONE_FLOOR = 0.01  # of linear albedo


@dataclass(frozen=True)
class Examples:
    """B crops of S pixels with their truth; places are shares of the side from the middle."""

    crops: Tensor  # [B,3,S,S] sRGB in 0..1
    labels: Tensor  # [B,S/2,S/2] int64
    points: Tensor  # [B,N,2]
    visible: Tensor  # [B,N] bool
    starts: Tensor  # [B,M] in the network's units
    known: Tensor  # [B,M] bool, which of `starts` are known


class PhotoSet:
    """All photos of some shards, packed in memory."""

    def __init__(self, shards: Sequence[Path], layout: StartLayout) -> None:
        if not shards:
            raise ValueError("no shards of synthetic photos")
        self.layout, self.shards = layout, list(shards)
        packs = [read_packed(path) for path in shards]
        self.photos = [picture for pack in packs for picture in pack["photo"]]
        self.labels = [picture for pack in packs for picture in pack["labels"]]
        numbers = [name for name in packs[0] if name not in ("photo", "labels")]
        self.arrays = {name: np.concatenate([pack[name] for pack in packs]) for name in numbers}

    def extended(self, shards: Sequence[Path]) -> PhotoSet:
        """With shards that came since."""
        fresh = [path for path in shards if path not in self.shards]
        if not fresh:
            return self
        more = PhotoSet(fresh, self.layout)
        more.shards = self.shards + more.shards
        more.photos, more.labels = self.photos + more.photos, self.labels + more.labels
        more.arrays = {k: np.concatenate([v, more.arrays[k]]) for k, v in self.arrays.items()}
        return more

    def __len__(self) -> int:
        return len(self.photos)

    def example(self, index: int, rng: np.random.Generator | None, size: int) -> tuple:
        """One crop: random if there is an rng, else the middle."""
        photo = unpacked(self.photos[index])
        labels = unpacked_gray(self.labels[index])
        side = photo.shape[0]
        matrix = cut_matrix(side, size, KEPT) if rng is None else random_cut(rng, side, size)
        # Beyond the edge of a photo crops are black.
        black = rng is not None and rng.random() < BLACK
        border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REFLECT_101
        inside = cv2.warpAffine(photo, matrix, (size, size), borderMode=border)
        half = 0.5 * matrix
        half[:, 2] -= 0.25  # first pixels' centres lie at 0.5 of either size
        small = cv2.warpAffine(
            labels, half, (size // 2, size // 2), flags=cv2.INTER_NEAREST, borderMode=border
        )
        corner = self.arrays["points"][index] - 0.5  # cv2 counts from the first pixel's centre
        placed = (corner @ matrix[:, :2].T + matrix[:, 2] + 0.5) / size - 0.5
        starts, known = self._starts(index, matrix, size)
        visible = self.arrays["visible"][index]
        return inside, small, placed.astype(np.float32), visible, starts, known

    def _starts(self, index: int, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Start values of a crop in the network's units, and which are known."""
        a = {name: values[index].astype(np.float64) for name, values in self.arrays.items()}
        zoom = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
        roll = math.atan2(matrix[1, 0], matrix[0, 0])
        turn = np.array([
            [math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1],
        ])  # fmt: skip
        pose = turn @ a["pose"][:3, :3]
        middle = turn @ (a["pose"][:3, :3] @ np.array(FACE_MIDDLE) + a["pose"][:3, 3])
        towards = rotation_towards(torch.from_numpy(middle)).numpy()
        pose = towards.T @ pose
        lamp = a["lamp"][:3] * a["lamp"][3:].mean()
        code = a["code"][: self.layout.code]
        values = {
            "identity": a["identity"], "expression": a["expression"], "gaze": a["gaze"],
            "rotation": pose[:2].reshape(-1),
            "focal": [math.log(a["K"][0, 0] * zoom / size)],
            "distance": [math.log(np.linalg.norm(middle))],
            "sh": _turned_harmonics(a["sh"], pose).reshape(-1),
            "lamp": pose @ lamp,
            "tone": np.log(a["tone"].clip(TONE_FLOOR)),
            "code": code,
        }  # fmt: skip
        joined = np.concatenate([np.asarray(values[name]) for name, _, _ in self.layout.entries])
        known = np.isfinite(joined)
        scaled = np.where(known, joined, 0.0) / self.layout.scale().numpy()
        return scaled.astype(np.float32), known


def _turned_harmonics(sh: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turn = torch.from_numpy(rotation)[None].float()
    return (sh_rotation(turn)[0] @ torch.from_numpy(sh).float()).numpy()


def cut_matrix(
    side: int, size: int, kept: float, zoom: float = 1.0, turn: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:  # fmt: skip
    """[2,3] from pixel centres of a photo to those of a crop that shows the share `kept` of it,
    enlarged, turned by degrees and shifted by shares of its side."""
    scale, middle = zoom * size / (kept * side), (side - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), turn, scale)
    moved = np.array(shift) * size + ((size - 1) / 2 - middle)
    return np.concatenate([matrix[:, :2], matrix[:, 2:] + moved[:, None]], 1)


def random_cut(rng: np.random.Generator, side: int, size: int, kept: float = KEPT) -> np.ndarray:
    """A random one."""
    zoom, turn = math.exp(rng.normal(0, ZOOM)), float(rng.normal(0, TURN))
    x, y = rng.normal(0, SHIFT, 2)
    return cut_matrix(side, size, kept, zoom, turn, (float(x), float(y)))


def batches(
    photos: PhotoSet, size: int, batch: int, rng: np.random.Generator
) -> Iterator[Examples]:
    """Random batches without end, each photo once per round."""
    while True:
        order = rng.permutation(len(photos))
        for start in range(0, len(order) - batch + 1, batch):
            picked = [photos.example(int(k), rng, size) for k in order[start : start + batch]]
            yield recolored(stacked(picked), rng)


def stacked(examples: Sequence[tuple]) -> Examples:
    """Examples of one size as one batch."""
    crops, labels, points, visible, starts, known = zip(*examples, strict=True)
    pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    return Examples(
        pixels.contiguous(memory_format=torch.channels_last),
        torch.from_numpy(np.stack(labels)).long(),
        torch.from_numpy(np.stack(points)),
        torch.from_numpy(np.stack(visible)),
        torch.from_numpy(np.stack(starts)),
        torch.from_numpy(np.stack(known)),
    )


def recolored(examples: Examples, rng: np.random.Generator) -> Examples:
    """The same in other colours."""
    return replace(examples, crops=recolored_pixels(examples.crops, rng))


def recolored_pixels(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Crops [B,3,S,S] with other exposures, contrasts, white balances; some gray."""
    shape = (len(x), 1, 1, 1)

    def draw(spread: float, *channels: int) -> Tensor:
        values = rng.normal(0, spread, (len(x), *(channels or (1,)), 1, 1))
        return torch.from_numpy(values).float()

    x = x.clamp_min(1e-3) ** draw(0.18).exp() * draw(0.08).exp() * draw(0.05, 3).exp()
    gray = x.mean(1, keepdim=True)
    strength = torch.from_numpy(rng.uniform(0.6, 1.3, shape)).float()
    strength[torch.from_numpy(rng.random(shape) < 0.06)] = 0.0
    x = gray + (x - gray) * strength
    x = (x - 0.5) * draw(0.12).exp() + 0.5 + draw(0.03)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
    x = x + 0.02 * torch.from_numpy(rng.gamma(1.0, 1.0, shape)).float() * noise
    return x.clamp(0, 1).contiguous(memory_format=torch.channels_last)
