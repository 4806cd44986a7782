"""Start Triton's kernels on the device of their tensors.

With TRITON_INTERPRET=1 in the environment before `triton` is imported, the same kernels run on
the CPU, one program after another: how they are tested where there is no GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from fitme.runtime.progress import Progress, Stage

try:
    from triton import knobs
except ImportError:  # before 3.4: compiles without a word
    knobs = None

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"  # kernels run on the CPU
# Pixels or points of one program: four warps of a GPU; the interpreter takes as long for few.
BLOCK = 4096 if INTERPRETED else 128
CHANNELS_AT_ONCE = 16  # channels of one program, at most; a power of two


def blocks(count: int, size: int = BLOCK) -> int:
    """How many blocks of that size hold `count` items."""
    return -(-count // size)


def channel_block(channels: int) -> int:
    """The power of two, at most CHANNELS_AT_ONCE, that holds so many channels or as many as go."""
    return min(CHANNELS_AT_ONCE, 1 << max(channels - 1, 0).bit_length())


def launch(
    kernel: Any, grid: tuple[int, ...], like: Tensor, *arguments: Any, **options: Any
) -> None:
    """kernel[grid](*arguments, **options) on the device of `like`; nothing for an empty grid.
    Products and sums are rounded one by one, as on a CPU, by every version of Triton."""
    if min(grid) == 0:
        return
    with _on(like.device):
        kernel[grid](*arguments, enable_fp_fusion=False, **options)


def _on(device: torch.device) -> AbstractContextManager[Any]:
    if device.type == "cuda" and device.index != torch.cuda.current_device():
        return torch.cuda.device(device)
    return nullcontext()


@contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Shows kernels that are compiled meanwhile as a stage of their own. Triton keeps them for the
    next run, in ~/.triton/cache or TRITON_CACHE_DIR."""
    if knobs is None:
        yield
        return
    before = knobs.compilation.listener
    with ExitStack() as stack:
        stages: list[Stage] = []

        def listen(*, cache_hit: bool, **facts: Any) -> None:
            if not cache_hit:
                if not stages:
                    stages.append(stack.enter_context(progress.stage("compiling kernels, once")))
                stages[0].step()
            if before is not None:
                before(cache_hit=cache_hit, **facts)

        knobs.compilation.listener = listen
        try:
            yield
        finally:
            knobs.compilation.listener = before
