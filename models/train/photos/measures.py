"""What props are fitted to: the eyes, ears, skull and neck of one head's vertices.

Directions from the middle of the skull are azimuth (0 in front, positive towards the person's
left, +X) and elevation, in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter
from scipy.spatial import cKDTree

from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.models.train.photos.prop import Array

AZIMUTHS, ELEVATIONS = 80, 41
NECK_ANGLES = 96  # points around the neck, the first at the back
BRIDGE, SELLION, NOSE_TIP, CHIN, FOREHEAD = 6, 168, 4, 152, 10  # MediaPipe points of the midline
UPPER_LIP, LOWER_LIP = 13, 14
IRISES = (473, 468)  # left, right
OUTER_CORNERS = (263, 33)
CHEEKS = (425, 205)
JAW = (397, 172)


@dataclass(frozen=True)
class Tables:
    """What a head model says once and for all, as arrays."""

    landmark_corners: Array  # [478,3] vertices
    landmark_weights: Array  # [478,3]
    outside: Array  # [N] vertices of the skin that one sees, ears left out
    ears: Array  # [N] vertices
    ear_tops: Array  # [2] vertices where a temple of glasses rests: left, right
    eyes: tuple[Array, Array]  # vertices of the left and right eyeball
    neck_loop: Array  # [R] vertices of the rim of the collar, in order
    neck: Array  # [N] vertices below the jaw and the nape
    triangles: Array  # [T,3] a share of the visible skin's, with ears


class _Same:
    """Hashes a head model by its identity, for the cache."""

    def __init__(self, head: HeadModel) -> None:
        self.head = head

    def __hash__(self) -> int:
        return id(self.head)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.head is self.head


@lru_cache(maxsize=4)
def _tables(key: _Same) -> Tables:
    head = key.head
    mean = head.mean.numpy()
    triangles = head.part_triangles(head.skin.name).numpy()
    skin = np.zeros(len(mean), bool)
    skin[triangles.ravel()] = True
    ears = head.regions["ears"].numpy() > 0.5
    hidden = (head.regions["mouth_inside"].numpy() > 0.5) | (head.regions["nostrils"].numpy() > 0.5)
    # The valley between ear and skull at its front top, where temples of glasses rest.
    tops = []
    for side in (1, -1):
        score = np.abs(mean - (side * 0.078, 0.047, 0.004)).sum(1) + np.where(skin, 0, 1.0)
        tops.append(int(score.argmin()))
    loop = _lowest_loop(triangles, mean)
    below = mean[:, 1] < np.where(mean[:, 2] < -0.02, -0.05, -0.085)
    eyes = {part.side: head.part_vertices(part.name).numpy() for part in head.parts_with(Role.EYE)}
    return Tables(
        landmark_corners=head.triangles[head.landmark_triangles].numpy(),
        landmark_weights=head.landmark_barycentric.numpy(),
        outside=np.flatnonzero(skin & ~ears & ~hidden),
        ears=np.flatnonzero(ears),
        ear_tops=np.array(tops),
        eyes=(eyes[0], eyes[1]),
        neck_loop=loop,
        neck=np.flatnonzero(skin & below),
        triangles=triangles[~hidden[triangles].any(1)][::2],
    )


def _lowest_loop(triangles: Array, mean: Array) -> Array:
    """The rim of a mesh that lies lowest, as vertices in order."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    key = np.sort(edges, 1)
    _, first, count = np.unique(key, axis=0, return_index=True, return_counts=True)
    after = {int(a): int(b) for a, b in edges[first[count == 1]]}
    start = min(after, key=lambda vertex: float(mean[vertex, 1]))
    loop, at = [start], after[start]
    while at != start:
        loop.append(at)
        at = after[at]
    return np.array(loop)


