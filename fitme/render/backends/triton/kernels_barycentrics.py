"""Triton kernels of the barycentrics of a z-buffer and of their gradient, the twins of those in
`kernels_raster` of the CPU backend: with q_i = (x_i - px w_i, y_i - py w_i), a_0 = q_1 x q_2 and
so on, b_i = a_i / sum(a). In float64: the differences of small triangles lose half the digits."""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render.backends.triton.fixed_point import add_fixed, fixed_scale, magnitude_bits


@triton.jit
def _corners(clip, tri, base, t, x, y, mask, height, width):
    """Of a triangle's corners: their index, q and w; and the pixel's place px, py in -1..1."""
    i0 = base + tl.load(tri + 3 * t, mask=mask, other=0)
    i1 = base + tl.load(tri + 3 * t + 1, mask=mask, other=0)
    i2 = base + tl.load(tri + 3 * t + 2, mask=mask, other=0)
    w0 = tl.load(clip + 4 * i0 + 3, mask=mask, other=1.0).to(tl.float64)
    w1 = tl.load(clip + 4 * i1 + 3, mask=mask, other=1.0).to(tl.float64)
    w2 = tl.load(clip + 4 * i2 + 3, mask=mask, other=1.0).to(tl.float64)
    px = (x.to(tl.float64) + 0.5) * 2.0 / width - 1.0
    py = (y.to(tl.float64) + 0.5) * 2.0 / height - 1.0
    x0 = tl.load(clip + 4 * i0, mask=mask, other=0.0) - px * w0
    y0 = tl.load(clip + 4 * i0 + 1, mask=mask, other=0.0) - py * w0
    x1 = tl.load(clip + 4 * i1, mask=mask, other=0.0) - px * w1
    y1 = tl.load(clip + 4 * i1 + 1, mask=mask, other=0.0) - py * w1
    x2 = tl.load(clip + 4 * i2, mask=mask, other=0.0) - px * w2
    y2 = tl.load(clip + 4 * i2 + 1, mask=mask, other=0.0) - py * w2
    return i0, i1, i2, w0, w1, w2, x0, y0, x1, y1, x2, y2, px, py


@triton.jit(do_not_specialize=["pixels", "vertices"])
def barycentrics(
    keys, clip, tri, rast, rast_db, pixels, vertices, height, width,
    ID_BITS: tl.constexpr, EMPTY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """rast, rast_db [B*H*W,4] of the z-buffer."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    key = tl.load(keys + pixel, mask=mask, other=EMPTY)
    shown = key < EMPTY
    t = tl.where(shown, key & ((1 << ID_BITS) - 1), 0).to(tl.int32)
    x, row = pixel % width, pixel // width
    base = (row // height) * vertices
    i0, i1, i2, w0, w1, w2, x0, y0, x1, y1, x2, y2, _, _ = _corners(
        clip, tri, base, t, x, row % height, shown, height, width
    )
    a0, a1, a2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
    scale = 1.0 / tl.where(shown, a0 + a1 + a2, 1.0)
    u, v = a0 * scale, a1 * scale
    z0 = tl.load(clip + 4 * i0 + 2, mask=shown, other=0.0)
    z1 = tl.load(clip + 4 * i1 + 2, mask=shown, other=0.0)
    z2 = tl.load(clip + 4 * i2 + 2, mask=shown, other=0.0)
    z = (u * z0 + v * z1 + (1.0 - u - v) * z2) / (u * w0 + v * w1 + (1.0 - u - v) * w2)
    out = rast + 4 * pixel
    tl.store(out, tl.where(shown, tl.minimum(tl.maximum(u, 0.0), 1.0), 0.0), mask=mask)
    tl.store(out + 1, tl.where(shown, tl.minimum(tl.maximum(v, 0.0), 1.0), 0.0), mask=mask)
    tl.store(out + 2, tl.where(shown, z, 0.0), mask=mask)
    tl.store(out + 3, tl.where(shown, t + 1, 0), mask=mask)
    d0x, d0y = w2 * y1 - w1 * y2, w1 * x2 - w2 * x1
    d1x, d1y = w0 * y2 - w2 * y0, w2 * x0 - w0 * x2
    dx = d0x + d1x + (w1 * y0 - w0 * y1)
    dy = d0y + d1y + (w0 * x1 - w1 * x0)
    sx, sy = scale * 2.0 / width, scale * 2.0 / height
    out = rast_db + 4 * pixel
    tl.store(out, tl.where(shown, (d0x - u * dx) * sx, 0.0), mask=mask)
    tl.store(out + 1, tl.where(shown, (d0y - u * dy) * sy, 0.0), mask=mask)
    tl.store(out + 2, tl.where(shown, (d1x - v * dx) * sx, 0.0), mask=mask)
    tl.store(out + 3, tl.where(shown, (d1y - v * dy) * sy, 0.0), mask=mask)


@triton.jit
def _corner_gradient(total, limit, scale, index, gx, gy, px, py, mask, MEASURE: tl.constexpr):
    gw = -(px * gx + py * gy)
    if MEASURE:
        greatest = tl.maximum(magnitude_bits(gx), magnitude_bits(gy))
        greatest = tl.where(mask, tl.maximum(greatest, magnitude_bits(gw)), 0)
        tl.atomic_max(limit, tl.max(greatest, axis=0), sem="relaxed")
    else:
        offset = 4 * index.to(tl.int64)
        add_fixed(total, offset, gx, scale, mask)
        add_fixed(total, offset + 1, gy, scale, mask)
        add_fixed(total, offset + 3, gw, scale, mask)


@triton.jit(do_not_specialize=["pixels", "vertices", "bits"])
def barycentrics_backward(
    grad, rast, clip, tri, total, limit, pixels, vertices, height, width, bits,
    MEASURE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """d(u, v) back to the corners' x, y, w; z/w carries no gradient. Once to find the greatest
    contribution (MEASURE), once to add them to total [B*V,4] int64."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    t = tl.load(rast + 4 * pixel + 3, mask=mask, other=0.0).to(tl.int32) - 1
    gu = tl.load(grad + 4 * pixel, mask=mask, other=0.0).to(tl.float64)
    gv = tl.load(grad + 4 * pixel + 1, mask=mask, other=0.0).to(tl.float64)
    shown = (t >= 0) & ((gu != 0.0) | (gv != 0.0))
    t = tl.maximum(t, 0)
    x, row = pixel % width, pixel // width
    base = (row // height) * vertices
    i0, i1, i2, _, _, _, x0, y0, x1, y1, x2, y2, px, py = _corners(
        clip, tri, base, t, x, row % height, shown, height, width
    )
    a0, a1, a2 = x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1
    scale = 1.0 / tl.where(shown, a0 + a1 + a2, 1.0)
    common = (gu * a0 + gv * a1) * scale
    g0, g1, g2 = (gu - common) * scale, (gv - common) * scale, -common * scale
    fixed = scale
    if not MEASURE:
        fixed = fixed_scale(tl.load(limit), bits)
    gx, gy = g2 * y1 - g1 * y2, g1 * x2 - g2 * x1
    _corner_gradient(total, limit, fixed, i0, gx, gy, px, py, shown, MEASURE)
    gx, gy = g0 * y2 - g2 * y0, g2 * x0 - g0 * x2
    _corner_gradient(total, limit, fixed, i1, gx, gy, px, py, shown, MEASURE)
    gx, gy = g1 * y0 - g0 * y1, g0 * x1 - g1 * x0
    _corner_gradient(total, limit, fixed, i2, gx, gy, px, py, shown, MEASURE)
