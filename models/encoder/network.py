"""One small convolutional backbone with three heads.

Labels of pixels at half the crop's resolution, as U-Nets make them (Ronneberger et al. 2015);
dense landmarks with an uncertainty each, first from the whole picture, then moved by what is seen
around them; and start values of a fit, from where the landmarks are and their colours. Residual
blocks as in He et al. 2016. Sizes are chosen for two CPU cores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

AROUND = 3  # a landmark's surroundings are looked up on a grid of 3 x 3 places
STEP = 1.5 / 64  # of the crop, between these places
COLOR_PIXELS = 64  # along the side of a crop in which the colours of landmarks are looked up
SURENESS = (-4.0, 3.0)  # log deviations of start values


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder; kept beside its weights."""

    labels: int  # classes of pixels
    points: int  # dense landmarks
    starts: int  # numbers that start a fit
    size: int = 256  # pixels along each side of a crop
    channels: tuple[int, ...] = (24, 64, 120, 184, 256)  # at 1/2, 1/4, 1/8, 1/16, 1/32
    squeezed: int = 24  # channels of the coarsest map, place by place, for the landmarks
    narrow: int = 160  # numbers that all landmarks are first told by
    hidden: int = 96  # of what moves a landmark
    embedding: int = 24  # numbers that say which landmark it is
    rounds: int = 2  # of moving
    told: int = 200  # of what tells start values

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Encoded:
    """What the network says of B crops. Places are shares of the crop's side from its middle."""

    labels: Tensor  # [B,C,S/2,S/2] logits
    points: Tensor  # [B,N,2] places
    spread: Tensor  # [B,N] log standard deviation of `points`, per axis
    rounds: tuple[Tensor, ...]  # [B,N,2] places before each round of moving
    starts: Tensor  # [B,M]
    starts_spread: Tensor  # [B,M] log standard deviation


class Residual(nn.Module):
    """Two 3x3 convolutions beside a short cut."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.short: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.short = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.short(x) + self.second_norm(self.second(inner)))


class Encoder(nn.Module):
    """Crops [B,3,S,S] of sRGB in 0..1 -> `Encoded`; S a multiple of 32, best the nominal size."""

    mean_points: Tensor  # [N,2] of the training photos

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth, sixteenth, last = config.channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, half, 3, 2, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU()
        )
        self.quarter = nn.Sequential(
            nn.Conv2d(half, quarter, 3, 2, 1, bias=False), nn.BatchNorm2d(quarter), nn.ReLU(),
            Residual(quarter, quarter),
        )  # fmt: skip
        self.eighth = nn.Sequential(Residual(quarter, eighth, 2), Residual(eighth, eighth))
        self.sixteenth = nn.Sequential(
            Residual(eighth, sixteenth, 2), Residual(sixteenth, sixteenth)
        )
        self.last = nn.Sequential(Residual(sixteenth, last, 2), Residual(last, last))
        self.join = nn.ModuleList([
            nn.Conv2d(last, sixteenth, 1), nn.Conv2d(sixteenth, eighth, 1),
            nn.Conv2d(eighth, quarter, 1),
        ])  # fmt: skip
        self.merge = nn.ModuleList([
            _merged(sixteenth), _merged(eighth), _merged(quarter)
        ])  # fmt: skip
        self.labels = nn.Conv2d(quarter, 4 * config.labels, 3, 1, 1)
        self.labels_fine = nn.Conv2d(half, config.labels, 3, 1, 1)
        places = (config.size // 32) ** 2
        self.squeeze = nn.Conv2d(last, config.squeezed, 1)
        whole = config.squeezed * places
        self.coarse = nn.Sequential(
            nn.Linear(whole, config.narrow), nn.ReLU(), nn.Linear(config.narrow, 2 * config.points)
        )
        self.register_buffer("mean_points", torch.zeros(config.points, 2))
        self.embedding = nn.Parameter(0.1 * torch.randn(config.points, config.embedding))
        near = AROUND**2 * quarter + config.embedding + 64
        self.context = nn.Linear(whole, 64)
        self.move = nn.Sequential(
            nn.Linear(near, config.hidden), nn.ReLU(),
            nn.Linear(config.hidden, config.hidden), nn.ReLU(),
            nn.Linear(config.hidden, 3),
        )  # fmt: skip
        self.starts = nn.Sequential(  # linear: the first layer narrows, see `starts_head`
            nn.Linear(5 * config.points, config.told), nn.Linear(config.told, 2 * config.starts)
        )

    def forward(self, crops: Tensor) -> Encoded:
        half = self.stem((crops - 0.45) * 4)
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        last = self.last(sixteenth)
        x = last
        for skip, join, merge in zip(
            (sixteenth, eighth, quarter), self.join, self.merge, strict=True
        ):
            x = merge(skip + F.interpolate(join(x), scale_factor=2.0, mode="bilinear"))
        labels = F.pixel_shuffle(self.labels(x), 2) + self.labels_fine(half)
        whole = self._placed(F.relu(self.squeeze(last)))
        points, spread, rounds = self._points(x, whole)
        starts = self.starts(self.at_points(crops, points.detach()))
        mean, deviation = starts.chunk(2, 1)
        return Encoded(labels, points, spread, rounds, mean, deviation.clamp(*SURENESS))

    def at_points(self, crops: Tensor, points: Tensor) -> Tensor:
        """[B,5N], what start values are told from: where the landmarks are against their means,
        and the colour around each."""
        coarse = F.interpolate(crops, (COLOR_PIXELS, COLOR_PIXELS), mode="area")
        seen = F.grid_sample(
            coarse, 2 * points[:, :, None], align_corners=False, padding_mode="border"
        )
        places = 8 * (points - self.mean_points)
        return torch.cat([places.flatten(1), 4 * (seen.flatten(1) - 0.45)], 1)

    def _placed(self, squeezed: Tensor) -> Tensor:
        """[B,C,h,w] -> [B,C*P] for as many places P as a crop of the nominal size has."""
        side = self.config.size // 32
        if squeezed.shape[-1] != side:
            squeezed = F.interpolate(squeezed, (side, side), mode="bilinear", align_corners=False)
        return squeezed.flatten(1)

    def _points(self, features: Tensor, whole: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        batch, count = len(whole), self.config.points
        points = self.mean_points + self.coarse(whole).view(batch, count, 2)
        context = self.context(whole)[:, None].expand(-1, count, -1)
        named = self.embedding[None].expand(batch, -1, -1)
        offsets = _around(features)
        rounds = []
        moved = points.new_zeros(batch, count, 3)
        for _ in range(self.config.rounds):
            rounds.append(points)
            points = points.detach()
            grid = (points[:, :, None] + offsets) * 2  # [B,N,9,2] in -1..1
            seen = F.grid_sample(features, grid, align_corners=False, padding_mode="border")
            seen = seen.permute(0, 2, 1, 3).flatten(2)  # [B,N,C*9]
            moved = self.move(torch.cat([seen, named, context], -1))
            points = points + 0.1 * moved[..., :2]
        return points, moved[..., 2].clamp(-8, 1), tuple(rounds)


def _merged(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
    )


def _around(like: Tensor) -> Tensor:
    """[9,2] places around a landmark, shares of the crop's side."""
    axis = (torch.arange(AROUND).to(like) - AROUND // 2) * STEP
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)