@dataclass(frozen=True)
class Measures:
    """One head, measured."""

    points: Array  # [478,3] landmarks
    corneas: Array  # [2,3] foremost points of the left and right eyeball
    eyes: Array  # [2,3] centres of the eyeballs
    ear_tops: Array  # [2,3]
    ears: Array  # [2,3] middles of the ears
    centre: Array  # [3] middle of the skull
    radii: Array  # [ELEVATIONS, AZIMUTHS] skin without ears, from the centre
    radii_ears: Array  # the same with ears, which stand out softly
    face: Array  # [N,3] skin
    ring: Array  # [NECK_ANGLES,3] the rim of the neck, from the back over the left to the front
    neck: Array  # [N,3] skin of the neck
    skin: Array  # [V,3] all vertices
    triangles: Array  # [T,3] every second triangle of the skin that one sees, with ears

    @staticmethod
    def of(head: HeadModel, vertices: Array) -> Measures:
        """Measure vertices [V,3] of a head with `fitme.head`'s template topology."""
        tables = _tables(_Same(head))
        vertices = np.asarray(vertices, np.float64)
        points = (vertices[tables.landmark_corners] * tables.landmark_weights[..., None]).sum(1)
        balls = [vertices[index] for index in tables.eyes]
        skin, ears = vertices[tables.outside], vertices[tables.ears]
        front, back = points[FOREHEAD, 2], skin[:, 2].min()
        centre = np.array([points[BRIDGE, 0], points[BRIDGE, 1] + 0.02, (front + back) / 2])
        radii = _skull(skin - centre)
        sides = (ears[ears[:, 0] > centre[0]], ears[ears[:, 0] <= centre[0]])
        return Measures(
            points=points,
            corneas=np.stack([ball[ball[:, 2].argmax()] for ball in balls]),
            eyes=np.stack([ball.mean(0) for ball in balls]),
            ear_tops=vertices[tables.ear_tops],
            ears=np.stack([side.mean(0) for side in sides]),
            centre=centre,
            radii=radii,
            radii_ears=np.maximum(radii, _bumps(ears - centre, radii)),
            face=skin,
            ring=_even_ring(vertices[tables.neck_loop]),
            neck=vertices[tables.neck],
            skin=vertices,
            triangles=tables.triangles,
        )

    def radius(self, azimuth: Array, elevation: Array, ears: bool = False) -> Array:
        """Distance of the skin from the centre, bilinear, for directions of any shape."""
        table = self.radii_ears if ears else self.radii
        row = (elevation / np.pi + 0.5) * (ELEVATIONS - 1)
        column = azimuth / (2 * np.pi) * AZIMUTHS
        at = np.stack(np.broadcast_arrays(row, column))
        at[1] %= AZIMUTHS
        padded = np.concatenate([table, table[:, :1]], 1)
        return np.asarray(map_coordinates(padded, at, order=1, mode="nearest"))

    def surface(
        self, azimuth: Array, elevation: Array, offset: Array | float = 0.0, ears: bool = False
    ) -> Array:
        """Points [...,3] that lie `offset` metres outside of the skin."""
        azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
        reach = self.radius(azimuth, elevation, ears) + offset
        return self.centre + reach[..., None] * direction(azimuth, elevation)

    def clearance(self, points: Array, ears: bool = False) -> Array:
        """How far points [...,3] lie outside of the skin, seen from the centre; metres."""
        away = points - self.centre
        length = np.linalg.norm(away, axis=-1)
        azimuth = np.arctan2(away[..., 0], away[..., 2])
        elevation = np.arcsin(np.clip(away[..., 1] / np.maximum(length, 1e-9), -1, 1))
        return length - self.radius(azimuth, elevation, ears)

    def pushed_out(self, points: Array, margin: float, ears: bool = False) -> Array:
        """Points [...,3], those nearer than `margin` to the skin moved away from the centre."""
        missing = np.maximum(margin - self.clearance(points, ears), 0)
        away = points - self.centre
        length = np.linalg.norm(away, axis=-1, keepdims=True)
        return points + away / np.maximum(length, 1e-9) * missing[..., None]

    @cached_property
    def _front(self) -> tuple[cKDTree, Array]:
        """The skin in front, looked up by x and y, and its z."""
        front = self.face[self.face[:, 2] > self.centre[2] + 0.03]
        return _tree(front[:, :2]), front[:, 2]

    @cached_property
    def _surface(self) -> tuple[cKDTree, Array, Array]:
        """The skin with ears, its points and outward normals."""
        corners = self.skin[self.triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        middles = corners.mean(1)
        normals = faces / np.maximum(np.linalg.norm(faces, axis=1, keepdims=True), 1e-12)
        return _tree(middles), middles, normals

    def distance(self, points: Array) -> Array:
        """Signed distance of points [N,3] from the nearest skin, negative inside, to a millimetre
        or two: exact enough for what touches, also at the neck, where `clearance` is not."""
        tree, middles, normals = self._surface
        _, index = tree.query(points)
        return np.asarray(((points - middles[index]) * normals[index]).sum(-1))

    def depth_of_face(self, xy: Array) -> Array:
        """z [...] of the foremost skin at places xy [...,2] before the face."""
        tree, depth = self._front
        _, index = tree.query(xy, k=3)
        return np.asarray(depth[index].max(-1))


def _tree(points: Array) -> cKDTree:
    """A tree that is built fast, for few look-ups."""
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def direction(azimuth: Array, elevation: Array) -> Array:
    """Unit vectors [...,3]."""
    return np.stack(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation) + 0 * azimuth,
            np.cos(azimuth) * np.cos(elevation),
        ],
        -1,
    )


