"""Hands with fingers: capsules that melt into each other, meshed where they end.

A right hand in its own frame, metres: the wrist is the origin, the fingers run along +Y, the palm
faces +Z, the thumb is at -X. A left hand is its mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from skimage.measure import marching_cubes

from fitme.models.train.photos.prop import Array
from fitme.models.train.photos.shapes import Shape, joined, tube

Rng = np.random.Generator
VOXEL = 0.0028  # metres
MELT = 0.0035  # metres over which neighbouring capsules run together

# Of an adult's right hand, metres, after anthropometric tables: knuckles, lengths of the three
# bones of each finger from index to little, and radii at knuckle and tip.
_KNUCKLES = np.array([[-0.028, 0.090, 0.0], [-0.008, 0.095, -0.002],
                      [0.012, 0.090, -0.001], [0.030, 0.080, 0.001]])  # fmt: skip
_BONES = np.array([[0.043, 0.025, 0.021], [0.048, 0.029, 0.022],
                   [0.044, 0.028, 0.021], [0.034, 0.020, 0.019]])  # fmt: skip
_RADII = np.array([[0.0097, 0.0073], [0.0098, 0.0074], [0.0093, 0.0070], [0.0084, 0.0062]])
PALM = np.array([0.0, 0.055, 0.014])  # the middle of the palm's skin


@dataclass(frozen=True)
class Pose:
    """Bends in radians, towards the palm."""

    curl: Array  # [4] of the knuckles, index to little
    bend: Array  # [4] of the two joints beyond
    spread: float = 0.08  # between neighbouring fingers
    thumb_out: float = 0.7  # away from the index, 0 lies along it
    thumb_in: float = 0.3  # towards the palm's side
    wrist: float = 0.0  # of the forearm against the hand, towards the palm


def pose(curl: float | tuple[float, ...], bend: float | tuple[float, ...], **more: float) -> Pose:
    """A pose from one number for all fingers, or four."""
    return Pose(
        np.broadcast_to(curl, 4).astype(float), np.broadcast_to(bend, 4).astype(float), **more
    )


POSES: dict[str, Pose] = {
    "flat": pose(0.08, 0.1, thumb_out=0.5, thumb_in=0.1),
    "spread": pose(0.05, 0.12, spread=0.2, thumb_out=1.0, thumb_in=0.1),
    "relaxed": pose((0.3, 0.4, 0.5, 0.55), (0.35, 0.4, 0.45, 0.5), thumb_out=0.6),
    "fist": pose(1.35, 1.55, spread=0.02, thumb_out=0.25, thumb_in=1.0),
    "point": pose((0.1, 1.4, 1.45, 1.4), (0.15, 1.55, 1.6, 1.6), thumb_out=0.35, thumb_in=0.9),
    "two fingers": pose((0.1, 0.15, 1.4, 1.4), (0.2, 0.2, 1.6, 1.6), thumb_out=0.4, thumb_in=0.8),
    "pinch": pose((0.7, 0.8, 0.9, 1.0), (0.7, 0.7, 0.8, 0.9), thumb_out=0.6, thumb_in=0.7),
    "grip": pose(0.9, 0.95, spread=0.02, thumb_out=0.65, thumb_in=0.95),
    "cupped": pose(0.5, 0.5, spread=0.03, thumb_out=0.5, thumb_in=0.5),
}


def loosened(rng: Rng, rest: Pose, amount: float = 0.1) -> Pose:
    """The pose with every joint a little off."""
    draw = rng.normal(0, amount, 12)
    return Pose(
        rest.curl + draw[:4] + draw[8],
        np.maximum(rest.bend + draw[4:8] + draw[9], 0.02),
        max(rest.spread + 0.3 * draw[10], 0.01),
        rest.thumb_out + draw[10],
        rest.thumb_in + draw[11],
        rest.wrist + rng.normal(0, 0.15),
    )


def _turn(angle: float, axis: Array) -> Array:
    """Rotation [3,3] by `angle` radians about a unit axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _capsules(hand: Pose) -> Array:
    """[N,8]: two ends and the radius at each."""
    rows: list[Array] = []

    def add(a: Array, b: Array, ra: float, rb: float) -> None:
        rows.append(np.concatenate([a, b, [ra, rb]]))

    bend_axis = np.array([1.0, 0.0, 0.0])
    for finger in range(4):
        start = _KNUCKLES[finger]
        side = (1.5 - finger) * hand.spread
        turn = _turn(side, np.array([0.0, 0.0, 1.0])) @ _turn(hand.curl[finger], bend_axis)
        big, small = _RADII[finger]
        radii = np.interp([0, 0.45, 0.75, 1], [0, 1], [big, small])
        add(np.array([start[0] * 0.55, 0.012, 0.0]), start, 0.0125, 0.0108)
        for bone in range(3):
            end = start + turn @ np.array([0.0, _BONES[finger, bone], 0.0])
            add(start, end, radii[bone], radii[bone + 1])
            start = end
            turn = turn @ _turn(hand.bend[finger] * (1.0 if bone == 0 else 0.7), bend_axis)
    # The thumb: a bone in the palm and two beyond, which bend towards the palm.
    root = np.array([-0.017, 0.018, 0.004])
    turn = _turn(hand.thumb_out, np.array([0.0, 0.0, 1.0])) @ _turn(
        0.9 * hand.thumb_in, np.array([0.6, 0.0, 0.0]) / 0.6
    )
    in_axis = np.array([0.35, -0.6, -0.7])
    in_axis = in_axis / np.linalg.norm(in_axis)
    radii = np.array([0.0145, 0.0115, 0.0100, 0.0082])
    for bone, length in enumerate((0.043, 0.033, 0.026)):
        end = root + turn @ np.array([0.0, length, 0.0])
        add(root, end, radii[bone], radii[bone + 1])
        root = end
        turn = turn @ _turn(0.45 * hand.thumb_in, in_axis)
    add(np.array([0.022, 0.02, 0.006]), np.array([0.027, 0.06, 0.004]), 0.012, 0.010)  # heel
    add(np.array([-0.006, -0.012, 0.0]), np.array([0.006, -0.012, 0.0]), 0.021, 0.021)
    add(np.array([-0.008, 0.005, 0.0]), np.array([0.010, 0.005, 0.0]), 0.017, 0.017)
    return np.array(rows)


