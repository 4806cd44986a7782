"""Train the encoder on synthetic photos.

    python -m fitme.models.train.encoder PHOTOS --out runs/encoder --steps 20000
    python -m fitme.models.train.encoder PHOTOS --out runs/encoder --minutes 8 --device cuda

Stops and goes on anywhere: the newest checkpoint in --out is taken up. Photos may still be drawn
while training runs: new shards are taken up as they come. The rate falls to nothing over the last
part of the way; weights are kept as a moving average besides. Labels and landmarks are trained
here; the head of start values afterwards, see `starts_head`.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

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
from fitme.models.train.encoder.data import Examples, Flips, PhotoSet, batches
from fitme.models.train.encoder.losses import Confusion, losses, total
from fitme.models.train.encoder.real import RealPhotos, RealSet, agreement, real_batch
from fitme.models.train.encoder.tied import tied_to_points
from fitme.models.train.encoder.truth import Mirror
from fitme.models.train.photos.points import COUNT, choose_points
from fitme.segment.labels import Label

RATE, DECAY, WARM = 1.5e-3, 0.02, 300  # AdamW: rate, weight decay, steps until the full rate
AVERAGE = 0.998  # of the moving average, per step
FALL = 0.5  # share of the way over which the rate falls
VALIDATION_SHARDS = 2
CHECKED, AT_ONCE = 200, 20  # photos to validate with, in batches of
TOLD = 100  # steps between two lines
MORE = 0.1  # share of new shards from which they are read, as each time all are copied


class Training:
    """Network, average and optimiser, taken up where they were left."""

    def __init__(
        self, out: Path, layout: StartLayout, mean_points: Tensor, seed: int,
        averaged: float = AVERAGE, device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        self.out, self.step, self.averaged = out, 0, averaged
        config = EncoderConfig(len(Label), COUNT, layout.size)
        torch.manual_seed(seed)
        self.network = Encoder(config).to(device, memory_format=torch.channels_last)
        self.network.mean_points.copy_(mean_points)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), RATE, weight_decay=DECAY)
        self.average = copy.deepcopy(self.network).eval()
        for newest in list_checkpoints(out / "checkpoints")[-1:]:
            self._restore(*load_checkpoint(newest))
        self._pairs = _floats(self.average), _floats(self.network)

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
        get_ema_multi_avg_fn(keep)(*self._pairs, self.step)

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


def _floats(network: Encoder) -> list[Tensor]:
    """Parameters and running statistics, without their gradients."""
    values = [*network.parameters(), *network.buffers()]
    return [value.detach() for value in values if value.is_floating_point()]


@torch.no_grad()
def validate(network: Encoder, photos: PhotoSet, size: int) -> dict[str, float]:
    """Figures on photos that training does not see, from the middle of each."""
    confusion, misses, spreads = Confusion(len(Label)), [], []
    for index in torch.arange(min(CHECKED, len(photos))).split(AT_ONCE):
        truth = photos.middles(index, size)
        found = network(truth.crops)
        confusion.add(found.labels, truth.labels)
        misses.append((found.points - truth.points).norm(dim=-1))
        spreads.append(found.spread.exp())
    figures = confusion.iou()
    figures["point miss %"] = 100 * float(torch.cat(misses).mean())
    figures["spread %"] = 100 * float(torch.cat(spreads).mean())
    return figures


class Photos:
    """The training photos that are there; more are read beside the training as they come."""

    def __init__(self, args: argparse.Namespace, layout: StartLayout, flips: Flips) -> None:
        self.args, self.layout, self.flips = args, layout, flips
        self.now = self._read(self._fresh(set()))
        self._pool = ThreadPoolExecutor(1)
        self._coming: Future[PhotoSet] | None = None

    def _fresh(self, known: set[Path]) -> list[Path]:
        shards = sorted(self.args.photos.glob("*.npz"))[VALIDATION_SHARDS:]
        return [path for path in shards if path not in known][: self._room(len(known))]

    def _room(self, known: int) -> int | None:
        return None if self.args.shards is None else self.args.shards - known

    def _read(self, shards: list[Path]) -> PhotoSet:
        return PhotoSet(shards, self.layout, self.flips, self.args.device)

    def more(self) -> bool:
        """Whether photos have come since; asks for those that are new."""
        if self._coming is not None:
            if not self._coming.done():
                return False
            self.now = self.now.extended(self._coming.result())
            self._coming = None
            return True
        fresh = self._fresh(set(self.now.shards))
        if len(fresh) > MORE * len(self.now.shards):
            self._coming = self._pool.submit(self._read, fresh)
        return False

    def wait(self) -> None:
        """Until those that were asked for are read."""
        if self._coming is not None:
            self._coming.result()


class Pace:
    """How much of the way is gone, by steps or by the clock, and the rate there."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.began = args, time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def gone(self, step: int) -> float:
        """0 at the start, 1 at the end."""
        way = step / self.args.steps
        if self.args.minutes is not None:
            way = max(way, self.seconds / (60 * self.args.minutes))
        return way

    def rate(self, step: int) -> float:
        """Rises over the first steps, falls as a cosine over the last share of the way."""
        left = max(1 - self.gone(step), 0.0)
        falling = 0.5 * (1 - math.cos(math.pi * min(left / max(self.args.fall, 1e-9), 1.0)))
        return float(self.args.rate * min(1.0, (step + 1) / WARM) * falling)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of shards")
    parser.add_argument("--out", type=Path, default=Path("runs/encoder"))
    parser.add_argument("--steps", type=int, default=40_000, help="until this step")
    parser.add_argument("--minutes", type=float, help="or until these are over")
    parser.add_argument("--size", type=int, default=256, help="pixels of a crop")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--shards", type=int, help="take no more shards than this")
    parser.add_argument("--fall", type=float, default=FALL, help="share of the way: rate falls")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--real", type=Path, help="real photos, see `real`, to agree over")
    parser.add_argument("--real-every", type=int, default=2, help="steps from one to the next")
    parser.add_argument("--real-after", type=float, default=0.05, help="share of the way before it")
    parser.add_argument("--average", type=float, default=AVERAGE, help="of the moving average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-minutes", type=float, default=5.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_float32_matmul_precision("high")
    head = load_head()
    layout = StartLayout(len(head.identity), len(head.expression_names), CODE)
    points = choose_points(head)
    flips = Flips(points.mirror, Mirror.of(head))
    checked = sorted(args.photos.glob("*.npz"))[:VALIDATION_SHARDS]
    valid = PhotoSet(checked, layout, flips, args.device)
    train = Photos(args, layout, flips)
    print(f"{len(train.now)} photos, {len(valid)} to check with", flush=True)
    mean = train.now.tensors["points"].mean(0) / train.now.side - 0.5
    training = Training(args.out, layout, mean, args.seed, args.average, args.device)
    run(training, train, valid, tied_to_points(head, points), args)


def run(
    training: Training, train: Photos, valid: PhotoSet, tied: tuple[Tensor, Tensor],
    args: argparse.Namespace,
) -> None:  # fmt: skip
    """Train until the steps or minutes are over; `tied` as `tied_to_points` gives it."""
    draws = torch.Generator().manual_seed(1000 * args.seed + training.step)
    real = None if args.real is None else RealSet.of(RealPhotos.load(args.real), args.device)
    mirror = train.now.flips.points
    tied = (tied[0].to(args.device), tied[1].to(args.device))
    source: Iterator[Examples] = batches(train.now, args.size, args.batch, draws)
    pace = Pace(args)
    saved = time.monotonic()
    sums: dict[str, Tensor] = {}
    last = False
    while not last:
        parts = losses(training.network((truth := next(source)).crops), truth)
        late = pace.gone(training.step) >= args.real_after
        if real is not None and late and training.step % args.real_every == 0:
            batch = real_batch(real, args.size, args.batch // 2, draws)
            parts |= agreement(training.network, training.average, batch, mirror, tied)
        training.update(pace.rate(training.step), total(parts))
        for name, value in parts.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
        if training.step % TOLD == 0:
            line = "  ".join(f"{name} {float(value) / TOLD:.4f}" for name, value in sums.items())
            print(f"{training.step} {pace.seconds:.0f} s  {line}", flush=True)
            sums = {}
            if train.more():
                source = batches(train.now, args.size, args.batch, draws)
        last = pace.gone(training.step) >= 1
        if last or time.monotonic() - saved > 60 * args.save_minutes:
            training.save()
            saved = time.monotonic()
            figures = validate(training.average, valid, args.size)
            figures |= {"photos": len(train.now), "seconds": round(pace.seconds)}
            print(json.dumps({k: round(v, 3) for k, v in figures.items()}), flush=True)
            write_figures(training.out, training.step, figures)


def write_figures(out: Path, step: int, figures: dict[str, float]) -> None:
    with (out / "figures.jsonl").open("a") as stream:
        stream.write(json.dumps({"step": step, **figures}) + "\n")


if __name__ == "__main__":
    main()
