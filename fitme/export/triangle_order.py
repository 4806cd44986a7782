"""Triangles in an order in which neighbours follow each other, for graphics cards and codecs.

Sander, Nehab, Barczak: Fast triangle reordering for vertex locality and reduced overdraw, SIGGRAPH
2007, section 3: fan around a vertex, go on with a vertex that the card's cache still holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.render.backends.cpu.compile import compiled

CACHE = 16  # vertices that the cache is taken to hold


def near_order(triangles: NDArray[Any]) -> NDArray[np.int64]:
    """The order [T] in which triangles [T,3] follow their neighbours."""
    corners = np.ascontiguousarray(triangles, np.int64)
    flat = corners.reshape(-1)
    vertices = int(flat.max()) + 1
    around = np.argsort(flat, kind="stable") // 3  # triangles of each vertex, one after another
    live = np.bincount(flat, minlength=vertices)
    starts = np.concatenate([[0], np.cumsum(live)])
    order = np.zeros(len(corners), np.int64)
    _fans(corners, around, starts, live.copy(), order)
    return order


def _fans(corners, around, starts, live, order):  # type: ignore[no-untyped-def]
    """Fill order [T]; live [V] counts the triangles of a vertex that are not yet in it."""
    vertices = len(live)
    done = np.zeros(len(corners), np.bool_)
    cached = np.full(vertices, -CACHE - 1, np.int64)  # when a vertex last came into the cache
    visited = np.zeros(3 * len(corners), np.int64)  # vertices to go back to
    height, time, put, unseen = 0, 0, 0, 0
    vertex = 0
    while vertex >= 0:
        first = height
        for i in range(starts[vertex], starts[vertex + 1]):
            t = around[i]
            if done[t]:
                continue
            done[t] = True
            order[put] = t
            put += 1
            for k in range(3):
                corner = corners[t, k]
                visited[height] = corner
                height += 1
                live[corner] -= 1
                if time - cached[corner] > CACHE:
                    cached[corner] = time
                    time += 1
        best, vertex = -1, -1
        for i in range(first, height):
            corner = visited[i]
            if live[corner] > 0:
                age = time - cached[corner]
                rank = age if age + 2 * live[corner] <= CACHE else 0
                if rank > best:
                    best, vertex = rank, corner
        while vertex < 0 and height > 0:
            height -= 1
            if live[visited[height]] > 0:
                vertex = visited[height]
        while vertex < 0 and unseen < vertices:
            if live[unseen] > 0:
                vertex = unseen
            unseen += 1


_fans = compiled(_fans, nogil=True)
