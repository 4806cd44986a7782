"""Sums of many float contributions per target that come out the same, bit for bit, in any order.

Atomic additions of floats round after each, so the result depends on the order, which a GPU leaves
open. Integers do not round: each contribution is multiplied by a power of two, cut to an integer
and added to an int64. The power is the largest with which no sum can overflow, from the greatest
contribution (found on the device: the host never waits) and how many may meet in one target; with
a million of them a contribution keeps 42 bits below the greatest, a float32 has 24. The other way,
to sort by target and add in that order, costs a sort of all contributions in every step, and was
not needed. A sum with a contribution that is not finite makes all its targets NaN.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from fitme.render.backends.triton.launch import blocks, launch

SUM_BITS = 62  # of an int64, less its sign and one to spare
_CONVERTED = 1024  # values that one program converts


@triton.jit
def magnitude_bits(value):
    """|value| as float32, as the int32 of the same bits: these order as the floats do, and inf
    and NaN come last."""
    return value.to(tl.float32).to(tl.int32, bitcast=True) & 0x7FFFFFFF


@triton.jit
def power_of_two(exponent):
    """2**exponent as float64, for -1022..1023."""
    return ((exponent.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)


@triton.jit
def fixed_scale(limit, bits):
    """What to multiply contributions with. limit: the greatest one's `magnitude_bits`; that is
    below 2**(its exponent - 126). A sum of all stays below 2**bits of the greatest one's."""
    return power_of_two(126 - (limit >> 23) + bits)


@triton.jit
def add_fixed(total, offset, value, scale, mask):
    tl.atomic_add(
        total + offset, (value.to(tl.float64) * scale).to(tl.int64), mask=mask, sem="relaxed"
    )


@triton.jit(do_not_specialize=["count", "bits"])
def _convert(total, limit, out, count, bits, BLOCK: tl.constexpr):
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    greatest = tl.load(limit)
    inverse = power_of_two((greatest >> 23) - 126 - bits)
    value = tl.load(total + index, mask=mask, other=0).to(tl.float64) * inverse
    tl.store(out + index, tl.where((greatest >> 23) == 255, float("nan"), value), mask=mask)


def sum_bits(addends: int) -> int:
    """Bits that are left for one of so many contributions that may meet in one target."""
    return SUM_BITS - max(addends, 1).bit_length()


def limit_of(values: Tensor) -> Tensor:
    """`magnitude_bits` [1] int32 of the greatest value, for `fixed_scale`."""
    if values.numel() == 0:
        return torch.zeros(1, dtype=torch.int32, device=values.device)
    greatest = torch.linalg.vector_norm(values.detach(), float("inf"))
    return greatest.float().reshape(1).view(torch.int32)


def to_float(total: Tensor, limit: Tensor, bits: int, like: Tensor) -> Tensor:
    """The int64 sums as numbers of the dtype of `like`, same shape."""
    out = torch.empty_like(total, dtype=like.dtype)
    grid = (blocks(total.numel(), _CONVERTED),)
    launch(_convert, grid, total, total, limit, out, total.numel(), bits, BLOCK=_CONVERTED)
    return out
