"""Levels of detail of the head template: fewer triangles between vertices that are there already.

    uv run --with meshoptimizer==0.2.30a0 python -m fitme.models.train.lods   (needs a C++ compiler)

Every level is a list of triangles into the template's own vertices and texture coordinates, so
that identities, expressions and textures carry over by choosing rows. It is made once on the
mean head with meshoptimizer (half-edge collapses under quadrics). The metric also knows where
expressions move the surface, how the texture lies and where it bends. Open rims (lids, lips, neck)
are locked, since another part touches them there; the head's left half is simplified and mirrored.
"""

from __future__ import annotations

import argparse
import ctypes
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from fitme.export.frames import vertex_normals
from fitme.export.lod import LEVELS_FILE, template_fingerprint
from fitme.head.model import HeadModel, load_head
from fitme.models import weight_path
from fitme.runtime.files import atomic_write_bytes

SHARES = {1: 0.5, 2: 1 / 6}
TEETH = {1: 0.6, 2: 0.42}  # gaps between them are seen at once
EXPRESSION_WEIGHT = 0.5  # of a metre of movement against a metre of shape
UV_METRES = 0.06  # a step of one tile counts like so many metres
NORMAL_METRES = 0.004  # and a unit step of the normal
COMPONENTS = 10
ROUNDS = 12  # of locking what turned over and trying again

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def simplify_part(head: HeadModel, part: str, share: float) -> tuple[Integers, Integers]:
    """(triangles, uv_triangles) [T',3] of one part with about `share` of its triangles."""
    chosen = (head.part == head.part_names.index(part)).numpy()
    triangles, uv_triangles = head.triangles.numpy()[chosen], head.uv_triangles.numpy()[chosen]
    if share == 1:
        return triangles, uv_triangles
    locked = np.zeros(len(head.mean), bool)
    locked[_rim(triangles)] = True
    mirror = head.mirror.numpy()
    middle = head.mean.numpy()[triangles][..., 0].sum(1)
    if (mirror[triangles] == triangles).all() or (middle == 0).any():
        return _collapse(head, triangles, uv_triangles, locked, share)
    half = middle > 0
    uv_mirror = _uv_mirror(head, triangles, uv_triangles, half)
    left, left_uv = _collapse(head, triangles[half], uv_triangles[half], locked, share)
    turned = [0, 2, 1]
    return (
        np.concatenate([left, mirror[left][:, turned]]),
        np.concatenate([left_uv, uv_mirror[left_uv][:, turned]]),
    )


def _uv_mirror(head: HeadModel, triangles: Integers, uv: Integers, half: NDArray) -> Integers:
    """Index [U] of the mirrored texture coordinate, from the pairs of mirrored triangles."""
    mirror = head.mirror.numpy()
    other = {tuple(sorted(t)): (t, u) for t, u in zip(triangles, uv, strict=True)}
    out = np.full(len(head.uv), -1)
    for t, u in zip(triangles[half], uv[half], strict=True):
        across, across_uv = other[tuple(sorted(mirror[t]))]
        for vertex, index in zip(mirror[t], u, strict=True):
            out[index] = across_uv[list(across).index(vertex)]
    return out


def _rim(triangles: Integers) -> Integers:
    """Vertices on an edge that one triangle has alone."""
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, ::2]]))
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return np.unique(unique[count == 1])


def _collapse(
    head: HeadModel, triangles: Integers, uv_triangles: Integers, locked: NDArray, share: float
) -> tuple[Integers, Integers]:
    """Triangles and their texture coordinates; those that turned over in space are tried again."""
    locked, best, fewest = locked.copy(), (triangles, uv_triangles), len(triangles)
    for _ in range(ROUNDS):
        found = _simplify(head, triangles, uv_triangles, locked, share)
        wrong = _turned_over(head, triangles, found[0])
        small = len(found[0]) <= 1.02 * len(triangles) * share + 2  # locks can forbid the target
        if wrong.sum() < fewest and small:
            best, fewest = found, int(wrong.sum())
        if fewest == 0:
            break
        touched = np.isin(triangles, found[0][wrong]).any(1)
        locked[triangles[touched]] = True  # these and their neighbours stay as they are
    print(f"  {len(best[0])} triangles, {fewest} new ones face the wrong way")
    return best


