"""Train the encoder on synthetic photos.

    python -m fitme.models.train.encoder PHOTOS --out runs/encoder --steps 20000 --size 160
    python -m fitme.models.train.encoder PHOTOS --out runs/encoder --steps 40000   # goes on, 256 px

Stops and goes on anywhere: the newest checkpoint in --out is taken up. Weights are kept as a moving
average, so that they are useful without a last phase at a falling rate; `--fall` adds that phase.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitme.head.model import load_head
from fitme.models.encoder.network import Encoder, EncoderConfig
from fitme.models.encoder.starts import CODE, StartLayout
from fitme.models.train.checkpoint import (
    adam_tensors,
    list_checkpoints,
    load_checkpoint,
    restore_adam,
    save_checkpoint,
)
from fitme.models.train.encoder.data import PhotoSet, batches, stacked
from fitme.models.train.encoder.losses import Confusion, losses, total
from fitme.models.train.encoder.real import RealPhotos, agreement, real_batch
from fitme.models.train.encoder.tied import tied_to_points
from fitme.models.train.photos.points import COUNT, choose_points
from fitme.models.train.photos.studio import SIDE
from fitme.segment.labels import Label

RATE, DECAY, WARM = 1.5e-3, 0.02, 300  # AdamW: rate, weight decay, steps until the full rate
AVERAGE = 0.995  # of the moving average, per step: 0.998 lagged behind a short training
VALIDATION_SHARDS = 2


class Training:
    """Network, average and optimiser, taken up where they were left."""

    def __init__(
        self, out: Path, layout: StartLayout, mean_points: Tensor, averaged: float = AVERAGE
    ) -> None:
        self.out, self.step, self.averaged = out, 0, averaged
        config = EncoderConfig(len(Label), COUNT, layout.size)
        torch.manual_seed(0)
        self.network = Encoder(config).to(memory_format=torch.channels_last)
        self.network.mean_points.copy_(mean_points)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=DECAY)
        self.average = copy.deepcopy(self.network).eval()
        for newest in list_checkpoints(out / "checkpoints")[-1:]:
            self._restore(*load_checkpoint(newest))

    def update(self, rate: float, loss: Tensor) -> None:
        """One step of the optimiser and the average."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        keep = min(self.averaged, 1 - 1 / (self.step + 1))
        with torch.no_grad():
            mine, theirs = self.average.state_dict(), self.network.state_dict()
            for name, value in mine.items():
                if value.is_floating_point():
                    value.lerp_(theirs[name], 1 - keep)
                else:
                    value.copy_(theirs[name])

    def save(self) -> None:
        tensors: dict[str, Tensor] = {}
        for prefix, state in (("net", self.network), ("avg", self.average)):
            tensors |= {f"{prefix}.{k}": v.contiguous() for k, v in state.state_dict().items()}
        tensors |= adam_tensors("encoder", self.optimiser)
        save_checkpoint(self.out / "checkpoints", self.step, tensors, {"step": self.step})

    def _restore(self, tensors: dict[str, Tensor], numbers: dict) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            start = prefix + "."
            return {k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)}

        self.network.load_state_dict(part("net"))
        self.average.load_state_dict(part("avg"))
        restore_adam("encoder", self.optimiser, tensors)
        self.step = int(numbers["step"])


@torch.no_grad()
def validate(network: Encoder, photos: PhotoSet, size: int, count: int = 200) -> dict[str, float]:
    """Figures on photos that training does not see, from the middle of each."""
    confusion, misses, spreads = Confusion(len(Label)), [], []
    for start in range(0, min(count, len(photos)), 20):
        truth = stacked([photos.example(k, None, size) for k in range(start, start + 20)])
        found = network(truth.crops)
        confusion.add(found.labels, truth.labels)
        misses.append((found.points - truth.points).norm(dim=-1))
        spreads.append(found.spread.exp())
    figures = confusion.iou()
    figures["point miss %"] = 100 * float(torch.cat(misses).mean())
    figures["spread %"] = 100 * float(torch.cat(spreads).mean())
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of shards")
    parser.add_argument("--out", type=Path, default=Path("runs/encoder"))
    parser.add_argument("--steps", type=int, default=40_000, help="until this step")
    parser.add_argument("--size", type=int, default=256, help="pixels of a crop")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--shards", type=int, help="take no more shards than this")
    parser.add_argument("--fall", type=int, default=0, help="let the rate fall over the last steps")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--real", type=Path, help="real photos, see `real`, to agree over")
    parser.add_argument("--real-every", type=int, default=2, help="steps from one to the next")
    parser.add_argument("--average", type=float, default=AVERAGE, help="of the moving average")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=5.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    head = load_head()
    layout = StartLayout(len(head.identity), len(head.expression_names), CODE)
    valid = PhotoSet(sorted(args.photos.glob("*.npz"))[:VALIDATION_SHARDS], layout)
    train = PhotoSet(training_shards(args), layout)
    print(f"{len(train)} photos, {len(valid)} to check with", flush=True)
    mean = torch.from_numpy(train.arrays["points"]).mean(0)
    training = Training(args.out, layout, mean / SIDE - 0.5, args.average)
    run(training, train, valid, args)


def training_shards(args: argparse.Namespace) -> list[Path]:
    """Those that are there now; more may come while training runs."""
    return sorted(args.photos.glob("*.npz"))[VALIDATION_SHARDS : args.shards]


def run(training: Training, train: PhotoSet, valid: PhotoSet, args: argparse.Namespace) -> None:
    rng = np.random.default_rng(training.step)
    real = None if args.real is None else RealPhotos.load(args.real)
    head = load_head()
    points = choose_points(head)
    tied = tied_to_points(head, points)
    source = batches(train, args.size, args.batch, rng)
    saved = began = time.monotonic()
    sums: dict[str, float] = {}
    while training.step < args.steps:
        rate = args.rate * min(1.0, (training.step + 1) / WARM)
        left = args.steps - training.step
        if left < args.fall:
            rate *= 0.5 * (1 - math.cos(math.pi * left / args.fall))
        truth = next(source)
        parts = losses(training.network(truth.crops), truth)
        if real is not None and training.step % args.real_every == 0:
            batch = real_batch(real, args.size, args.batch // 2, rng)
            parts |= agreement(training.network, training.average, batch, points.mirror, tied)
        training.update(rate, total(parts))
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if training.step % 100 == 0:
            line = "  ".join(f"{name} {value / 100:.4f}" for name, value in sums.items())
            print(f"{training.step} {time.monotonic() - began:.0f} s  {line}", flush=True)
            sums = {}
        last = training.step >= args.steps
        if last or time.monotonic() - saved > 60 * args.save_minutes:
            training.save()
            saved = time.monotonic()
            figures = validate(training.average, valid, args.size)
            shown = {k: round(v, 3) for k, v in figures.items()}
            print(json.dumps({"photos": len(train), **shown}), flush=True)
            write_figures(training.out, training.step, figures)
            train = train.extended(training_shards(args))
            source = batches(train, args.size, args.batch, rng)


def write_figures(out: Path, step: int, figures: dict[str, float]) -> None:
    with (out / "figures.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": step, **figures}) + "\n")


if __name__ == "__main__":
    main()
