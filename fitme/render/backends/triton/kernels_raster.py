"""Triton kernels of the z-buffer: what `kernels_raster` of the CPU backend does, for a GPU.

Geometry is computed in float64, as there, so that both cover the same pixels. The z-buffer `keys`
[B*H*W] holds, as one int64, depth above triangle: the least key is the nearest surface, and at
the same depth the triangle with the lower index, whatever the order in which they are drawn. Small
triangles are drawn by one program each; the large ones are listed, and every program of a second
kernel draws its share of the tiles of each.
"""

from __future__ import annotations

import triton
import triton.language as tl

ID_BITS = 24  # as many triangles as a float32 can count
DEPTH_SCALE = 2.0**37  # z/w + 1 in 0..2 as an integer: with the index above, 62 bits
EMPTY = 0x7FFFFFFFFFFFFFFF
MIN_W = 1e-6  # corners at or behind this depth drop the triangle


@triton.jit
def _load_corner(clip, index, mask, height, width, MIN_W: tl.constexpr):
    """x, y in pixels (centres at integers), z/w, and whether the corner is in front."""
    w = tl.load(clip + 4 * index + 3, mask=mask, other=0.0).to(tl.float64)
    front = w > MIN_W
    w = tl.where(front, w, 1.0)
    x = tl.load(clip + 4 * index, mask=mask, other=0.0).to(tl.float64) / w
    y = tl.load(clip + 4 * index + 1, mask=mask, other=0.0).to(tl.float64) / w
    z = tl.load(clip + 4 * index + 2, mask=mask, other=0.0).to(tl.float64) / w
    return (x * 0.5 + 0.5) * width - 0.5, (y * 0.5 + 0.5) * height - 0.5, z, front


@triton.jit
def _first_integer(low, size):
    """The least integer >= low, within 0..size, as int32."""
    clamped = tl.minimum(tl.maximum(low, 0.0), low * 0.0 + size)
    cut = clamped.to(tl.int32)
    return cut + (cut.to(tl.float64) < clamped).to(tl.int32)


@triton.jit
def _last_integer(high, size):
    """The greatest integer <= high, within 0..size-1, as int32; high >= 0."""
    return tl.minimum(tl.maximum(high, 0.0), high * 0.0 + (size - 1)).to(tl.int32)


