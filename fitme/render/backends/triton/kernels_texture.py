"""Triton kernels of the texture unit: box-filtered mip chain, trilinear look-up, backward.

A texture is [B*h*w,C] row-major, row 0 at v = 0, texel centres at (i + 0.5) / size, clamped at the
border. Mip levels 1.. of an image lie one after another in `mips` [B*M,C]. Every level halves both
sides, so that level l >= 1 starts at (h w - h w / 4^(l - 1)) / 3. Places and weights are computed
in float64, as the CPU backend does, colours in the dtype of the texture.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render.backends.triton.fixed_point import add_fixed, fixed_scale, power_of_two


@triton.jit(do_not_specialize=["count", "source_step", "target_step"])
def halve(
    source, target, count, source_step, target_step, height, width,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The next level, of height x width texels: means of 2x2. Images lie `step` texels apart."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    channel, texel = index % CHANNELS, index // CHANNELS
    image, texel = texel // (height * width), texel % (height * width)
    y, x = texel // width, texel % width
    a = source + (image * source_step + 4 * y * width + 2 * x) * CHANNELS + channel
    b = a + 2 * width * CHANNELS
    top = tl.load(a, mask=mask, other=0.0) + tl.load(a + CHANNELS, mask=mask, other=0.0)
    bottom = tl.load(b, mask=mask, other=0.0) + tl.load(b + CHANNELS, mask=mask, other=0.0)
    out = target + (image * target_step + texel) * CHANNELS + channel
    tl.store(out, (top + bottom) * 0.25, mask=mask)


@triton.jit
def _detail(uv_da, point, mask, height, width, levels):
    """Level of detail, float32: log2 of the footprint's longer axis in texels, in 0..levels."""
    ux = tl.load(uv_da + 4 * point, mask=mask, other=0.0).to(tl.float32) * width
    uy = tl.load(uv_da + 4 * point + 1, mask=mask, other=0.0).to(tl.float32) * width
    vx = tl.load(uv_da + 4 * point + 2, mask=mask, other=0.0).to(tl.float32) * height
    vy = tl.load(uv_da + 4 * point + 3, mask=mask, other=0.0).to(tl.float32) * height
    a, b, c = ux * ux + vx * vx, uy * uy + vy * vy, ux * uy + vx * vy
    half = (a - b) * 0.5
    major = (a + b) * 0.5 + tl.sqrt(half * half + c * c)
    lod = 0.5 * tl.log2(tl.maximum(major, 1.0))
    return tl.minimum(lod, lod * 0.0 + levels)


@triton.jit
def _bilinear(u, v, level, height, width):
    """Columns x0, x1, rows y0, y1 (int64), the share of the second of each, whether the border
    does not clamp, and the size of the level."""
    high, wide = (level * 0 + height) >> level, (level * 0 + width) >> level
    ux = u * wide.to(tl.float64) - 0.5
    vy = v * high.to(tl.float64) - 0.5
    x = tl.minimum(tl.maximum(ux, 0.0), (wide - 1).to(tl.float64))
    y = tl.minimum(tl.maximum(vy, 0.0), (high - 1).to(tl.float64))
    x0, y0 = x.to(tl.int32), y.to(tl.int32)
    x1, y1 = tl.minimum(x0 + 1, wide - 1), tl.minimum(y0 + 1, high - 1)
    fx, fy = x - x0.to(tl.float64), y - y0.to(tl.float64)
    slope_u = tl.where(x == ux, wide, 0).to(tl.float64)
    slope_v = tl.where(y == vy, high, 0).to(tl.float64)
    return (
        x0.to(tl.int64),
        x1.to(tl.int64),
        y0.to(tl.int64),
        y1.to(tl.int64),
        fx,
        fy,
        slope_u,
        slope_v,
        wide,
    )


