"""Where the joints of one person's head are: neck, skull, jaw and eyes, from the head model.

The jaw is found by how the shape jawOpen moves the lower teeth, which move as one stiff piece: the
rotation that fits them best (Kabsch 1976), and the point of the middle plane that it leaves in
place, which is the hinge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.head.parts import Role

Floats = NDArray[np.float64]

#: Metres from the middle of the neck's lower rim to where the neck bends, which is the seventh
#: vertebra: behind the middle of the neck, and higher, as the rim falls towards the front.
_BELOW_NECK = np.array([0.0, 0.005, -0.02])
_STIFF = 0.5  # of the largest motion by jawOpen: teeth that move more are the lower ones
_PLAIN_HINGE = np.array([0.0, -0.005, 0.018])  # metres, the mean head's, for heads without teeth
_LEAST_DEGREES = 1.0  # of a jaw that opens at all


@dataclass(frozen=True)
class Anatomy:
    """Places [3] in metres in the frame of the head model; `jaw_degrees` is how far the jaw turns
    about +X when jawOpen is in full, 0 for a head that has no such shape."""

    neck: Floats
    head: Floats
    jaw: Floats
    eyes: tuple[Floats, ...]  # left, right
    jaw_degrees: float
    rim: NDArray[np.int64]  # [R] vertices of the skin's lower edge, in their order around it


def anatomy(geometry: Geometry) -> Anatomy:
    """The joints of a person; `geometry` is on the CPU."""
    head = geometry.head
    neutral = geometry.vertices()
    rest = neutral[0].double().numpy()
    mean = head.mean.double().numpy()
    rim = lower_rim(head)
    around = np.flatnonzero(((head.neck_weight > 0.2) & (head.neck_weight < 0.8)).numpy())
    shift = (rest[around] - mean[around]).mean(0) if len(around) else np.zeros(3)
    shift[0] = 0.0
    hinge, degrees = _jaw(geometry, rest)
    low = rest[rim].mean(0) * (0.0, 1.0, 1.0)
    eyes = head.eye_centres(neutral)[0].double().numpy()
    return Anatomy(
        neck=low + _BELOW_NECK, head=head.neck_joint.double().numpy() + shift, jaw=hinge,
        eyes=tuple(eyes), jaw_degrees=degrees, rim=rim,
    )  # fmt: skip


def lower_rim(head: HeadModel) -> NDArray[np.int64]:
    """Vertices [R] of the lowest edge of the skin that borders on nothing, in their order."""
    triangles = head.part_triangles(head.skin.name).numpy()
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    keys, counts = np.unique(np.sort(edges, 1), axis=0, return_counts=True)
    after: dict[int, list[int]] = {}
    for a, b in keys[counts == 1].tolist():
        after.setdefault(a, []).append(b)
        after.setdefault(b, []).append(a)
    loops: list[list[int]] = []
    left = set(after)
    while left:
        loop = [min(left)]
        left.discard(loop[0])
        while onward := [v for v in after[loop[-1]] if v in left]:
            loop.append(onward[0])
            left.discard(onward[0])
        loops.append(loop)
    height = head.mean[:, 1].numpy()
    if not loops:  # a closed skin: its lowest vertices
        used = head.part_vertices(head.skin.name).numpy()
        return used[np.argsort(height[used])[:8]]
    return np.array(min(loops, key=lambda loop: float(height[loop].mean())), np.int64)


def jaw_rotation(degrees: float) -> Floats:
    """Rotation [3,3] about +X, which opens the jaw for positive degrees."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _jaw(geometry: Geometry, rest: Floats) -> tuple[Floats, float]:
    """The hinge [3] of the jaw and by how many degrees jawOpen turns it."""
    head = geometry.head
    teeth = [head.part_vertices(part.name) for part in head.parts_with(Role.TEETH)]
    if "jawOpen" not in head.expression_names or not teeth:
        return _PLAIN_HINGE, 0.0
    offsets = geometry.expression_offsets()[head.expression_index("jawOpen")].double().numpy()
    index = torch.cat(teeth).numpy()
    size = np.linalg.norm(offsets[index], axis=1)
    lower = index[size > _STIFF * size.max()]
    before, after = rest[lower], rest[lower] + offsets[lower]
    centre, moved = before.mean(0), after.mean(0)
    # In the plane of the middle, where a rotation has one angle and leaves one point in place.
    a, b = (before - centre)[:, 1:], (after - moved)[:, 1:]
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    if abs(np.degrees(angle)) < _LEAST_DEGREES:
        return _PLAIN_HINGE, 0.0
    turn = jaw_rotation(float(np.degrees(angle)))[1:, 1:]
    shift = moved[1:] - turn @ centre[1:]
    hinge = np.linalg.solve(np.eye(2) - turn, shift)
    return np.array([0.0, *hinge]), float(np.degrees(angle))