@triton.jit(do_not_specialize=["items", "triangles", "vertices"])
def set_up(
    clip,
    tri,
    screen,
    boxes,
    large,
    items,
    triangles,
    vertices,
    height,
    width,
    MIN_W: tl.constexpr,
    TILE: tl.constexpr,
    MOST: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of each of B*T triangles: the corners' x, y, z/w on the screen [B*T,9] float64 and the box
    of pixel centres [B*T,4] (first and last column, first and last row; empty where nothing
    shows). Those with more than MOST tiles are listed in `large`: their number, then they."""
    item = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = item < items
    base = (item // triangles) * vertices
    t = item % triangles
    i0 = base + tl.load(tri + 3 * t, mask=mask, other=0)
    i1 = base + tl.load(tri + 3 * t + 1, mask=mask, other=0)
    i2 = base + tl.load(tri + 3 * t + 2, mask=mask, other=0)
    ax, ay, az, front_a = _load_corner(clip, i0, mask, height, width, MIN_W)
    bx, by, bz, front_b = _load_corner(clip, i1, mask, height, width, MIN_W)
    cx, cy, cz, front_c = _load_corner(clip, i2, mask, height, width, MIN_W)
    left, right = tl.minimum(tl.minimum(ax, bx), cx), tl.maximum(tl.maximum(ax, bx), cx)
    low, high = tl.minimum(tl.minimum(ay, by), cy), tl.maximum(tl.maximum(ay, by), cy)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    shows = front_a & front_b & front_c & mask & (area != 0.0)
    shows = shows & (right >= 0.0) & (left <= width - 1) & (high >= 0.0) & (low <= height - 1)
    x0, x1 = _first_integer(left, width), _last_integer(right, width)
    y0, y1 = _first_integer(low, height), _last_integer(high, height)
    shows = shows & (x0 <= x1) & (y0 <= y1)
    tl.store(screen + 9 * item, ax, mask=mask)
    tl.store(screen + 9 * item + 1, ay, mask=mask)
    tl.store(screen + 9 * item + 2, az, mask=mask)
    tl.store(screen + 9 * item + 3, bx, mask=mask)
    tl.store(screen + 9 * item + 4, by, mask=mask)
    tl.store(screen + 9 * item + 5, bz, mask=mask)
    tl.store(screen + 9 * item + 6, cx, mask=mask)
    tl.store(screen + 9 * item + 7, cy, mask=mask)
    tl.store(screen + 9 * item + 8, cz, mask=mask)
    tl.store(boxes + 4 * item, tl.where(shows, x0, 1), mask=mask)
    tl.store(boxes + 4 * item + 1, tl.where(shows, x1, 0), mask=mask)
    tl.store(boxes + 4 * item + 2, tl.where(shows, y0, 1), mask=mask)
    tl.store(boxes + 4 * item + 3, tl.where(shows, y1, 0), mask=mask)
    tiles = ((x1 - x0) // TILE + 1) * ((y1 - y0) // TILE + 1)
    listed = shows & (tiles > MOST)
    place = tl.atomic_add(large + item * 0, item * 0 + 1, mask=listed, sem="relaxed")
    tl.store(large + 1 + place, item, mask=listed)


@triton.jit
def _draw_tiles(
    screen,
    boxes,
    keys,
    item,
    triangles,
    height,
    width,
    first,
    step,
    most,
    DEPTH_SCALE: tl.constexpr,
    ID_BITS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Draw tiles first, first + step.. of a triangle into the z-buffer; none if it has more than
    `most`."""
    x0, x1 = tl.load(boxes + 4 * item), tl.load(boxes + 4 * item + 1)
    y0, y1 = tl.load(boxes + 4 * item + 2), tl.load(boxes + 4 * item + 3)
    across = tl.maximum(x1 - x0 + TILE, 0) // TILE
    tiles = across * (tl.maximum(y1 - y0 + TILE, 0) // TILE)
    tiles = tl.where((tiles > most) | (x1 < x0), 0, tiles)
    if tiles > first:
        corner = screen + 9 * item
        ax, ay, az = tl.load(corner), tl.load(corner + 1), tl.load(corner + 2)
        bx, by, bz = tl.load(corner + 3), tl.load(corner + 4), tl.load(corner + 5)
        cx, cy, cz = tl.load(corner + 6), tl.load(corner + 7), tl.load(corner + 8)
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        sign = tl.where(area > 0.0, 1.0, -1.0).to(tl.float64)
        sax, say = sign * (by - cy), sign * (cx - bx)
        sbx, sby = sign * (cy - ay), sign * (ax - cx)
        scx, scy = sign * (ay - by), sign * (bx - ax)
        slope = sign / area
        plane = keys + (item // triangles).to(tl.int64) * height * width
        t = (item % triangles).to(tl.int64)
        for tile in range(first, tiles, step):
            column = x0 + (tile % across) * TILE + tl.arange(0, TILE)[None, :]
            row = y0 + (tile // across) * TILE + tl.arange(0, TILE)[:, None]
            x, y = column.to(tl.float64), row.to(tl.float64)
            ea = sax * (x - bx) + say * (y - by)
            eb = sbx * (x - cx) + sby * (y - cy)
            ec = scx * (x - ax) + scy * (y - ay)
            z = slope * (ea * az + eb * bz + ec * cz)
            hit = (column <= x1) & (row <= y1) & (ea >= 0.0) & (eb >= 0.0) & (ec >= 0.0)
            hit = hit & (z >= -1.0) & (z <= 1.0)
            place = tl.where(hit, (z + 1.0) * DEPTH_SCALE, 0.0).to(tl.int64)
            key = (place << ID_BITS) | t
            tl.atomic_min(plane + row * width + column, key, mask=hit, sem="relaxed")


@triton.jit(do_not_specialize=["triangles"])
def draw_small(
    screen,
    boxes,
    keys,
    triangles,
    height,
    width,
    DEPTH_SCALE: tl.constexpr,
    ID_BITS: tl.constexpr,
    TILE: tl.constexpr,
    MOST: tl.constexpr,
):
    """One program per triangle that has at most MOST tiles."""
    item = tl.program_id(0)
    _draw_tiles(
        screen, boxes, keys, item, triangles, height, width, 0, 1, MOST, DEPTH_SCALE, ID_BITS, TILE
    )


@triton.jit(do_not_specialize=["triangles"])
def draw_large(
    screen,
    boxes,
    keys,
    large,
    triangles,
    height,
    width,
    DEPTH_SCALE: tl.constexpr,
    ID_BITS: tl.constexpr,
    TILE: tl.constexpr,
):
    """Every program draws its share of the tiles of each listed triangle."""
    first, step = tl.program_id(0), tl.num_programs(0)
    count = tl.load(large)
    for place in range(0, count):
        item = tl.load(large + 1 + place)
        _draw_tiles(
            screen,
            boxes,
            keys,
            item,
            triangles,
            height,
            width,
            first,
            step,
            0x7FFFFFFF,
            DEPTH_SCALE,
            ID_BITS,
            TILE,
        )


@triton.jit(do_not_specialize=["pixels"])
def depths(
    keys, out, pixels, DEPTH_SCALE: tl.constexpr, ID_BITS: tl.constexpr, EMPTY: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """z/w [B*H*W] of the nearest surface, inf where there is none."""
    pixel = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = pixel < pixels
    key = tl.load(keys + pixel, mask=mask, other=EMPTY)
    z = (key >> ID_BITS).to(tl.float64) / DEPTH_SCALE - 1.0
    tl.store(out + pixel, tl.where(key < EMPTY, z, float("inf")), mask=mask)
