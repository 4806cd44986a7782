"""Numba kernels of fine skin: points at even distances on the surface, and what is drawn at them.

All lengths are in the tensors: M = (E, F, G) [R,R,3] of a place gives the squared length of a step
(du, dv) in texture coordinates, E du^2 + 2 F du dv + G dv^2, in units of the points' own spacing.
"""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel


@kernel
def looked_up(tensors, u, v, out):
    """The tensor at (u, v), bilinear between texels' centres, clamped at the border."""
    side = tensors.shape[0]
    x = min(max(u * side - 0.5, 0.0), side - 1.001)
    y = min(max(v * side - 0.5, 0.0), side - 1.001)
    column, row = int(x), int(y)
    a, b = x - column, y - row
    for k in range(3):
        upper = tensors[row, column, k] * (1 - a) + tensors[row, column + 1, k] * a
        lower = tensors[row + 1, column, k] * (1 - a) + tensors[row + 1, column + 1, k] * a
        out[k] = upper * (1 - b) + lower * b


@kernel
def scattered(tensors, jitter, held, points):
    """Throw darts: points [N,2] no nearer to each other than 1; returns how many.

    jitter [K,B,B,2] says where in each bin of `held` [B,B] (-1: none, else its point) to try, K
    times.
    A bin holds one point, so that where texels are wide points get rarer.
    """
    side = held.shape[0]
    metric = tensors[0, 0].copy()
    count = 0
    for turn in range(jitter.shape[0] * 9):  # every third bin first: no row leads the next one
        attempt, phase = turn // 9, (turn * 4) % 9
        for row in range(phase // 3, side, 3):
            for column in range(phase % 3, side, 3):
                if held[row, column] >= 0 or count == points.shape[0]:
                    continue
                u = (column + jitter[attempt, row, column, 0]) / side
                v = (row + jitter[attempt, row, column, 1]) / side
                looked_up(tensors, u, v, metric)
                e, f, g = metric[0], metric[1], metric[2]
                det = max(e * g - f * f, 1e-12)
                wide = min(int(math.sqrt(g / det) * side) + 1, 24)
                high = min(int(math.sqrt(e / det) * side) + 1, 24)
                free = True
                for i in range(max(row - high, 0), min(row + high + 1, side)):
                    for j in range(max(column - wide, 0), min(column + wide + 1, side)):
                        if held[i, j] >= 0:
                            du, dv = points[held[i, j], 0] - u, points[held[i, j], 1] - v
                            if e * du * du + 2 * f * du * dv + g * dv * dv < 1.0:
                                free = False
                                break
                    if not free:
                        break
                if free:
                    points[count, 0], points[count, 1] = u, v
                    held[row, column] = count
                    count += 1
    return count


@kernel
def texels_around(e, f, g, x, y, reach, side):
    """First and last rows, then columns, (the last excluded) of the texels within `reach` of x, y
    under the metric e, f, g of a map of `side` texels; at most 64 to each side."""
    det = max(e * g - f * f, 1e-12)
    high = min(reach * math.sqrt(e / det) * side, 64.0)
    wide = min(reach * math.sqrt(g / det) * side, 64.0)
    top, bottom = max(math.ceil(y - high), 0), min(int(y + high) + 1, side)
    return top, bottom, max(math.ceil(x - wide), 0), min(int(x + wide) + 1, side)


@kernel
def draw_cells(points, chance, tensors, reach, curve, first, second, value):
    """Distances [S,S] to the nearest and the second nearest of points [N,2], and the nearest one's
    number `chance` [N] in 0..1; from each `curve * chance` is taken off, so that borders bend."""
    side = first.shape[0]
    metric = tensors[0, 0].copy()
    for n in range(points.shape[0]):
        u, v = points[n, 0], points[n, 1]
        looked_up(tensors, u, v, metric)
        e, f, g = metric[0], metric[1], metric[2]
        x, y = u * side - 0.5, v * side - 0.5
        top, bottom, left, right = texels_around(e, f, g, x, y, reach, side)
        for row in range(top, bottom):
            dv = (row - y) / side
            for column in range(left, right):
                du = (column - x) / side
                square = e * du * du + 2 * f * du * dv + g * dv * dv
                if square > reach * reach:
                    continue
                away = math.sqrt(square) - curve * chance[n]
                if away < first[row, column]:
                    second[row, column] = first[row, column]
                    first[row, column] = away
                    value[row, column] = chance[n]
                elif away < second[row, column]:
                    second[row, column] = away


@kernel
def draw_pits(points, radius, depth, tensors, pits):
    """Into pits [S,S] the deepest of round pits of `depth` [N] and `radius` [N], the latter in the
    tensors' unit, around points [N,2]. One narrower than texels is as wide as they and shallower.
    """
    side = pits.shape[0]
    metric = tensors[0, 0].copy()
    for n in range(points.shape[0]):
        u, v = points[n, 0], points[n, 1]
        looked_up(tensors, u, v, metric)
        e, f, g = metric[0], metric[1], metric[2]
        det = max(e * g - f * f, 1e-12)
        texel = math.sqrt(math.sqrt(det)) / side
        wide = max(radius[n], 0.9 * texel)
        deep = depth[n] * (radius[n] / wide) ** 2
        reach = 2.2 * wide
        x, y = u * side - 0.5, v * side - 0.5
        top, bottom, left, right = texels_around(e, f, g, x, y, reach, side)
        for row in range(top, bottom):
            dv = (row - y) / side
            for column in range(left, right):
                du = (column - x) / side
                square = (e * du * du + 2 * f * du * dv + g * dv * dv) / (wide * wide)
                down = deep * math.exp(-(square**1.3))
                if down > pits[row, column]:
                    pits[row, column] = down