@numba.njit(cache=True, fastmath=True)  # type: ignore[misc]
def _distances(capsules: Array, low: Array, shape: tuple[int, int, int], step: float,
               melt: float) -> Array:  # fmt: skip
    """Signed distance to the melted union at the points of a grid: a soft minimum,
    -melt * log(sum(exp(-d / melt))). Each capsule is asked for only near itself."""
    total = np.zeros(shape, np.float64)
    reach = 5.0 * melt
    first, last = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for c in range(capsules.shape[0]):
        wide = max(capsules[c, 6], capsules[c, 7]) + reach
        for axis in range(3):
            least = min(capsules[c, axis], capsules[c, 3 + axis]) - wide - low[axis]
            most = max(capsules[c, axis], capsules[c, 3 + axis]) + wide - low[axis]
            first[axis] = max(int(least / step), 0)
            last[axis] = min(int(most / step) + 2, shape[axis])
        ax, ay, az = capsules[c, 0], capsules[c, 1], capsules[c, 2]
        bx, by, bz = capsules[c, 3] - ax, capsules[c, 4] - ay, capsules[c, 5] - az
        square = bx * bx + by * by + bz * bz
        for i in range(first[0], last[0]):
            qx = low[0] + i * step - ax
            for j in range(first[1], last[1]):
                qy = low[1] + j * step - ay
                for k in range(first[2], last[2]):
                    qz = low[2] + k * step - az
                    t = min(max((qx * bx + qy * by + qz * bz) / square, 0.0), 1.0)
                    dx, dy, dz = qx - t * bx, qy - t * by, qz - t * bz
                    d = np.sqrt(dx * dx + dy * dy + dz * dz)
                    d -= capsules[c, 6] + t * (capsules[c, 7] - capsules[c, 6])
                    if d < reach:
                        total[i, j, k] += np.exp(-d / melt)
    return -melt * np.log(np.maximum(total, np.exp(-5.0)))


def hand_mesh(hand: Pose, *, left: bool = False, size: float = 1.0) -> Shape:
    """The mesh of a hand without its arm; `size` 1 is 185 mm long. uv is the place in the hand."""
    capsules = _capsules(hand)
    ends = np.concatenate([capsules[:, :3], capsules[:, 3:6]])
    low, high = ends.min(0) - 0.027, ends.max(0) + 0.027
    low = np.maximum(low, (-1, -0.03, -1))
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / VOXEL).astype(int) + 1)
    field = _distances(capsules, low, (nx, ny, nz), VOXEL, MELT)
    field[:, 0] = np.maximum(field[:, 0], VOXEL)  # closed at the wrist
    vertices, triangles, _, _ = marching_cubes(field, 0.0)
    points = vertices * VOXEL + low
    uv = np.stack([points[:, 0] * 4 + 0.5, 0.9 - points[:, 1] * 4], 1) % 1.0
    mesh = Shape(points * size, triangles, uv)
    flat = mesh.vertices[mesh.triangles] - mesh.vertices.mean(0)
    if np.einsum("ni,ni->", flat[:, 0], np.cross(flat[:, 1], flat[:, 2])) < 0:
        mesh = mesh.flipped()
    return mesh.turned(np.diag([-1.0, 1.0, 1.0]), np.zeros(3)) if left else mesh


def forearm(wrist: float, length: float, size: float = 1.0) -> Shape:
    """An arm from the wrist backwards, bent by `wrist` radians towards the palm."""
    share = np.linspace(0, 1, 12)
    way = _turn(wrist, np.array([-1.0, 0.0, 0.0])) @ np.array([0.0, -1.0, 0.0])
    share = np.concatenate([[-0.03], share])  # it begins inside of the hand
    path = np.array([0.0, -0.004, 0.0]) + share[:, None] * length * way
    radius = np.interp(share * length, [-0.009, 0, 0.012, 0.04, 0.14, 0.3],
                       [0.012, 0.0222, 0.0243, 0.0268, 0.037, 0.045])  # fmt: skip
    return joined([tube(path * size, radius * size, up=(0.0, 0.0, 1.0), depth=0.78, sides=18)])
