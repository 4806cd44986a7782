"""Strands of hair as arrays, and how they go along with another head."""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.collision import Collision

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

FOLLOW_SKIN = (
    0.04  # metres of arc length over which a strand stops moving with the skin at its root
)
NEAR = 0.03  # metres above the skin up to which a point is kept from sinking in
CLEAR = 0.0004  # metres that hair keeps from the skin
KEPT = 8  # poses whose normals are kept


class Kind(enum.IntEnum):
    """What a strand belongs to."""

    HAIR = 0
    BEARD = 1
    BROW = 2
    LASH = 3


@dataclass(frozen=True)
class Anchor:
    """The mean head that strands were grown on."""

    vertices: Floats  # [V,3] metres
    normals: Floats  # [V,3]
    triangles: Ints  # [T,3] of the skin
    skull: Ints  # [S] vertices that follow the bone
    collision: Collision


# The anchor is kept with them so that the ids of its arrays stay their own.
_POSES: dict[tuple[int, int, int, bytes], tuple[Anchor, Any]] = {}
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Strands:
    """N strands of K points, root first."""

    points: Floats  # [N,K,3] metres
    half_width: Floats  # [N,K] metres, what a strand stands for, tapering
    triangle: Ints  # [N] of the anchor's skin, where it grows
    barycentric: Floats  # [N,3]
    tone: Floats  # [N] about normal, 0 on average
    kind: Ints  # [N] of Kind
    skin: Ints  # [N,K] vertex of the skin nearby, -1 for none
    anchor: Anchor
    # [4,3]: mean-head points with a 1 behind them, times this, are where the skull is now
    moved: Floats = field(default_factory=lambda: np.eye(4, 3, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.points)

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Strands:
        """Some of the strands, by mask or index."""
        names = ("points", "half_width", "triangle", "barycentric", "tone", "kind", "skin")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def of_kind(self, *kinds: Kind) -> Strands:
        return self.take(np.isin(self.kind, [int(kind) for kind in kinds]))

    @staticmethod
    def join(parts: Sequence[Strands]) -> Strands:
        """All strands of several sets on one head; those with fewer points are resampled."""
        most = max(part.points.shape[1] for part in parts)
        parts = [part.resampled(most) for part in parts]
        names = ("points", "half_width", "triangle", "barycentric", "tone", "kind", "skin")
        together: dict[str, Any] = {
            k: np.concatenate([getattr(part, k) for part in parts]) for k in names
        }
        return replace(parts[0], **together)

    def resampled(self, count: int) -> Strands:
        """The same strands with `count` points each, linear in the index."""
        have = self.points.shape[1]
        if have == count:
            return self
        at = np.linspace(0, have - 1, count, dtype=np.float32)
        low = at.astype(np.int64).clip(0, have - 2)
        t = at - low
        mixed = self.points[:, low] * (1 - t)[:, None] + self.points[:, low + 1] * t[:, None]
        width = self.half_width[:, low] * (1 - t) + self.half_width[:, low + 1] * t
        nearest = self.skin[:, np.rint(at).astype(np.int64)]
        return replace(
            self, points=mixed.astype(np.float32), half_width=width.astype(np.float32),
            skin=nearest,
        )  # fmt: skip

    def on(self, vertices: Floats) -> Strands:
        """The same hair on a head with these vertices [V,3] (any identity and expression).

        Everything follows the best affine fit of the skull; near the root strands follow the
        skin, and points that would sink into the head are moved out.
        """
        vertices = np.ascontiguousarray(vertices, np.float32)
        rest = self.anchor
        if vertices.shape != rest.vertices.shape:
            raise ValueError(
                f"vertices: wanted {list(rest.vertices.shape)}, got {list(vertices.shape)}"
            )
        (matrix, shift), normals = _pose(rest, vertices)
        corners = rest.triangles[self.triangle]
        before = (rest.vertices[corners] * self.barycentric[..., None]).sum(1)
        after = (vertices[corners] * self.barycentric[..., None]).sum(1)
        extra = after - (before @ matrix + shift)
        steps = np.linalg.norm(np.diff(self.points, axis=1), axis=2)
        arc = np.concatenate([np.zeros_like(steps[:, :1]), np.cumsum(steps, 1)], 1)
        follow = np.exp(-arc / FOLLOW_SKIN)[..., None]
        points = self.points @ matrix + shift + follow * extra[:, None]
        points = _lifted(self.points, points, self.skin, rest, vertices, normals)
        moved = np.concatenate([matrix, shift[None]])
        return replace(self, points=points.astype(np.float32), moved=moved)

    def inside_head(self, points: Floats, low: float, high: float) -> Floats:
        """0..1 for points [...,3] that lie `low` to `high` metres deep in head or shoulders."""
        rest = (points - self.moved[3]) @ np.linalg.inv(self.moved[:3])
        depth = -self.anchor.collision.at(rest.astype(np.float32))[0]
        return ((depth - low) / (high - low)).clip(0, 1).astype(np.float32)


def _pose(rest: Anchor, vertices: Floats) -> tuple[tuple[Floats, Floats], Floats]:
    """`_affine` of the skull, and normals [V,3] of the skin; kept for the poses asked for last, as
    a search for a style lays many on one head."""
    key = (id(rest.vertices), id(rest.triangles), id(rest.skull), vertices.tobytes())
    with _LOCK:
        if key not in _POSES:
            made = _affine(rest.vertices[rest.skull], vertices[rest.skull])
            while len(_POSES) >= KEPT:
                _POSES.pop(next(iter(_POSES)))
            _POSES[key] = (rest, (made, _normals(vertices, rest.triangles)))
        return _POSES[key][1]


def _affine(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    """Least-squares matrix [3,3] and shift [3] with before @ matrix + shift = after."""
    ones = np.ones((len(before), 1))
    solved = np.linalg.lstsq(np.concatenate([before, ones], 1), after, rcond=None)[0]
    return solved[:3].astype(np.float32), solved[3].astype(np.float32)


def _lifted(
    old: Floats, new: Floats, skin: Ints, rest: Anchor, vertices: Floats, normals: Floats
) -> Floats:
    """Points moved out along the normals of the new skin, so that each keeps its height above
    the skin where it was low."""
    near = skin >= 0
    near[:, 0] = False
    owner = skin[near]
    height = ((old[near] - rest.vertices[owner]) * rest.normals[owner]).sum(-1)
    present = ((new[near] - vertices[owner]) * normals[owner]).sum(-1)
    wanted = np.clip(height, CLEAR, 0.004)
    missing = np.where(height < NEAR, wanted - present, 0).clip(0, 0.03)
    new[near] += missing[:, None] * normals[owner]
    return new


def _normals(vertices: Floats, triangles: Ints) -> Floats:
    corners = vertices[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        for c in range(3):
            total[:, c] += np.bincount(triangles[:, k], across[:, c], len(vertices))
    return total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12)
