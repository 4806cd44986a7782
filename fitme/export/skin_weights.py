"""How much each joint moves each vertex of a head, of its hair and of what it stands on.

Weights come from the head model. Along the neck the model has a share s of the head's rotation, 0
at the collar and 1 at the skull; chest, neck and head take (1-s)^2, 2s(1-s) and s^2 of it, which is
smooth and sums to one. The jaw takes what of its rotation the shape jawOpen shows at a vertex, so
that opening the joint looks like the shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.export.anatomy import Anatomy, jaw_rotation
from fitme.export.joints import ROLES
from fitme.hair.card_styles import HAIR_CARDS
from fitme.hair.cards import HairCards
from fitme.head.geometry import Geometry
from fitme.head.parts import Role

Floats = NDArray[np.float64]

_CHEST, _NECK, _HEAD, _JAW, _LEFT, _RIGHT = range(len(ROLES))
#: Metres of motion by the jaw below which what jawOpen does says little about it: near the hinge.
_NOISE = 0.002
_ROUNDS = 3  # of averaging the jaw's share with that of the neighbours
#: Metres on the skin over which hair takes the mean of what the skin does, and how much that grows
#: with the distance from it: where hair hangs free the nearest skin jumps.
_NEAR, _SPREAD = 0.012, 0.5
_SAMPLES = 1500  # vertices of the skin that this looks at
#: Metres below the neck's edge where rings of points stand for the chest, and how much wider than
#: the edge these are: about as shoulders are.
_BELOW = ((0.02, 1.2), (0.05, 1.6), (0.1, 2.3), (0.2, 2.4), (0.3, 2.4))


def head_weights(geometry: Geometry, joints: Anatomy) -> Floats:
    """Weights [V,6] in the order of ROLES for all vertices of a head, on the CPU; rows sum to 1."""
    head = geometry.head
    share = head.neck_weight.double().numpy()
    out = np.zeros((len(share), len(ROLES)))
    out[:, _CHEST], out[:, _HEAD] = (1 - share) ** 2, share**2
    out[:, _NECK] = 2 * share * (1 - share)
    jaw = _jaw_share(geometry, joints) * share
    out *= 1 - jaw[:, None]
    out[:, _JAW] = jaw
    for part in head.parts_with(Role.EYE):
        index = head.part_vertices(part.name).numpy()
        out[index] = 0.0
        out[index, (_LEFT, _RIGHT)[part.side]] = 1.0
    return out


def _jaw_share(geometry: Geometry, joints: Anatomy) -> Floats:
    """Share [V] in 0..1 of the jaw's rotation that jawOpen shows."""
    head = geometry.head
    if not joints.jaw_degrees:
        return np.zeros(len(head.mean))
    rest = geometry.vertices()[0].double().numpy()
    offsets = geometry.expression_offsets()[head.expression_index("jawOpen")].double().numpy()
    whole = (rest - joints.jaw) @ (jaw_rotation(joints.jaw_degrees) - np.eye(3)).T
    share = (offsets * whole).sum(1) / ((whole**2).sum(1) + _NOISE**2)
    share = share.clip(0, 1)
    stiff = np.zeros(len(share), bool)
    for part in head.parts_with(Role.TEETH):
        stiff[head.part_vertices(part.name).numpy()] = True
    share[stiff] = share[stiff].round()
    triangles = head.triangles.numpy()
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ends = np.concatenate([edges, edges[:, ::-1]])
    count = np.bincount(ends[:, 0], minlength=len(share)).clip(1)
    for _ in range(_ROUNDS):
        mean = np.bincount(ends[:, 0], share[ends[:, 1]], len(share)) / count
        share = np.where(stiff, share, (share + mean) / 2)
    smooth: Floats = share
    return smooth


def hair_weights(cards: HairCards, around: NearSkin, weights: Floats) -> Floats:
    """Weights [N,6] of the vertices of cards. A beard and lashes go with the skin at their roots;
    hair of the head with what is near, so that it neither opens with the jaw nor turns below the
    collar."""
    if cards.name == HAIR_CARDS.name:
        return around.at(cards.vertices.astype(np.float64))
    columns = cards.columns
    corners = columns.anchor.triangles[columns.triangle]
    root = (weights[corners] * columns.barycentric[..., None]).sum(1)
    root /= root.sum(1, keepdims=True)
    return np.repeat(root, columns.points.shape[1], 0)


class NearSkin:
    """Weights in the space about a head: those of the skin near by, the jaw's given to the head."""

    def __init__(self, geometry: Geometry, weights: Floats, rim: NDArray[np.int64]) -> None:
        head = geometry.head
        used = head.part_vertices(head.skin.name).numpy()
        step = max(len(used) // _SAMPLES, 1)
        bends = used[head.neck_weight.numpy()[used] < 1]
        chosen = np.unique(np.concatenate([used[::step], bends]))
        rest = geometry.vertices()[0].double().numpy()
        edge, middle = rest[rim], rest[rim].mean(0)
        chest = [middle + (edge - middle) * wide - (0, low, 0) for low, wide in _BELOW]
        self.points = np.concatenate([rest[chosen], *chest])
        self.weights = np.concatenate([weights[chosen], np.zeros((len(rim) * len(chest), 6))])
        self.weights[len(chosen) :, _CHEST] = 1.0
        self.weights[:, _HEAD] += self.weights[:, _JAW]
        self.weights[:, _JAW] = 0.0

    def at(self, points: NDArray[Any]) -> Floats:
        """Weights [N,6] of points [N,3]."""
        out = np.empty((len(points), len(ROLES)))
        for start in range(0, len(points), 2000):
            some = points[start : start + 2000]
            square = ((some[:, None] - self.points) ** 2).sum(-1)
            least = square.min(1, keepdims=True)
            wide = _NEAR + _SPREAD * np.sqrt(least)
            kernel = np.exp(-(square - least) / (2 * wide**2))
            out[start : start + 2000] = kernel @ self.weights / kernel.sum(1, keepdims=True)
        return out
