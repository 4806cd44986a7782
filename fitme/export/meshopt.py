"""The byte codecs of glTF's EXT_meshopt_compression, written from its specification.

https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Vendor/EXT_meshopt_compression

Vertex data (mode ATTRIBUTES, version 0): each byte of a vertex less the same byte of the vertex
before, zigzag-coded, in groups of 16 that take 0, 2, 4 or 8 bits each. Triangles (mode TRIANGLES,
version 1): an edge of one of the last 16 triangles and a vertex, in one byte where all goes well.
No filters are used. Decoders are in three.js, Babylon.js, gltfpack and others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.render.backends.cpu.compile import compiled

GROUP = 16  # bytes that share a width
LARGEST_STRIDE = 256
_LARGEST_BLOCK = 256  # vertices
_BLOCK_BYTES = 8192
_TAIL = 32  # bytes at least behind the blocks
_VERTEX_HEADER = 0xA0
_INDEX_HEADER = 0xE1
# Pairs of vertex codes that are frequent, by their place in the table
_CODES = np.array(
    [0x00, 0x76, 0x87, 0x56, 0x67, 0x78, 0xA9, 0x86, 0x65, 0x89, 0x68, 0x98, 0x01, 0x69, 0, 0],
    np.uint8,
)
_INTEGERS: dict[str, Any] = {"nogil": True}


def encode_vertices(values: NDArray[np.uint8]) -> bytes:
    """Vertices [N, stride] of raw bytes; stride is a multiple of 4 up to 256.

    Raises ValueError for another stride.
    """
    count, stride = values.shape
    if stride % 4 or not 0 < stride <= LARGEST_STRIDE:
        raise ValueError(f"stride: wanted a multiple of 4 up to {LARGEST_STRIDE}, got {stride}")
    block = min((_BLOCK_BYTES // stride) & ~(GROUP - 1), _LARGEST_BLOCK)
    groups = -(-count // GROUP) + count // block + 1
    room = np.zeros(stride * (groups * (GROUP + 9)), np.uint8)
    used = _vertex_blocks(np.ascontiguousarray(values), block, room)
    tail = bytes(max(0, _TAIL - stride)) + values[0].tobytes()
    return bytes([_VERTEX_HEADER]) + room[:used].tobytes() + tail


def encode_triangles(triangles: NDArray[Any]) -> bytes:
    """Triangles [T,3] of vertex indices. They come back rotated, in the same order. Small where
    vertices are numbered as triangles first use them, see `first_use`."""
    indices = np.ascontiguousarray(triangles, np.int64).reshape(-1, 3)
    codes = np.zeros(len(indices), np.uint8)
    data = np.zeros(len(indices) * 16, np.uint8)
    used = _triangle_codes(indices, _CODES, codes, data)
    return bytes([_INDEX_HEADER]) + codes.tobytes() + data[:used].tobytes() + _CODES.tobytes()


def first_use(triangles: NDArray[Any]) -> NDArray[np.int64]:
    """Old numbers [M] of the vertices that triangles [T,3] use, in the order of their first use."""
    used, first = np.unique(np.asarray(triangles).reshape(-1), return_index=True)
    return used[np.argsort(first)].astype(np.int64)


def _vertex_blocks(values, block, out):  # type: ignore[no-untyped-def]
    """Write the blocks of values [N,stride] into out; how many bytes they take."""
    count, stride = values.shape
    at = 0
    deltas = np.zeros(_LARGEST_BLOCK, np.uint8)
    for start in range(0, count, block):
        end = min(start + block, count)
        groups = (end - start + GROUP - 1) // GROUP
        for byte in range(stride):
            deltas[:] = 0
            before = values[max(start - 1, 0), byte]
            for row in range(start, end):
                delta = (int(values[row, byte]) - int(before)) & 255
                deltas[row - start] = (delta << 1) & 255 if delta < 128 else (255 - delta) * 2 + 1
                before = values[row, byte]
            header = at
            at += (groups + 3) // 4
            for group in range(groups):
                first = group * GROUP
                zero, two, four = True, 4, 8
                for k in range(first, first + GROUP):
                    zero = zero and deltas[k] == 0
                    two += deltas[k] >= 3
                    four += deltas[k] >= 15
                if zero:
                    continue
                if min(two, four) >= GROUP:
                    out[header + group // 4] |= 3 << (2 * (group % 4))
                    out[at : at + GROUP] = deltas[first : first + GROUP]
                    at += GROUP
                    continue
                width = 2 if two <= four else 4
                out[header + group // 4] |= (width // 2) << (2 * (group % 4))
                sentinel, each = (1 << width) - 1, 8 // width
                for k in range(first, first + GROUP, each):
                    packed = 0
                    for i in range(each):
                        packed = (packed << width) | min(int(deltas[k + i]), sentinel)
                    out[at] = packed
                    at += 1
                for k in range(first, first + GROUP):
                    if deltas[k] >= sentinel:
                        out[at] = deltas[k]
                        at += 1
    return at


def _triangle_codes(triangles, table, codes, data):  # type: ignore[no-untyped-def]
    """Write a code per triangle and what follows it; how many bytes of data there are."""
    edges = np.full((16, 2), -1, np.int64)
    recent = np.full(16, -1, np.int64)
    edge_at, recent_at, upcoming, last, at = 0, 0, 0, 0, 0
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        edge, turn = -1, 0
        for i in range(15):  # 15 stands for no edge
            u, v = edges[(edge_at - 1 - i) & 15]
            for k, (p, q) in enumerate(((a, b), (b, c), (c, a))):
                if edge < 0 and u == p and v == q:
                    edge, turn = i, k
            if edge >= 0:
                break
        if edge >= 0:
            if turn == 1:
                a, b, c = b, c, a
            elif turn == 2:
                a, b, c = c, a, b
            seen = -1
            for i in range(16):
                if recent[(recent_at - 1 - i) & 15] == c:
                    seen = i
                    break
            code = 15
            if 1 <= seen < 13:
                code = seen
            elif c == upcoming:
                code = 0
                upcoming += 1
            elif c + 1 == last:
                code, last = 13, c
            elif c == last + 1:
                code, last = 14, c
            codes[t] = (edge << 4) | code
            if code == 15:
                at = _index(data, at, c, last)
                last = c
            if code == 0 or code >= 13:
                recent[recent_at] = c
                recent_at = (recent_at + 1) & 15
            edges[edge_at, 0], edges[edge_at, 1] = c, b
            edge_at = (edge_at + 1) & 15
            edges[edge_at, 0], edges[edge_at, 1] = a, c
            edge_at = (edge_at + 1) & 15
            continue
        if b == upcoming:
            a, b, c = b, c, a
        elif c == upcoming:
            a, b, c = c, a, b
        # 0, 1, 2 once more would read as the start of another mesh: upcoming is spelled out
        found_b, found_c = -1, -1
        for i in range(15, -1, -1):
            if recent[(recent_at - 1 - i) & 15] == b:
                found_b = i
            if recent[(recent_at - 1 - i) & 15] == c:
                found_c = i
        code_a, code_b, code_c = 15, 15, 15
        if a == upcoming:
            code_a = 0
            upcoming += 1
        if 0 <= found_b < 14:
            code_b = found_b + 1
        elif b == upcoming:
            code_b = 0
            upcoming += 1
        if 0 <= found_c < 14:
            code_c = found_c + 1
        elif c == upcoming:
            code_c = 0
            upcoming += 1
        pair, place = (code_b << 4) | code_c, -1
        for i in range(14):
            if place < 0 and table[i] == pair:
                place = i
        if code_a == 0 and place >= 0:
            codes[t] = 0xF0 | place
        else:
            codes[t] = 0xFE | code_a
            data[at] = pair
            at += 1
        for code, index in ((code_a, a), (code_b, b), (code_c, c)):
            if code == 15:
                at = _index(data, at, index, last)
                last = index
        for code, index in ((code_a, a), (code_b, b), (code_c, c)):
            if code == 0 or code == 15:
                recent[recent_at] = index
                recent_at = (recent_at + 1) & 15
        for u, v in ((b, a), (c, b), (a, c)):
            edges[edge_at, 0], edges[edge_at, 1] = u, v
            edge_at = (edge_at + 1) & 15
    return at


def _index(data, at, index, last):  # type: ignore[no-untyped-def]
    """An index less the last one that was spelled out: zigzag, 7 bits a byte, lowest first."""
    delta = index - last
    value = 2 * delta if delta >= 0 else -2 * delta - 1
    while value > 127:
        data[at] = (value & 127) | 128
        value >>= 7
        at += 1
    data[at] = value
    return at + 1


_index = compiled(_index, **_INTEGERS)
_vertex_blocks = compiled(_vertex_blocks, **_INTEGERS)
_triangle_codes = compiled(_triangle_codes, **_INTEGERS)
