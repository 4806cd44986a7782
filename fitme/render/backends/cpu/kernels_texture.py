"""Numba kernels of the CPU texture unit: box-filtered mip chain, trilinear lookup, backward.

A texture is [H*W,C] row-major, row 0 at v = 0 (glTF), texel centres at (i + 0.5) / size,
clamped at the border. Mip levels 1.. lie one after another in `mips` [M,C]; `table` [L,3]
holds (height, width, offset) of each level, offset 0 for level 0, which is the texture itself.
`like` is a tuple of C zeros: its length is known to the compiler, which unrolls over channels.
"""

from __future__ import annotations

import numpy as np

from fitme.render.backends.cpu.compile import kernel


@kernel
def halve(chunk, start, end, like, source, source_offset, width, target, target_offset):
    """Rows start..end of the next mip level: mean of 2x2."""
    half = width // 2
    for y in range(start, end):
        for x in range(half):
            a = source_offset + 2 * y * width + 2 * x
            b = a + width
            out = target_offset + y * half + x
            for c in range(len(like)):
                top = source[a, c] + source[a + 1, c]
                target[out, c] = (top + (source[b, c] + source[b + 1, c])) * np.float32(0.25)


@kernel
def spread(chunk, start, end, like, fresh, source, source_offset, width, target, target_offset):
    """The transpose of `halve`: add a quarter of level rows start..end to the finer level, or,
    if that is fresh, set it."""
    half = width // 2
    if fresh:
        for y in range(start, end):
            for x in range(half):
                a = target_offset + 2 * y * width + 2 * x
                b = a + width
                out = source_offset + y * half + x
                for c in range(len(like)):
                    g = source[out, c] * np.float32(0.25)
                    target[a, c] = g
                    target[a + 1, c] = g
                    target[b, c] = g
                    target[b + 1, c] = g
        return
    for y in range(start, end):
        for x in range(half):
            a = target_offset + 2 * y * width + 2 * x
            b = a + width
            out = source_offset + y * half + x
            for c in range(len(like)):
                g = source[out, c] * np.float32(0.25)
                target[a, c] += g
                target[a + 1, c] += g
                target[b, c] += g
                target[b + 1, c] += g


@kernel
def level_of_detail(chunk, start, end, da, height, width, top, lods):
    """lods [P]: log2 of the longer axis of each pixel's footprint in texels, within 0..top; da
    [P,4] is (du/dx, du/dy, dv/dx, dv/dy)."""
    for pixel in range(start, end):
        ux, uy = da[pixel, 0] * width, da[pixel, 1] * width
        vx, vy = da[pixel, 2] * height, da[pixel, 3] * height
        a, b, c = ux * ux + vx * vx, uy * uy + vy * vy, ux * uy + vx * vy
        half = (a - b) / 2
        major = (a + b) / 2 + np.sqrt(half * half + c * c)
        lods[pixel] = min(0.5 * np.log2(max(major, 1.0)), float(top))


# Rows of the scratch arrays of one block of pixels: `f` float64, `k` int32. The finer of a
# pixel's two mip levels is in rows FINE.., the coarser in rows COARSE.. (OTHER rows apart).
BLOCK = 32
(SHARE, HEIGHT, WIDTH, OFFSET, FX, FY, W00, W01, W10, W11, SLOPE_U, SLOPE_V, D00, D01, D10, D11) = (
    BLOCK * row for row in range(16)
)
FINE, COARSE = 0, 16 * BLOCK
U, V, G_U, G_V = (BLOCK * row for row in range(32, 36))
FLOAT_ROWS = 36
K00, K01, K10, K11, ROW, NEXT_ROW = (BLOCK * row for row in range(6))
K_COARSE = 6 * BLOCK
LEVEL, PICK = 12 * BLOCK, 13 * BLOCK
INT_ROWS = 14


@kernel
def load(f, k, first, n, uv, lods, table):
    """uv, and size and weight of the two levels of pixels first..first+n."""
    top = table.shape[0] - 1
    for i in range(n):
        p = first + i
        f[U + i], f[V + i] = uv[p, 0], uv[p, 1]
        lod = float(lods[p])
        level = int(lod)
        coarse = min(level + 1, top)
        k[LEVEL + i] = level
        f[SHARE + i], f[COARSE + SHARE + i] = 1.0 - (lod - level), lod - level
        f[HEIGHT + i], f[COARSE + HEIGHT + i] = table[level, 0], table[coarse, 0]
        f[WIDTH + i], f[COARSE + WIDTH + i] = table[level, 1], table[coarse, 1]
        f[OFFSET + i], f[COARSE + OFFSET + i] = table[level, 2], table[coarse, 2]