def _grid() -> tuple[Array, Array]:
    elevation = np.linspace(-np.pi / 2, np.pi / 2, ELEVATIONS)[:, None]
    azimuth = (np.arange(AZIMUTHS) * (2 * np.pi / AZIMUTHS))[None]
    return np.broadcast_to(azimuth, (ELEVATIONS, AZIMUTHS)), np.broadcast_to(
        elevation, (ELEVATIONS, AZIMUTHS)
    )


def _skull(points: Array) -> Array:
    """Radii [ELEVATIONS, AZIMUTHS] of points [N,3] around the origin."""
    length = np.linalg.norm(points, axis=1)
    tree = _tree(points / length[:, None])
    distance, index = tree.query(direction(*_grid()).reshape(-1, 3), k=3)
    weight = 1 / (distance + 0.01) ** 2
    radii = (length[index] * weight).sum(1) / weight.sum(1)
    smooth = gaussian_filter(radii.reshape(ELEVATIONS, AZIMUTHS), 0.8, mode=("nearest", "wrap"))
    return np.asarray(smooth)


def _bumps(points: Array, radii: Array) -> Array:
    """Radii where points [N,3] stand out, spread softly over their surroundings."""
    length = np.linalg.norm(points, axis=1)
    row = np.rint((np.arcsin(points[:, 1] / length) / np.pi + 0.5) * (ELEVATIONS - 1)).astype(int)
    column = np.rint(np.arctan2(points[:, 0], points[:, 2]) / (2 * np.pi) * AZIMUTHS).astype(int)
    high = np.zeros((ELEVATIONS, AZIMUTHS))
    np.maximum.at(high, (row, column % AZIMUTHS), length)
    extra = maximum_filter(np.maximum(high - radii, 0), 3, mode=("nearest", "wrap"))
    return radii + gaussian_filter(extra, 1.0, mode=("nearest", "wrap"))


def _even_ring(loop: Array) -> Array:
    """The loop at NECK_ANGLES even angles around its middle, from the back over +X."""
    middle = loop.mean(0)
    angle = np.arctan2(loop[:, 0] - middle[0], -(loop[:, 2] - middle[2])) % (2 * np.pi)
    order = np.argsort(angle)
    wanted = np.arange(NECK_ANGLES) * (2 * np.pi / NECK_ANGLES)
    return np.stack(
        [np.interp(wanted, angle[order], loop[order, axis], period=2 * np.pi) for axis in range(3)],
        1,
    )
