"""Numba kernels of analytic antialiasing, after Laine et al. 2020 (2011.03277), section 3.5.

Two neighbouring pixels that show different triangles are a pair. From the nearer one (the
front) we walk along the line between the two centres, from triangle to triangle over shared
edges, until the surface ends in a silhouette: a border edge, or one whose two triangles lie on
the same side of it. Walking on (rather than looking at the front triangle alone) keeps
silhouettes smooth when triangles there are thinner than a pixel. If the silhouette lies at
`d` in 0..1 from the front centre, then coverage moves by d - 1/2 of a pixel:
out[b if d >= 1/2 else a] += (d - 1/2) (color[a] - color[b]). Only edges within 45 degrees of
perpendicular to the pair count, so that no coverage is counted twice.
"""

from __future__ import annotations

import numpy as np

from fitme.render.backends.cpu.compile import kernel

MAX_STEPS = 32


@kernel
def edge_neighbors(tri, vertices):
    """[T,3]: the triangle across the edge opposite each corner, -1 at a border. Edges are
    bucketed by their lower vertex; a third triangle on an edge is treated as a border."""
    count = tri.shape[0]
    starts = np.zeros(vertices + 1, np.int32)
    low = np.empty(3 * count, np.int32)
    high = np.empty(3 * count, np.int32)
    for t in range(count):
        for e in range(3):
            a, b = tri[t, (e + 1) % 3], tri[t, (e + 2) % 3]
            low[3 * t + e], high[3 * t + e] = min(a, b), max(a, b)
            starts[min(a, b) + 1] += 1
    for v in range(vertices):
        starts[v + 1] += starts[v]
    fill = starts[:-1].copy()
    order = np.empty(3 * count, np.int32)
    for k in range(3 * count):
        order[fill[low[k]]] = k
        fill[low[k]] += 1
    out = np.full((count, 3), -1, np.int32)
    for v in range(vertices):
        for i in range(starts[v], starts[v + 1]):
            k = order[i]
            if out[k // 3, k % 3] >= 0:
                continue
            for j in range(i + 1, starts[v + 1]):
                m = order[j]
                if high[m] == high[k] and out[m // 3, m % 3] < 0 and m // 3 != k // 3:
                    out[k // 3, k % 3] = m // 3
                    out[m // 3, m % 3] = k // 3
                    break
    return out


@kernel
def screen_points(chunk, start, end, clip, height, width, out):
    """[N,3]: x, y with pixel centres at integers, and w."""
    for i in range(start, end):
        w = float(clip[i, 3])
        out[i, 2] = w
        if w > 0.0:
            out[i, 0] = (float(clip[i, 0]) / w * 0.5 + 0.5) * width - 0.5
            out[i, 1] = (float(clip[i, 1]) / w * 0.5 + 0.5) * height - 0.5


@kernel
def walk(points, tri, neighbors, base, t, goal, axis, line, origin, direction):
    """(i, j, d): the silhouette edge and its distance from the front centre, or (-1, -1, 0)."""
    edge, best = -1, -1e30
    for e in range(3):
        i, j = base + tri[t, (e + 1) % 3], base + tri[t, (e + 2) % 3]
        a, b = points[i, 1 - axis], points[j, 1 - axis]
        if (a >= line) != (b >= line):
            r = (line - a) / (b - a)  # where the edge crosses the line
            d = (points[i, axis] + r * (points[j, axis] - points[i, axis]) - origin) * direction
            if d > best:
                edge, best = e, d
    if edge < 0:
        return -1, -1, 0.0
    i, j = base + tri[t, (edge + 1) % 3], base + tri[t, (edge + 2) % 3]
    own = base + tri[t, edge]
    for _ in range(MAX_STEPS):
        if best >= 1.0:
            break
        ex, ey = points[j, 0] - points[i, 0], points[j, 1] - points[i, 1]
        other = neighbors[t, edge]
        apex = -1
        if other >= 0:
            for k in range(3):
                if neighbors[other, k] == t:
                    corner = base + tri[other, k]
                    if corner != i and corner != j:
                        apex, edge = corner, k
            if apex < 0 or points[apex, 2] <= 0.0:
                break
            side = ex * (points[own, 1] - points[i, 1]) - ey * (points[own, 0] - points[i, 0])
            far = ex * (points[apex, 1] - points[i, 1]) - ey * (points[apex, 0] - points[i, 0])
            if (side > 0.0) != (far > 0.0):
                if other == goal:
                    break
                # step into the neighbour and find the edge by which the line leaves it
                if (points[apex, 1 - axis] >= line) == (points[i, 1 - axis] >= line):
                    own, i = i, apex
                else:
                    own, j = j, apex
                for k in range(3):
                    if base + tri[other, k] == own:
                        edge = k
                t = other
                a, b = points[i, 1 - axis], points[j, 1 - axis]
                r = (line - a) / (b - a)
                cross = points[i, axis] + r * (points[j, axis] - points[i, axis])
                best = (cross - origin) * direction
                continue
        across, along = (ey, ex) if axis == 0 else (ex, ey)
        if abs(across) < abs(along) or best < 0.0:
            break
        return i, j, best
    return -1, -1, 0.0


@kernel
def find_pairs(
    chunk,
    start,
    end,
    rast,
    points,
    tri,
    neighbors,
    vertices,
    height,
    width,
    counts,
    pixels,
    edges,
    distance,
):
    """For image rows start..end (of B*H) list (front, back) pixels, edge vertices, distance."""
    for row in range(start, end):
        image, y = row // height, row % height
        base = image * vertices
        n = 0
        for x in range(width):
            p = row * width + x
            first = rast[p, 3]
            for axis in range(2):
                if (x + 1 >= width) if axis == 0 else (y + 1 >= height):
                    continue
                q = p + (1 if axis == 0 else width)
                second = rast[q, 3]
                if first == second:
                    continue
                forward = second == 0 or (first > 0 and rast[p, 2] <= rast[q, 2])
                front, back = (p, q) if forward else (q, p)
                t, goal = int(rast[front, 3]) - 1, int(rast[back, 3]) - 1
                if goal >= 0 and (
                    neighbors[t, 0] == goal or neighbors[t, 1] == goal or neighbors[t, 2] == goal
                ):
                    continue
                line = float(y if axis == 0 else x)
                origin = float(x if axis == 0 else y) + (0.0 if forward else 1.0)
                i, j, d = walk(
                    points,
                    tri,
                    neighbors,
                    base,
                    t,
                    goal,
                    axis,
                    line,
                    origin,
                    1.0 if forward else -1.0,
                )
                if i >= 0:
                    pixels[row, n, 0], pixels[row, n, 1] = front, back
                    edges[row, n, 0], edges[row, n, 1] = i, j
                    distance[row, n] = d
                    n += 1
        counts[row] = n


@kernel
def compress(counts, pixels, edges, distance, pairs, flat):
    """The rows' lists as one: pairs [n,4] = (front, back, edge vertices), flat [n] distance."""
    n = 0
    for row in range(counts.shape[0]):
        for k in range(counts[row]):
            pairs[n, 0], pairs[n, 1] = pixels[row, k, 0], pixels[row, k, 1]
            pairs[n, 2], pairs[n, 3] = edges[row, k, 0], edges[row, k, 1]
            flat[n] = distance[row, k]
            n += 1


@kernel
def apply_pairs(pairs, distance, color, difference):
    """Correct color [P,C] in place; difference [n,C] keeps color[front] - color[back]."""
    for k in range(pairs.shape[0]):
        for c in range(color.shape[1]):
            difference[k, c] = color[pairs[k, 0], c] - color[pairs[k, 1], c]
    for k in range(pairs.shape[0]):
        weight = distance[k] - 0.5
        target = pairs[k, 1] if weight >= 0 else pairs[k, 0]
        for c in range(color.shape[1]):
            color[target, c] += weight * difference[k, c]


@kernel
def apply_pairs_backward(pairs, distance, difference, grad, grad_color, grad_distance):
    """grad_color starts as a copy of grad [P,C]; adds to grad_distance [n]."""
    for k in range(pairs.shape[0]):
        a, b = pairs[k, 0], pairs[k, 1]
        weight = distance[k] - 0.5
        target = b if weight >= 0 else a
        for c in range(grad.shape[1]):
            g = grad[target, c]
            grad_color[a, c] += weight * g
            grad_color[b, c] -= weight * g
            grad_distance[k] += g * difference[k, c]


@kernel
def distance_backward(pairs, grad_distance, points, clip, width, height, grad_clip):
    """Add to grad_clip [B*V,4]: the crossing point moves with the edge's two vertices."""
    for k in range(pairs.shape[0]):
        a, b = pairs[k, 0], pairs[k, 1]
        gd = grad_distance[k] if b > a else -grad_distance[k]
        if gd == 0.0:
            continue
        axis = 0 if a // width == b // width else 1
        line = float((a // width) % height) if axis == 0 else float(a % width)
        i, j = pairs[k, 2], pairs[k, 3]
        span = points[j, 1 - axis] - points[i, 1 - axis]
        r = (line - points[i, 1 - axis]) / span
        tilt = -(points[j, axis] - points[i, axis]) / span
        for end in range(2):
            vertex, share = (j, r) if end else (i, 1.0 - r)
            along, across = gd * share, gd * share * tilt
            gx, gy = (along, across) if axis == 0 else (across, along)
            inverse = 1.0 / points[vertex, 2]
            gx, gy = gx * 0.5 * width * inverse, gy * 0.5 * height * inverse
            grad_clip[vertex, 0] += gx
            grad_clip[vertex, 1] += gy
            grad_clip[vertex, 3] -= (gx * clip[vertex, 0] + gy * clip[vertex, 1]) * inverse
