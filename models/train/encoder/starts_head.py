"""Solve for the head of start values, on what a network whose rest stands still says of photos.

    python -m fitme.models.train.encoder.starts_head ENCODER PHOTOS --out encoder.safetensors

Every photo is cut anew some times, in its own colours, as those tell of skin and light; the network
says where the landmarks are. Principal components of their places and colours are the head's first
layer, a ridge regression its second. How far each number is held back, and the deviation that the
head gives it, are read off photos that it does not learn from. Two layers with a bend between,
trained by descent, told less of them (3,700 photos: rotation 0.11 of the variance against 0.85).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fitme.head.model import load_head
from fitme.models.encoder.network import Encoder
from fitme.models.encoder.weights import load_encoder, save_encoder
from fitme.models.train.encoder.data import Flips, PhotoSet
from fitme.models.train.encoder.truth import Mirror
from fitme.models.train.photos.points import choose_points

AT_ONCE = 20  # photos
SWEEPS = 4  # of the randomised singular value decomposition
RIDGES = (30.0, 300.0, 3e3, 3e4, 3e5)  # of which each number takes the best
FLOOR = 0.02  # least deviation, in the network's units


@dataclass(frozen=True)
class Features:
    """N crops: what the network makes of them, and their truth."""

    seen: Tensor  # [N,F]
    starts: Tensor  # [N,M]
    known: Tensor  # [N,M] bool

    @staticmethod
    @torch.no_grad()
    def of(
        network: Encoder, photos: PhotoSet, rounds: int, draws: torch.Generator | None
    ) -> Features:
        """Random crops, or the middle of each photo without `draws`."""
        rows = []
        for _ in range(rounds):
            for index in torch.arange(len(photos)).split(AT_ONCE):
                size = network.config.size
                truth = (
                    photos.middles(index, size) if draws is None else photos.cut(index, size, draws)
                )
                seen = network.at_points(truth.crops, network(truth.crops).points)
                rows.append((seen, truth.starts, truth.known))
        return Features(*(torch.cat(column) for column in zip(*rows, strict=True)))


def narrowed(kept: Features, count: int) -> tuple[Tensor, Tensor]:
    """Weight [count,F] and bias [count] that take features to principal components of spread 1,
    three fifths of them of the landmarks' places, the others of their colours."""
    places = 2 * kept.seen.shape[1] // 5
    mean = kept.seen.mean(0)
    weight = torch.zeros(count, kept.seen.shape[1])
    row = 0
    for columns, rank in ((slice(places), 3 * count // 5), (slice(places, None), None)):
        rank = count - row if rank is None else rank
        part = (kept.seen - mean)[:, columns]
        _, scale, axes = torch.svd_lowrank(part, q=min(rank, *part.shape), niter=SWEEPS)
        deviation = (scale / len(part) ** 0.5).clamp_min(1e-3)
        weight[row : row + len(scale), columns] = (axes / deviation).T
        row += len(scale)
    return weight, -weight @ mean


@torch.no_grad()
def solve(network: Encoder, kept: Features, checked: Features) -> None:
    """Sets network.starts."""
    first, second = network.starts
    first.weight[:], first.bias[:] = narrowed(kept, len(first.bias))
    short, white = first(kept.seen).double(), first(checked.seen).double()
    count = kept.starts.shape[1]
    missed = torch.full((count,), torch.inf, dtype=torch.double)
    for ridge in RIDGES:
        weight, mean = _regression(short, kept, ridge)
        off = ((white @ weight + mean - checked.starts).square() * checked.known).sum(0)
        off = off / checked.known.sum(0).clamp_min(1)
        better = off < missed
        missed = torch.where(better, off, missed)
        second.weight[:count][better] = weight.T[better].float()
        second.bias[:count][better] = mean[better].float()
    second.weight[count:] = 0
    second.bias[count:] = (missed.sqrt() + FLOOR).log().float()


def _regression(short: Tensor, kept: Features, ridge: float) -> tuple[Tensor, Tensor]:
    """Weight [R,M] and mean [M] of a ridge regression of start values on short features [N,R];
    an unknown number counts as its mean, which is right up to a slope that is a little low."""
    known = kept.known.double()
    mean = (kept.starts * known).sum(0) / known.sum(0).clamp_min(1)
    target = (kept.starts - mean) * known
    normal = short.T @ short + ridge * torch.eye(short.shape[1]).double()
    share = known.mean(0).clamp_min(1e-6)
    return torch.linalg.solve(normal, short.T @ target) / share, mean


@torch.no_grad()
def explained(network: Encoder, checked: Features, names: dict[str, slice]) -> dict[str, float]:
    """Share of the variance among photos that is told, by name, in the mean over its numbers."""
    told = network.starts(checked.seen)[:, : checked.starts.shape[1]]
    known = checked.known.float()
    count = known.sum(0).clamp_min(1)
    mean = (checked.starts * known).sum(0) / count
    varies = ((checked.starts - mean).square() * known).sum(0) / count
    missed = ((checked.starts - told).square() * known).sum(0) / count
    share = 1 - missed / varies
    moves = varies > 1e-4
    return {name: round(float(share[s][moves[s]].mean()), 3) for name, s in names.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("photos", type=Path, help="folder of shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=4, help="crops of each photo")
    parser.add_argument("--checked", type=int, default=4, help="shards, the last ones, to check on")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    draws = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    trained = load_encoder(args.encoder)
    head = load_head()
    flips = Flips(choose_points(head).mirror, Mirror.of(head))
    shards = sorted(args.photos.glob("*.npz"))
    learned = PhotoSet(shards[: -args.checked], trained.starts, flips)
    unseen = PhotoSet(shards[-args.checked :], trained.starts, flips)
    checked = Features.of(trained.network, unseen, 1, None)
    kept = Features.of(trained.network, learned, args.rounds, draws)
    print(f"{len(kept.seen)} crops of {len(learned)} photos", flush=True)
    solve(trained.network, kept, checked)
    print(json.dumps(explained(trained.network, checked, trained.starts.slices())))
    save_encoder(trained, args.out)


if __name__ == "__main__":
    main()
