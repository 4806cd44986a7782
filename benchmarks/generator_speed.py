"""Time of the reflectance generator's forward and forward + backward pass, by resolution.

    python -m benchmarks.generator_speed [--preset cpu gpu] [--sizes 256 512 1024]
        [--repeat 5] [--threads 2] [--cpu-time] [--stylegan2-ada CHECKOUT]

Batch 1, float32, the minimum of `repeat` runs in milliseconds. "to w" is what an inversion
needs, run in channels_last; "to weights" what training needs, run in the contiguous layout
that the trainer uses on CPUs.
With a checkout of NVlabs/stylegan2-ada-pytorch (whose licence forbids commercial use: for
measuring only) its synthesis blocks are built at the same widths and output channels and
timed alternately with ours, in the same process under the same settings.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from fitme.models.stylegan2 import GENERATORS, GeneratorConfig, ReflectanceGenerator
from fitme.models.stylegan2.config import SIGNAL_CHANNELS
from fitme.runtime.memory import keep_large_blocks

Pass = Callable[[], Any]


class Peer(nn.Module):
    """NVIDIA's synthesis blocks with our channels; its own class derives widths by a rule."""

    def __init__(self, checkout: Path, config: GeneratorConfig) -> None:
        super().__init__()
        sys.path.insert(0, str(checkout))
        sys.modules.setdefault("requests", ModuleType("requests"))  # it downloads; not needed here
        from training.networks import SynthesisBlock  # type: ignore[import-not-found]

        self.resolutions = config.resolutions
        previous = (0, *config.channels)
        self.blocks = nn.ModuleList(
            SynthesisBlock(
                inputs, outputs, w_dim=config.w_dim, resolution=level,
                img_channels=SIGNAL_CHANNELS, is_last=level == config.resolution,
            )
            for inputs, outputs, level in zip(previous, config.channels, config.resolutions,
                                              strict=False)
        )  # fmt: skip

    def forward(self, w: Tensor, resolution: int) -> Tensor:
        x = image = None
        index = 0
        for block, level in zip(self.blocks, self.resolutions, strict=True):
            if level > resolution:
                break
            part = w.narrow(1, index, block.num_conv + block.num_torgb)
            x, image = block(x, image, part, noise_mode="const")
            index += block.num_conv
        assert image is not None
        return torch.tanh(image)


def passes(
    image: Callable[[Tensor], Tensor], module: nn.Module, shape: Sequence[int]
) -> list[Pass]:
    """Forward, forward + backward to w, forward + backward to all weights."""
    w = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = [p for p in module.parameters() if p.requires_grad]

    def forward() -> None:
        with torch.no_grad():
            image(w)

    def to_w() -> None:
        for weight in weights:
            weight.requires_grad_(False)
        torch.autograd.grad(image(w).square().mean(), [w])
        for weight in weights:
            weight.requires_grad_(True)

    def to_weights() -> None:
        torch.autograd.grad(image(w).square().mean(), weights, allow_unused=True)

    return [forward, to_w, to_weights]


def fastest(rivals: list[Pass], repeat: int, clock: Callable[[], float]) -> list[float]:
    """Milliseconds of each, the minimum of `repeat` rounds that run them in turn."""
    best = [float("inf")] * len(rivals)
    for turn in range(repeat + 1):
        for index, rival in enumerate(rivals):
            start = clock()
            rival()
            elapsed = (clock() - start) * 1e3
            if turn:  # the first round warms up
                best[index] = min(best[index], elapsed)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", nargs="+", default=["cpu", "gpu"], choices=list(GENERATORS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--cpu-time", action="store_true",
        help="seconds of processor, not of the wall clock: for a busy machine, with --threads 1",
    )  # fmt: skip
    parser.add_argument("--stylegan2-ada", type=Path, metavar="CHECKOUT")
    parser.add_argument("--plain-malloc", action="store_true", help="without keep_large_blocks")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    if not args.plain_malloc:
        keep_large_blocks()

    for preset in args.preset:
        clock = time.process_time if args.cpu_time else time.perf_counter
        compare(preset, args.sizes, args.repeat, clock, args.stylegan2_ada)


def compare(
    preset: str,
    sizes: list[int],
    repeat: int,
    clock: Callable[[], float],
    checkout: Path | None,
) -> None:
    """Print the table of one preset."""
    config = GENERATORS[preset]
    contiguous, generator = ReflectanceGenerator(config), ReflectanceGenerator(config)
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    count = sum(p.numel() for p in generator.synthesis.parameters())
    print(f"{preset}: synthesis {count / 1e6:.1f} M parameters, channels {config.channels}")
    shape = (1, config.w_count, config.w_dim)
    peer = Peer(checkout, config) if checkout else None

    def ours(size: int, w: Tensor) -> Tensor:
        return generator.signals(w, size)[size]

    def training(size: int, w: Tensor) -> Tensor:
        return contiguous.signals(w, size)[size]

    def theirs(size: int, w: Tensor) -> Tensor:
        assert peer is not None
        return peer(w, size)

    for size in sizes:
        rounds = [passes(partial(ours, size), generator.synthesis, shape)]
        rounds[0][2] = passes(partial(training, size), contiguous.synthesis, shape)[2]
        if peer is not None:
            rounds.append(passes(partial(theirs, size), peer, shape))
        for name, *rivals in zip(("forward", "to w", "to weights"), *rounds, strict=True):
            times = fastest(rivals, repeat, clock)
            line = f"  {size:5d}  {name:10s} {times[0]:8.0f} ms"
            if peer is not None:
                line += f"   peer {times[1]:8.0f} ms   ratio {times[0] / times[1]:.2f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
