"""Run numba kernels that release the GIL over chunks of work on a few Python threads.

A pool of Python threads rather than numba's `parallel=True`: the kernels compile faster, no
second OpenMP pool spins against torch's, and the split into chunks never depends on the
number of threads, so sums come out the same bit for bit.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

CHUNKS = 8
ROW_CHUNKS = 16  # of image rows, which differ in how much they show
ACCUMULATORS = 4  # chunks that each need their own copy of a sum over the vertices

# Two rules for kernels: nothing called once per pixel takes or makes an array (each costs atomic
# reference counting), and hot loops run over rows of scratch arrays, so that they vectorise.


@functools.lru_cache(maxsize=4)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool per process (a forked child inherits no threads) and size."""
    return ThreadPoolExecutor(threads, thread_name_prefix="fitme")


def run_chunks(kernel: Callable[..., Any], count: int, *args: Any, chunks: int = CHUNKS) -> None:
    """kernel(chunk, start, end, *args) for `chunks` fixed, contiguous pieces of range(count)."""
    bounds = [count * index // chunks for index in range(chunks + 1)]
    threads = min(torch.get_num_threads(), chunks)
    pieces = [
        (index, bounds[index], bounds[index + 1])
        for index in range(chunks)
        if bounds[index] < bounds[index + 1]
    ]
    if threads == 1 or len(pieces) < 2:
        for piece in pieces:
            kernel(*piece, *args)
        return
    pool = _pool(os.getpid(), threads)
    for future in [pool.submit(kernel, *piece, *args) for piece in pieces]:
        future.result()


def array(value: Tensor, *shape: int) -> np.ndarray:
    """A contiguous numpy view (a copy when the strides ask for one) of that shape."""
    return value.detach().contiguous().numpy().reshape(shape or tuple(value.shape))