@kernel
def corners(f, k, n, at, at_k):
    """Texel indices, weights and the scale of the slopes of a bilinear lookup in the level of
    rows at.. and at_k.. ."""
    for i in range(n):
        width, height, share = f[at + WIDTH + i], f[at + HEIGHT + i], f[at + SHARE + i]
        ux, vy = f[U + i] * width - 0.5, f[V + i] * height - 0.5
        x, y = min(max(ux, 0.0), width - 1.0), min(max(vy, 0.0), height - 1.0)
        x0, y0 = np.floor(x), np.floor(y)
        x1, y1 = min(x0 + 1.0, width - 1.0), min(y0 + 1.0, height - 1.0)
        fx, fy = x - x0, y - y0
        f[at + FX + i], f[at + FY + i] = fx, fy
        f[at + W00 + i], f[at + W01 + i] = share * (1.0 - fx) * (1.0 - fy), share * fx * (1.0 - fy)
        f[at + W10 + i], f[at + W11 + i] = share * (1.0 - fx) * fy, share * fx * fy
        f[at + SLOPE_U + i] = share * width if x == ux else 0.0  # the border clamps
        f[at + SLOPE_V + i] = share * height if y == vy else 0.0
        a, b = f[at + OFFSET + i] + y0 * width, f[at + OFFSET + i] + y1 * width
        k[at_k + K00 + i], k[at_k + K01 + i] = np.int32(a + x0), np.int32(a + x1)
        k[at_k + K10 + i], k[at_k + K11 + i] = np.int32(b + x0), np.int32(b + x1)
        k[at_k + ROW + i], k[at_k + NEXT_ROW + i] = np.int32(y0), np.int32(y1)


# Which pixels of a block a pass takes: a pixel's finer level is the texture itself or one of
# the mips; its coarser level, if it has a share, is always one of the mips.
# Loops, not constants, hand the kind on: numba compiles a function again for every constant.
TEXTURE, MIPS, COARSER = 0, 1, 2


@kernel
def passes(f, k, n, kind):
    """Row PICK: 1 for the pixels that pass `kind` takes."""
    for i in range(n):
        if kind == COARSER:
            k[PICK + i] = 1 if f[COARSE + SHARE + i] > 0.0 else 0
        else:
            k[PICK + i] = 1 if (k[LEVEL + i] == 0) == (kind == TEXTURE) else 0


@kernel
def blend(like, source, f, k, first, n, kind, out):
    """out[first + i] += the four texels of each pixel of this pass, weighted."""
    passes(f, k, n, kind)
    at, at_k = (COARSE, K_COARSE) if kind == COARSER else (FINE, 0)
    real = source.dtype.type
    for i in range(n):
        if k[PICK + i] == 0:
            continue
        w00, w01 = real(f[at + W00 + i]), real(f[at + W01 + i])
        w10, w11 = real(f[at + W10 + i]), real(f[at + W11 + i])
        k00, k01, k10, k11 = k[at_k + i], k[at_k + K01 + i], k[at_k + K10 + i], k[at_k + K11 + i]
        for c in range(len(like)):
            out[first + i, c] += (
                w00 * source[k00, c]
                + w01 * source[k01, c]
                + w10 * source[k10, c]
                + w11 * source[k11, c]
            )


@kernel
def sample(chunk, start, end, like, tex, mips, table, uv, lods, out):
    """Trilinear lookup of pixels start..end at level of detail lods [P] -> out [P,C]."""
    f, k = np.empty(FLOAT_ROWS * BLOCK), np.empty(INT_ROWS * BLOCK, np.int32)
    for first in range(start, end, BLOCK):
        n = min(BLOCK, end - first)
        load(f, k, first, n, uv, lods, table)
        for level in range(2):
            corners(f, k, n, level * COARSE, level * K_COARSE)
        for i in range(first, first + n):
            for c in range(len(like)):
                out[i, c] = 0
        for kind in range(TEXTURE, MIPS):
            blend(like, tex, f, k, first, n, kind, out)
        for kind in range(MIPS, COARSER + 1):
            blend(like, mips, f, k, first, n, kind, out)


@kernel
def products(like, source, f, k, first, n, kind, grad):
    """Rows D00.. = gradient . texel, for the four texels of each pixel of this pass."""
    passes(f, k, n, kind)
    at, at_k = (COARSE, K_COARSE) if kind == COARSER else (FINE, 0)
    for i in range(n):
        if k[PICK + i] == 0:
            continue
        d00, d01, d10, d11 = 0.0, 0.0, 0.0, 0.0
        k00, k01, k10, k11 = k[at_k + i], k[at_k + K01 + i], k[at_k + K10 + i], k[at_k + K11 + i]
        for c in range(len(like)):
            g = grad[first + i, c]
            d00 += g * source[k00, c]
            d01 += g * source[k01, c]
            d10 += g * source[k10, c]
            d11 += g * source[k11, c]
        f[at + D00 + i], f[at + D01 + i], f[at + D10 + i], f[at + D11 + i] = d00, d01, d10, d11