def _turned_over(head: HeadModel, full: Integers, triangles: Integers) -> NDArray:
    """Which triangles [T'] face away from their vertices' normals and are no triangle of `full`
    (creases of lips and teeth have some)."""
    position = head.mean.numpy().astype(np.float64)
    a, b, c = (position[triangles[:, k]] for k in range(3))
    facing = (np.cross(b - a, c - a) * vertex_normals(position, full)[triangles].sum(1)).sum(1)
    old = {tuple(sorted(t)) for t in full.tolist()}
    return (facing <= 0) & [tuple(sorted(t)) not in old for t in triangles.tolist()]


def _simplify(
    head: HeadModel, triangles: Integers, uv_triangles: Integers, locked: NDArray, share: float
) -> tuple[Integers, Integers]:
    """meshoptimizer on the corners (vertex and texture coordinate) of some triangles.

    Where the texture lies without folds the library sees it as the (flat) mesh and the head's shape
    as attributes: it lets no triangle of its mesh turn over, so none does in the texture.
    """
    import meshoptimizer

    pairs = np.stack([triangles.ravel(), uv_triangles.ravel()], 1)
    corners, index = np.unique(pairs, axis=0, return_inverse=True)
    vertex, uv = corners.T
    shape, texture = head.mean.numpy()[vertex], head.uv.numpy()[uv]
    normals = vertex_normals(head.mean.numpy(), head.triangles.numpy())[vertex]
    moves = _movements(head.expression.numpy()[:, vertex])
    one, two = (head.uv.numpy()[uv_triangles[:, k]] for k in (1, 2))
    one, two = one - head.uv.numpy()[uv_triangles[:, 0]], two - head.uv.numpy()[uv_triangles[:, 0]]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    flat = bool((area < 0).all())
    points = np.pad(texture * UV_METRES, ((0, 0), (0, 1))) if flat else shape
    values = np.concatenate([shape if flat else texture, normals, moves], 1)
    metres = [1.0] * 3 if flat else [0.0] * 2  # folded: the part has no texture
    metres += [NORMAL_METRES] * 3 + [EXPRESSION_WEIGHT] * moves.shape[1]
    extent = np.ptp(points, axis=0).max()  # the library measures in these
    out, corner = np.zeros(index.size, np.uint32), index.ravel().astype(np.uint32)
    # The package's own Python wrapper passes 64-bit sizes as ints; so the C function is declared.
    call = meshoptimizer.simplifier.lib.meshopt_simplifyWithAttributes
    array, size = np.ctypeslib.ndpointer(flags="C_CONTIGUOUS"), ctypes.c_size_t
    call.restype = size
    call.argtypes = [
        array, array, size, array, size, size, array, size, array, size, array,
        size, ctypes.c_float, ctypes.c_uint, ctypes.c_void_p,
    ]  # fmt: skip
    points = np.ascontiguousarray(points, np.float32)
    values = np.ascontiguousarray(values, np.float32)
    weights = np.asarray(metres / extent, np.float32)
    count = call(
        out, corner, corner.size, points, len(points), points.strides[0],
        values, values.strides[0], weights, len(weights), locked[vertex].astype(np.uint8),
        3 * round(len(triangles) * share), 1e9, 0, None,
    )  # fmt: skip
    kept = out[:count].reshape(-1, 3).astype(np.int64)
    return vertex[kept], uv[kept]


def _movements(offsets: Floats) -> Floats:
    """The main directions [N, <=10], metres, of expression offsets [E, N, 3]."""
    table = np.moveaxis(offsets, 0, 1).reshape(offsets.shape[1], -1).astype(np.float64)
    _, vectors = np.linalg.eigh(table.T @ table)
    return table @ vectors[:, ::-1][:, :COMPONENTS]


def main() -> None:
    """Write the levels of the shipped head to `models/weights/`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=weight_path(LEVELS_FILE))
    out = parser.parse_args().out
    head = load_head()
    tensors = {}
    for level, share in SHARES.items():
        pieces = [
            simplify_part(head, part, TEETH[level] if part == "teeth" else share)
            for part in head.part_names
        ]
        for name, index in (("triangles", 0), ("uv_triangles", 1)):
            joined = np.concatenate([piece[index] for piece in pieces])
            tensors[f"{name}.{level}"] = joined.astype(np.int32)
        part = np.repeat(np.arange(len(pieces)), [len(piece[0]) for piece in pieces])
        tensors[f"part.{level}"] = part.astype(np.int32)
        counts = dict(zip(head.part_names, np.bincount(part).tolist(), strict=True))
        print(f"level {level}: {len(part)} of {len(head.triangles)} triangles, {counts}")
    atomic_write_bytes(out, save(tensors, metadata={"head": template_fingerprint(head)}))


if __name__ == "__main__":
    main()