@triton.jit
def _offset(level, texels):
    """Where a level >= 1 starts in the mips of one image; `texels` are those of level 0, int64."""
    return tl.where(level > 0, (texels - (texels >> (2 * tl.maximum(level - 1, 0)))) // 3, 0)


@triton.jit
def _place(
    uv, uv_da, images, point, mask, height, width, levels, plane, batched, mip_texels,
    HAS_DA: tl.constexpr, HAS_IMAGES: tl.constexpr,
):  # fmt: skip
    """u, v, the finer of the two levels, the coarser one's share, where the image's texels and
    mips start, and whether the point is looked up."""
    u = tl.load(uv + 2 * point, mask=mask, other=0.0).to(tl.float64)
    v = tl.load(uv + 2 * point + 1, mask=mask, other=0.0).to(tl.float64)
    share = u.to(tl.float32) * 0.0
    if HAS_DA:
        share = _detail(uv_da, point, mask, height, width, levels)
    level = share.to(tl.int32)
    share = share - level.to(tl.float32)
    if HAS_IMAGES:
        image = tl.load(images + point, mask=mask, other=-1).to(tl.int64)
    else:
        image = (point // plane).to(tl.int64)
    use = mask & (image >= 0)
    image = image * batched
    first, first_mip = image * height * width, image * mip_texels
    return u, v, level, share.to(tl.float64), first, first_mip, use


@triton.jit
def _fetch(tex, mips, texel, in_mips, read, CHANNELS: tl.constexpr, channel):
    """Texels [BLOCK,AT_ONCE] of level 0, or of the mips where `in_mips`."""
    row = texel[:, None] * CHANNELS + channel
    fine = tl.load(tex + row, mask=read & ~in_mips[:, None], other=0.0)
    return fine + tl.load(mips + row, mask=read & in_mips[:, None], other=0.0)


@triton.jit(do_not_specialize=["points", "plane", "levels", "mip_texels", "batched"])
def sample(
    tex, mips, uv, uv_da, images, out, points, plane, height, width, levels, mip_texels, batched,
    CHANNELS: tl.constexpr, HAS_DA: tl.constexpr, HAS_IMAGES: tl.constexpr,
    BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """out [N,C] at uv [N,2], uv_da [N,4]. The image of a point is images [N] (-1: leave it out,
    the result is 0), or else its place divided by `plane`; batched: 0 where one texture is for
    all images, else 1."""
    point = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = point < points
    u, v, level, share, first, first_mip, use = _place(
        uv, uv_da, images, point, mask, height, width, levels, plane, batched, mip_texels,
        HAS_DA, HAS_IMAGES,
    )  # fmt: skip
    texels = (level * 0 + height).to(tl.int64) * width
    channel = tl.program_id(1) * AT_ONCE + tl.arange(0, AT_ONCE)[None, :]
    write = mask[:, None] & (channel < CHANNELS)
    total = tl.zeros([BLOCK, AT_ONCE], dtype=tex.dtype.element_ty)
    for step in tl.static_range(2):
        if HAS_DA or step == 0:
            here = level + step
            weight = share if step == 1 else 1.0 - share
            in_mips = here > 0
            here = tl.minimum(here, levels)
            read = write & (use & (weight > 0.0))[:, None]
            x0, x1, y0, y1, fx, fy, _, _, wide = _bilinear(u, v, here, height, width)
            start = tl.where(in_mips, first_mip + _offset(here, texels), first)
            top, bottom = start + y0 * wide, start + y1 * wide
            w00 = (weight * (1.0 - fx) * (1.0 - fy)).to(total.dtype)[:, None]
            w01 = (weight * fx * (1.0 - fy)).to(total.dtype)[:, None]
            w10 = (weight * (1.0 - fx) * fy).to(total.dtype)[:, None]
            w11 = (weight * fx * fy).to(total.dtype)[:, None]
            total += (
                w00 * _fetch(tex, mips, top + x0, in_mips, read, CHANNELS, channel)
                + w01 * _fetch(tex, mips, top + x1, in_mips, read, CHANNELS, channel)
                + w10 * _fetch(tex, mips, bottom + x0, in_mips, read, CHANNELS, channel)
                + w11 * _fetch(tex, mips, bottom + x1, in_mips, read, CHANNELS, channel)
            )
    tl.store(out + point.to(tl.int64)[:, None] * CHANNELS + channel, total, mask=write)


@triton.jit(do_not_specialize=["points", "plane", "levels", "mip_texels", "batched", "bits"])
def sample_backward(
    grad, tex, mips, uv, uv_da, images, total, total_mips, limit, grad_uv,
    points, plane, height, width, levels, mip_texels, batched, bits,
    CHANNELS: tl.constexpr, HAS_DA: tl.constexpr, HAS_IMAGES: tl.constexpr,
    WITH_TEX: tl.constexpr, WITH_UV: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """grad [N,C] to grad_uv [N,2] (level of detail held constant) and to `total` [B*h*w,C] and
    `total_mips` [B*M,C], int64. limit: of grad, as the weights are at most 1."""
    point = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = point < points
    u, v, level, share, first, first_mip, use = _place(
        uv, uv_da, images, point, mask, height, width, levels, plane, batched, mip_texels,
        HAS_DA, HAS_IMAGES,
    )  # fmt: skip
    texels = (level * 0 + height).to(tl.int64) * width
    place = point.to(tl.int64)[:, None] * CHANNELS
    scale = 0.0
    if WITH_TEX:
        scale = fixed_scale(tl.load(limit), bits)
    gu, gv = u * 0.0, u * 0.0
    for step in tl.static_range(2):
        if HAS_DA or step == 0:
            here = level + step
            weight = share if step == 1 else 1.0 - share
            in_mips = here > 0
            here = tl.minimum(here, levels)
            shared = use & (weight > 0.0)
            x0, x1, y0, y1, fx, fy, slope_u, slope_v, wide = _bilinear(u, v, here, height, width)
            start = tl.where(in_mips, first_mip + _offset(here, texels), first)
            k00, k01 = start + y0 * wide + x0, start + y0 * wide + x1
            k10, k11 = start + y1 * wide + x0, start + y1 * wide + x1
            d00, d01, d10, d11 = u * 0.0, u * 0.0, u * 0.0, u * 0.0
            for c in range(0, CHANNELS, AT_ONCE):
                channel = c + tl.arange(0, AT_ONCE)[None, :]
                read = shared[:, None] & (channel < CHANNELS)
                g = tl.load(grad + place + channel, mask=read, other=0.0)
                if WITH_UV:
                    d00 += tl.sum(
                        (g * _fetch(tex, mips, k00, in_mips, read, CHANNELS, channel)).to(
                            tl.float64
                        ),
                        axis=1,
                    )
                    d01 += tl.sum(
                        (g * _fetch(tex, mips, k01, in_mips, read, CHANNELS, channel)).to(
                            tl.float64
                        ),
                        axis=1,
                    )
                    d10 += tl.sum(
                        (g * _fetch(tex, mips, k10, in_mips, read, CHANNELS, channel)).to(
                            tl.float64
                        ),
                        axis=1,
                    )
                    d11 += tl.sum(
                        (g * _fetch(tex, mips, k11, in_mips, read, CHANNELS, channel)).to(
                            tl.float64
                        ),
                        axis=1,
                    )
                if WITH_TEX:
                    read = read & (g != 0.0)
                    w = (weight * scale)[:, None]
                    ex, ey = fx[:, None], fy[:, None]
                    near, far = read & ~in_mips[:, None], read & in_mips[:, None]
                    _spread(
                        total,
                        total_mips,
                        k00,
                        channel,
                        g * (1.0 - ex) * (1.0 - ey),
                        w,
                        near,
                        far,
                        CHANNELS,
                    )
                    _spread(
                        total, total_mips, k01, channel, g * ex * (1.0 - ey), w, near, far, CHANNELS
                    )
                    _spread(
                        total, total_mips, k10, channel, g * (1.0 - ex) * ey, w, near, far, CHANNELS
                    )
                    _spread(total, total_mips, k11, channel, g * ex * ey, w, near, far, CHANNELS)
            if WITH_UV:
                gu += weight * slope_u * (d01 - d00 + fy * (d11 - d10 - d01 + d00))
                gv += weight * slope_v * (d10 - d00 + fx * (d11 - d01 - d10 + d00))
    if WITH_UV:
        tl.store(grad_uv + 2 * point, gu, mask=mask)
        tl.store(grad_uv + 2 * point + 1, gv, mask=mask)


@triton.jit
def _spread(total, total_mips, texel, channel, value, scale, near, far, CHANNELS: tl.constexpr):
    row = texel[:, None] * CHANNELS + channel
    add_fixed(total, row, value, scale, near)
    add_fixed(total_mips, row, value, scale, far)


@triton.jit(do_not_specialize=["count", "bits", "mip_texels", "levels"])
def gather_levels(
    total, total_mips, limit, out, count, bits, height, width, levels, mip_texels,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient [B*h*w,C] of a texture: its own sum and a share of 1/4^l of the texel of each
    level l that holds it. The transpose of `halve`, of all levels at once."""
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    channel, texel = index % CHANNELS, index // CHANNELS
    texels = (texel * 0 + height) * width
    image, texel = texel // texels, texel % texels
    y, x = texel // width, texel % width
    value = tl.load(total + index, mask=mask, other=0).to(tl.float64)
    share = 1.0
    for level in range(1, levels + 1):
        shift = (texel * 0 + level).to(tl.int32)
        wide = (texel * 0 + width) >> shift
        place = image * mip_texels + _offset(shift, texels) + (y >> shift) * wide + (x >> shift)
        found = tl.load(total_mips + place * CHANNELS + channel, mask=mask, other=0)
        share = share * 0.25
        value += found.to(tl.float64) * share
    greatest = tl.load(limit)
    value = value * power_of_two((greatest >> 23) - 126 - bits)
    tl.store(out + index, tl.where((greatest >> 23) == 255, float("nan"), value), mask=mask)
