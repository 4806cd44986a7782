"""Triton kernels of analytic antialiasing, the twins of `kernels_antialias` of the CPU backend,
which describes the method (after Laine et al. 2020, 2011.03277, section 3.5).

A pair is a pixel p and its neighbour q to the right (axis 0) or below (axis 1). `shift` [2,P]
holds s = x - (p + 1/2) for the place x of the silhouette along the axis; s (color[p] - color[q])
is added to q where s >= 0, else to p. Where no silhouette is, s is 0. Each pixel looks at the four
pairs that it is part of, in one order: nothing is written twice and sums come out the same.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render.backends.triton.fixed_point import add_fixed, fixed_scale, magnitude_bits

MAX_STEPS = 32


@triton.jit(do_not_specialize=["count"])
def screen_points(clip, points, count, height, width, BLOCK: tl.constexpr):
    """[N,3] float64: x, y with pixel centres at integers, and w."""
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < count
    w = tl.load(clip + 4 * index + 3, mask=mask, other=1.0).to(tl.float64)
    safe = tl.where(w > 0.0, w, 1.0)
    x = tl.load(clip + 4 * index, mask=mask, other=0.0).to(tl.float64) / safe
    y = tl.load(clip + 4 * index + 1, mask=mask, other=0.0).to(tl.float64) / safe
    tl.store(points + 3 * index, (x * 0.5 + 0.5) * width - 0.5, mask=mask)
    tl.store(points + 3 * index + 1, (y * 0.5 + 0.5) * height - 0.5, mask=mask)
    tl.store(points + 3 * index + 2, w, mask=mask)


@triton.jit
def _cross(points, i, j, axis, line, mask):
    """Where the edge from vertex i to j crosses the line, along the axis; and whether it does."""
    a = tl.load(points + 3 * i + 1 - axis, mask=mask, other=0.0)
    b = tl.load(points + 3 * j + 1 - axis, mask=mask, other=0.0)
    crosses = mask & ((a >= line) != (b >= line))
    r = (line - a) / tl.where(crosses, b - a, 1.0)
    start = tl.load(points + 3 * i + axis, mask=mask, other=0.0)
    stop = tl.load(points + 3 * j + axis, mask=mask, other=0.0)
    return start + r * (stop - start), crosses


@triton.jit(do_not_specialize=["pixels", "vertices"])
def find_pairs(
    rast, points, tri, neighbors, shift, edges, pixels, vertices, height, width,
    MAX_STEPS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """shift [2,P] float64 and edges [2,P,2], the silhouette edge's vertices in B*V."""
    axis = tl.program_id(1)
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = p < pixels
    x, y = p % width, (p // width) % height
    base = (p // width // height) * vertices
    last = tl.where(axis == 0, x + 1 >= width, y + 1 >= height)
    pair = mask & ~last
    q = tl.where(pair, p + tl.where(axis == 0, 1, width), p)
    one = tl.load(rast + 4 * p + 3, mask=pair, other=0.0).to(tl.int32)
    two = tl.load(rast + 4 * q + 3, mask=pair, other=0.0).to(tl.int32)
    z_one = tl.load(rast + 4 * p + 2, mask=pair, other=0.0)
    z_two = tl.load(rast + 4 * q + 2, mask=pair, other=0.0)
    forward = (two == 0) | ((one > 0) & (z_one <= z_two))
    active = pair & (one != two)
    t = tl.where(active, tl.where(forward, one, two) - 1, 0)
    goal = tl.where(forward, two, one) - 1
    n0 = tl.load(neighbors + 3 * t, mask=active, other=-1)
    n1 = tl.load(neighbors + 3 * t + 1, mask=active, other=-1)
    n2 = tl.load(neighbors + 3 * t + 2, mask=active, other=-1)
    active = active & ~((goal >= 0) & ((n0 == goal) | (n1 == goal) | (n2 == goal)))
    line = tl.where(axis == 0, y, x).to(tl.float64)
    middle = tl.where(axis == 0, x, y).to(tl.float64) + 0.5  # of the two centres
    direction = tl.where(forward, 1.0, -1.0).to(tl.float64)
    origin = middle - 0.5 * direction

    c0 = base + tl.load(tri + 3 * t, mask=active, other=0)
    c1 = base + tl.load(tri + 3 * t + 1, mask=active, other=0)
    c2 = base + tl.load(tri + 3 * t + 2, mask=active, other=0)
    x0, hit0 = _cross(points, c1, c2, axis, line, active)
    x1, hit1 = _cross(points, c2, c0, axis, line, active)
    x2, hit2 = _cross(points, c0, c1, axis, line, active)
    best = tl.where(hit0, (x0 - origin) * direction, -1e30)
    edge = tl.where(hit0, 0, -1)
    d = tl.where(hit1, (x1 - origin) * direction, -1e30)
    edge, best = tl.where(d > best, 1, edge), tl.maximum(d, best)
    d = tl.where(hit2, (x2 - origin) * direction, -1e30)
    edge, best = tl.where(d > best, 2, edge), tl.maximum(d, best)
    active = active & (edge >= 0)
    i = tl.where(edge == 0, c1, tl.where(edge == 1, c2, c0))
    j = tl.where(edge == 0, c2, tl.where(edge == 1, c0, c1))
    own = tl.where(edge == 0, c0, tl.where(edge == 1, c1, c2))

    found = t < 0  # none yet
    step = 0
    while (step < MAX_STEPS) & (tl.max(active.to(tl.int32), axis=0) > 0):
        step += 1
        active = active & (best < 1.0)
        ix = tl.load(points + 3 * i, mask=active, other=0.0)
        iy = tl.load(points + 3 * i + 1, mask=active, other=0.0)
        ex = tl.load(points + 3 * j, mask=active, other=0.0) - ix
        ey = tl.load(points + 3 * j + 1, mask=active, other=0.0) - iy
        other = tl.load(neighbors + 3 * t + edge, mask=active, other=-1)
        has = active & (other >= 0)
        o0 = base + tl.load(tri + 3 * other, mask=has, other=0)
        o1 = base + tl.load(tri + 3 * other + 1, mask=has, other=0)
        o2 = base + tl.load(tri + 3 * other + 2, mask=has, other=0)
        back0 = has & (tl.load(neighbors + 3 * other, mask=has, other=-1) == t)
        back1 = has & (tl.load(neighbors + 3 * other + 1, mask=has, other=-1) == t)
        back2 = has & (tl.load(neighbors + 3 * other + 2, mask=has, other=-1) == t)
        apex = tl.where(back0 & (o0 != i) & (o0 != j), o0, -1)
        apex = tl.where(back1 & (o1 != i) & (o1 != j), o1, apex)
        apex = tl.where(back2 & (o2 != i) & (o2 != j), o2, apex)
        w = tl.load(points + 3 * apex + 2, mask=has & (apex >= 0), other=0.0)
        lost = has & ((apex < 0) | (w <= 0.0))
        seen = has & ~lost
        sx = tl.load(points + 3 * own, mask=seen, other=0.0) - ix
        sy = tl.load(points + 3 * own + 1, mask=seen, other=0.0) - iy
        fx = tl.load(points + 3 * apex, mask=seen, other=0.0) - ix
        fy = tl.load(points + 3 * apex + 1, mask=seen, other=0.0) - iy
        passes = seen & ((ex * sy - ey * sx > 0.0) != (ex * fy - ey * fx > 0.0))
        # a silhouette: the surface ends here or turns back
        ends = active & ~lost & ~passes
        across = tl.where(axis == 0, ey, ex)
        along = tl.where(axis == 0, ex, ey)
        found = found | (ends & (tl.abs(across) >= tl.abs(along)) & (best >= 0.0))
        # or step into the neighbour and find the edge by which the line leaves it
        active = passes & (other != goal)
        apex_side = tl.load(points + 3 * apex + 1 - axis, mask=active, other=0.0) >= line
        i_side = tl.load(points + 3 * i + 1 - axis, mask=active, other=0.0) >= line
        same = active & (apex_side == i_side)
        opposite = active & (apex_side != i_side)
        own = tl.where(same, i, tl.where(opposite, j, own))
        i = tl.where(same, apex, i)
        j = tl.where(opposite, apex, j)
        leaves = tl.where(o2 == own, 2, tl.where(o1 == own, 1, tl.where(o0 == own, 0, edge)))
        edge = tl.where(active, leaves, edge)
        t = tl.where(active, other, t)
        cross, _ = _cross(points, i, j, axis, line, active)
        best = tl.where(active, (cross - origin) * direction, best)

    place = axis * pixels + p
    tl.store(shift + place, tl.where(found, (best - 0.5) * direction, 0.0), mask=mask)
    tl.store(edges + 2 * place, tl.where(found, i, -1), mask=mask)
    tl.store(edges + 2 * place + 1, tl.where(found, j, -1), mask=mask)


@triton.jit
def _pair(
    shift, source, own, p, axis, first, ok, channel, pixels, width,
    BACKWARD: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """What the pair of pixel `first` and the next along the axis adds to pixel p, one of them.
    Forward source is the color; backward the gradient of the result. own: source at p."""
    s = tl.load(shift + axis * pixels + first, mask=ok, other=0.0)
    second = first + (1 if axis == 0 else width)
    other = tl.where(first == p, second, first)
    target = tl.where(s >= 0.0, second, first)
    sign = tl.where(first == p, s, -s)
    if BACKWARD:
        use, place = (s != 0.0), target
    else:
        use, place = (s != 0.0) & (target == p), other
    place = place.to(tl.int64)[:, None]
    read = use[:, None] & (channel < CHANNELS)
    value = tl.load(source + place * CHANNELS + channel, mask=read, other=0.0)
    weight = sign.to(value.dtype)[:, None]
    if BACKWARD:
        return weight * value
    return tl.where(read, weight * (own - value), 0.0)


@triton.jit(do_not_specialize=["pixels"])
def blend(
    source, shift, out, pixels, height, width,
    BACKWARD: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """The antialiased color [P,C]; or, backward, the gradient of the color from that of it."""
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = p < pixels
    x, y = p % width, (p // width) % height
    channel = tl.program_id(1) * AT_ONCE + tl.arange(0, AT_ONCE)[None, :]
    use = mask[:, None] & (channel < CHANNELS)
    place = p.to(tl.int64)[:, None] * CHANNELS + channel
    own = tl.load(source + place, mask=use, other=0.0)
    total = own
    total += _pair(
        shift,
        source,
        own,
        p,
        1,
        p - width,
        mask & (y > 0),
        channel,
        pixels,
        width,
        BACKWARD,
        CHANNELS,
    )
    total += _pair(
        shift, source, own, p, 0, p - 1, mask & (x > 0), channel, pixels, width, BACKWARD, CHANNELS
    )
    total += _pair(shift, source, own, p, 0, p, mask, channel, pixels, width, BACKWARD, CHANNELS)
    total += _pair(shift, source, own, p, 1, p, mask, channel, pixels, width, BACKWARD, CHANNELS)
    tl.store(out + place, total, mask=use)


@triton.jit
def _vertex_gradient(
    total,
    limit,
    clip,
    points,
    vertex,
    share,
    along,
    across,
    axis,
    height,
    width,
    scale,
    mask,
    MEASURE: tl.constexpr,
):
    inverse = 1.0 / tl.load(points + 3 * vertex + 2, mask=mask, other=1.0)
    gx = tl.where(axis == 0, along, across) * share * 0.5 * width * inverse
    gy = tl.where(axis == 0, across, along) * share * 0.5 * height * inverse
    x = tl.load(clip + 4 * vertex, mask=mask, other=0.0)
    y = tl.load(clip + 4 * vertex + 1, mask=mask, other=0.0)
    gw = -(gx * x + gy * y) * inverse
    if MEASURE:
        greatest = tl.maximum(magnitude_bits(gx), magnitude_bits(gy))
        greatest = tl.where(mask, tl.maximum(greatest, magnitude_bits(gw)), 0)
        tl.atomic_max(limit, tl.max(greatest, axis=0), sem="relaxed")
    else:
        offset = 4 * vertex.to(tl.int64)
        add_fixed(total, offset, gx, scale, mask)
        add_fixed(total, offset + 1, gy, scale, mask)
        add_fixed(total, offset + 3, gw, scale, mask)


@triton.jit(do_not_specialize=["pixels", "bits"])
def move_edges(
    grad, color, shift, edges, points, clip, total, limit, pixels, height, width, bits,
    MEASURE: tl.constexpr, CHANNELS: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """The gradient of `shift` on to the silhouettes' vertices, whose edge's crossing is its place.
    Once to find the greatest contribution (MEASURE), once to add them to total [B*V,4] int64."""
    axis = tl.program_id(1)
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = p < pixels
    place = axis * pixels + p
    i = tl.load(edges + 2 * place, mask=mask, other=-1)
    j = tl.load(edges + 2 * place + 1, mask=mask, other=-1)
    pair = mask & (i >= 0)
    if tl.max(pair.to(tl.int32), axis=0) > 0:
        q = p + tl.where(axis == 0, 1, width)
        s = tl.load(shift + place, mask=pair, other=0.0)
        slope = s * 0.0
        target = tl.where(s >= 0.0, q, p).to(tl.int64)[:, None]
        first, second = p.to(tl.int64)[:, None], q.to(tl.int64)[:, None]
        for c in range(0, CHANNELS, AT_ONCE):
            channel = c + tl.arange(0, AT_ONCE)[None, :]
            read = pair[:, None] & (channel < CHANNELS)
            g = tl.load(grad + target * CHANNELS + channel, mask=read, other=0.0)
            one = tl.load(color + first * CHANNELS + channel, mask=read, other=0.0)
            two = tl.load(color + second * CHANNELS + channel, mask=read, other=0.0)
            slope += tl.sum((g * (one - two)).to(tl.float64), axis=1)
        pair = pair & (slope != 0.0)
        x, y = p % width, (p // width) % height
        line = tl.where(axis == 0, y, x).to(tl.float64)
        a = tl.load(points + 3 * i + 1 - axis, mask=pair, other=0.0)
        span = tl.where(pair, tl.load(points + 3 * j + 1 - axis, mask=pair, other=1.0) - a, 1.0)
        r = (line - a) / span
        start = tl.load(points + 3 * i + axis, mask=pair, other=0.0)
        tilt = (start - tl.load(points + 3 * j + axis, mask=pair, other=0.0)) / span
        scale = slope
        if not MEASURE:
            scale = fixed_scale(tl.load(limit), bits)
        across = slope * tilt
        _vertex_gradient(
            total,
            limit,
            clip,
            points,
            i,
            1.0 - r,
            slope,
            across,
            axis,
            height,
            width,
            scale,
            pair,
            MEASURE,
        )
        _vertex_gradient(
            total,
            limit,
            clip,
            points,
            j,
            r,
            slope,
            across,
            axis,
            height,
            width,
            scale,
            pair,
            MEASURE,
        )