@kernel
def slopes(f, n, at):
    """Rows G_U, G_V += d/du, d/dv of one level; products without a share count nothing."""
    for i in range(n):
        top, left = f[at + D01 + i] - f[at + D00 + i], f[at + D10 + i] - f[at + D00 + i]
        bottom, right = f[at + D11 + i] - f[at + D10 + i], f[at + D11 + i] - f[at + D01 + i]
        f[G_U + i] += f[at + SLOPE_U + i] * (top + f[at + FY + i] * (bottom - top))
        f[G_V + i] += f[at + SLOPE_V + i] * (left + f[at + FX + i] * (right - left))


@kernel
def scatter(like, target, f, k, first, n, kind, bounds, band, grad):
    """Transpose of `blend` onto the texel rows that this band owns."""
    passes(f, k, n, kind)
    at, at_k = (COARSE, K_COARSE) if kind == COARSER else (FINE, 0)
    real = target.dtype.type
    for i in range(n):
        if k[PICK + i] == 0:
            continue
        level = k[LEVEL + i] + (1 if kind == COARSER else 0)
        low, high = bounds[band, level], bounds[band + 1, level]
        row, next_row = k[at_k + ROW + i], k[at_k + NEXT_ROW + i]
        if row >= low and row < high:
            w0, w1 = real(f[at + W00 + i]), real(f[at + W01 + i])
            k0, k1 = k[at_k + i], k[at_k + K01 + i]
            for c in range(len(like)):
                target[k0, c] += w0 * grad[first + i, c]
                target[k1, c] += w1 * grad[first + i, c]
        if next_row >= low and next_row < high:
            w0, w1 = real(f[at + W10 + i]), real(f[at + W11 + i])
            k0, k1 = k[at_k + K10 + i], k[at_k + K11 + i]
            for c in range(len(like)):
                target[k0, c] += w0 * grad[first + i, c]
                target[k1, c] += w1 * grad[first + i, c]


@kernel
def any_fine(lods, first, n):
    """Whether a pixel of the block reads level 0."""
    lowest = lods[first]
    for i in range(first, first + n):
        lowest = min(lowest, lods[i])
    return lowest < 1.0


@kernel
def scatter_bands(
    chunk, start, end, like, grad, table, bounds, uv, lods, coarse, grad_tex, grad_mips
):
    """Bands start..end: every band walks all pixels in order and adds only to the texel rows
    bounds[band] .. bounds[band + 1] (in rows of each level: [bands+1,L]) that it owns, so no
    two threads write one texel and the order of each sum is fixed. Either (coarse) into
    grad_mips, for levels 1.., or into grad_tex, for level 0."""
    f, k = np.zeros(FLOAT_ROWS * BLOCK), np.zeros(INT_ROWS * BLOCK, np.int32)
    for band in range(start, end):
        for first in range(0, uv.shape[0], BLOCK):
            n = min(BLOCK, uv.shape[0] - first)
            if not coarse and not any_fine(lods, first, n):
                continue
            load(f, k, first, n, uv, lods, table)
            for level in range(2 if coarse else 1):
                corners(f, k, n, level * COARSE, level * K_COARSE)
            if coarse:
                for kind in range(MIPS, COARSER + 1):
                    scatter(like, grad_mips, f, k, first, n, kind, bounds, band, grad)
            else:
                for kind in range(TEXTURE, MIPS):
                    scatter(like, grad_tex, f, k, first, n, kind, bounds, band, grad)


@kernel
def sample_backward_uv(chunk, start, end, like, grad, tex, mips, table, uv, lods, grad_uv):
    """grad_uv [P,2] of pixels start..end; the level of detail is held constant."""
    f, k = np.zeros(FLOAT_ROWS * BLOCK), np.zeros(INT_ROWS * BLOCK, np.int32)
    for first in range(start, end, BLOCK):
        n = min(BLOCK, end - first)
        load(f, k, first, n, uv, lods, table)
        for level in range(2):
            corners(f, k, n, level * COARSE, level * K_COARSE)
        for i in range(4 * BLOCK):  # a level without a share has no products
            f[COARSE + D00 + i] = 0.0
        for kind in range(TEXTURE, MIPS):
            products(like, tex, f, k, first, n, kind, grad)
        for kind in range(MIPS, COARSER + 1):
            products(like, mips, f, k, first, n, kind, grad)
        for i in range(n):
            f[G_U + i], f[G_V + i] = 0.0, 0.0
        for level in range(2):
            slopes(f, n, level * COARSE)
        for i in range(n):
            grad_uv[first + i, 0], grad_uv[first + i, 1] = f[G_U + i], f[G_V + i]
