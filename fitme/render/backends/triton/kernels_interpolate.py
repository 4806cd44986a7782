"""Triton kernels that interpolate vertices' values over triangles: the twins of those in
`kernels_raster` of the CPU backend."""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render.backends.triton.fixed_point import add_fixed, fixed_scale


@triton.jit
def _indices(rast, tri, pixel, mask, stride, plane):
    """Whether a triangle is there, its corners' rows in attr, u and v."""
    t = tl.load(rast + 4 * pixel + 3, mask=mask, other=0.0).to(tl.int32) - 1
    shown = t >= 0
    base = (pixel // plane) * stride
    i0 = base + tl.load(tri + 3 * t, mask=shown, other=0)
    i1 = base + tl.load(tri + 3 * t + 1, mask=shown, other=0)
    i2 = base + tl.load(tri + 3 * t + 2, mask=shown, other=0)
    u = tl.load(rast + 4 * pixel, mask=mask, other=0.0)
    v = tl.load(rast + 4 * pixel + 1, mask=mask, other=0.0)
    return shown, i0.to(tl.int64), i1.to(tl.int64), i2.to(tl.int64), u, v


@triton.jit(do_not_specialize=["pixels", "stride", "plane"])
def interpolate(
    attr, rast, tri, rast_db, out, out_da, pixels, stride, plane,
    CHANNELS: tl.constexpr, DIFF: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """out [P,C]; the first DIFF channels also get d/dx, d/dy per pixel: out_da [P,2*DIFF].
    attr is [B*V,C] or, with stride 0, [V,C] for all images."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    shown, i0, i1, i2, u, v = _indices(rast, tri, pixel, mask, stride, plane)
    channel = tl.program_id(1) * AT_ONCE + tl.arange(0, AT_ONCE)[None, :]
    read = shown[:, None] & (channel < CHANNELS)
    a0 = tl.load(attr + i0[:, None] * CHANNELS + channel, mask=read, other=0.0)
    a1 = tl.load(attr + i1[:, None] * CHANNELS + channel, mask=read, other=0.0)
    a2 = tl.load(attr + i2[:, None] * CHANNELS + channel, mask=read, other=0.0)
    value = a2 + u[:, None] * (a0 - a2) + v[:, None] * (a1 - a2)
    write = mask[:, None] & (channel < CHANNELS)
    place = pixel.to(tl.int64)[:, None]
    tl.store(out + place * CHANNELS + channel, tl.where(read, value, 0.0), mask=write)
    if DIFF > 0:
        d0 = tl.load(rast_db + 4 * pixel, mask=shown, other=0.0)[:, None]
        d1 = tl.load(rast_db + 4 * pixel + 1, mask=shown, other=0.0)[:, None]
        d2 = tl.load(rast_db + 4 * pixel + 2, mask=shown, other=0.0)[:, None]
        d3 = tl.load(rast_db + 4 * pixel + 3, mask=shown, other=0.0)[:, None]
        write = write & (channel < DIFF)
        target = out_da + place * (2 * DIFF) + 2 * channel
        tl.store(target, (a0 - a2) * d0 + (a1 - a2) * d2, mask=write)
        tl.store(target + 1, (a0 - a2) * d1 + (a1 - a2) * d3, mask=write)


@triton.jit(do_not_specialize=["pixels", "stride", "plane", "bits"])
def interpolate_backward(
    grad, attr, rast, tri, total, limit, grad_rast, pixels, stride, plane, bits,
    CHANNELS: tl.constexpr, WITH_ATTR: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """grad_rast [P,4] gets d/du, d/dv; total [B*V,C] int64 only WITH_ATTR. limit: of grad, as
    the weights are at most 1."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    shown, i0, i1, i2, u, v = _indices(rast, tri, pixel, mask, stride, plane)
    place = pixel.to(tl.int64)[:, None]
    gu, gv = u * 0, u * 0
    scale = 0.0
    if WITH_ATTR:
        scale = fixed_scale(tl.load(limit), bits)
    for first in range(0, CHANNELS, AT_ONCE):
        channel = first + tl.arange(0, AT_ONCE)[None, :]
        read = shown[:, None] & (channel < CHANNELS)
        r0, r1 = i0[:, None] * CHANNELS + channel, i1[:, None] * CHANNELS + channel
        r2 = i2[:, None] * CHANNELS + channel
        g = tl.load(grad + place * CHANNELS + channel, mask=read, other=0.0)
        a2 = tl.load(attr + r2, mask=read, other=0.0)
        gu += tl.sum(g * (tl.load(attr + r0, mask=read, other=0.0) - a2), axis=1)
        gv += tl.sum(g * (tl.load(attr + r1, mask=read, other=0.0) - a2), axis=1)
        if WITH_ATTR:
            read = read & (g != 0.0)
            g0, g1 = g * u[:, None], g * v[:, None]
            add_fixed(total, r0, g0, scale, read)
            add_fixed(total, r1, g1, scale, read)
            add_fixed(total, r2, g - g0 - g1, scale, read)
    target = grad_rast + 4 * pixel
    tl.store(target, tl.where(shown, gu, 0.0), mask=mask)
    tl.store(target + 1, tl.where(shown, gv, 0.0), mask=mask)
    tl.store(target + 2, pixel * 0.0, mask=mask)
    tl.store(target + 3, pixel * 0.0, mask=mask)
