"""Where a head's skin, eyes, teeth and tongue cut through each other, by exact geometry.

    python -m benchmarks.cuts --people 10

Each of the 52 shapes alone, at a quarter to the whole, and the pairs that faces make; per pair of
surfaces and pose it counts the edges of one that pass through triangles of the other. A tongue that
is out while the jaw is shut is left out: it has nowhere to be.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fitme.head.geometry import Geometry
from fitme.head.lids import lid_seams
from fitme.head.model import HeadModel, load_head
from fitme.head.parts import Role

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pose = Mapping[str, float]

WEIGHTS = (0.25, 0.5, 0.75, 1.0)
SEEN = 0.3  # share of the surround that outer skin sees
FRONT_M = 0.08  # how far front teeth are from the head's middle
ON_M = 0.0015  # from the eyeball: the margins of lids, which lie on it
REACH_M = 0.022  # around an eye, of the skin that may meet it
PAIRS: tuple[Pose, ...] = (
    {"jawOpen": 1, "mouthSmileLeft": 1, "mouthSmileRight": 1},
    {"jawOpen": 0.4, "mouthSmileLeft": 1, "mouthSmileRight": 1},
    {"jawOpen": 0.5, "mouthFunnel": 1},
    {"jawOpen": 0.3, "mouthPucker": 1},
    {"jawOpen": 1, "tongueOut": 1},
    {"jawOpen": 0.4, "tongueOut": 1},
    {"jawOpen": 0.5, "mouthClose": 0.5},
    {"eyeBlinkLeft": 1, "eyeBlinkRight": 1, "eyeSquintLeft": 1, "eyeSquintRight": 1},
    {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5, "eyeSquintLeft": 0.5, "eyeSquintRight": 0.5},
    {"mouthSmileLeft": 1, "mouthSmileRight": 1, "cheekSquintLeft": 1, "cheekSquintRight": 1},
    {"mouthSmileLeft": 1, "mouthSmileRight": 1, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5},
)


@dataclass(frozen=True)
class Surfaces:
    """Two pieces of a head that must not meet: edges and triangles of the first, triangles of the
    second, as vertices of the head."""

    edges: Ints  # [E,2]
    first: Ints  # [S,3]
    second: Ints  # [T,3]


def surfaces(head: HeadModel) -> dict[str, Surfaces]:
    """Lids against eyeballs, lips against teeth, the tongue against teeth and lips.

    What nobody sees may touch: lips count where they are seen when shut, lids where the open eye's
    do not lie on the eyeball and without the upper one's edge, which a blink lays onto the lower
    lid; and of the teeth the tongue only has to clear the front ones.
    """
    triangles, mean = head.triangles.numpy(), head.mean.numpy()
    seen = head.occlusion.numpy() > SEEN
    role = np.array([part.role for part in head.parts])[head.part.numpy()]
    lips = (head.regions["lips"].numpy()[triangles] > 0.5).all(1) & (role == Role.SKIN)
    lips &= seen[triangles].all(1)
    tongue = (head.regions["tongue"].numpy()[triangles] > 0.5).all(1) & (role == Role.TONGUE)
    teeth, front = role == Role.TEETH, (mean[triangles, 2] > FRONT_M).all(1)
    found = {
        "lips and teeth": _pair(triangles[lips], triangles[teeth]),
        "tongue and teeth": _pair(triangles[tongue], triangles[teeth & front]),
        "tongue and lips": _pair(triangles[tongue], triangles[lips]),
    }
    inner = np.ones(len(mean), bool)
    for seam in lid_seams(head):
        inner[seam.vertices[seam.above == 0].numpy()] = False
    centres = head.eye_centres(head.mean[None])[0].numpy()
    for eye in head.parts_with(Role.EYE):
        away = np.linalg.norm(mean - centres[eye.side], axis=1)
        ball = head.part_vertices(eye.name).numpy()
        on = cKDTree(mean[ball]).query(mean)[0] < ON_M
        near = (away < REACH_M) & ~on & seen & inner
        lids = near[triangles].all(1) & (role == Role.SKIN)
        found[f"lids and {eye.name}"] = _pair(
            triangles[lids], triangles[head.part.numpy() == eye.index]
        )
    return found


def _pair(first: Ints, second: Ints) -> Surfaces:
    edges = np.concatenate([first[:, [0, 1]], first[:, [1, 2]], first[:, [2, 0]]])
    return Surfaces(np.unique(np.sort(edges, axis=1), axis=0), first, second)


def crossings(vertices: Floats, pair: Surfaces) -> Floats:
    """Points [N,3] at which edges of each surface pass through triangles of the other."""
    other = _pair(pair.second, pair.first)
    return np.concatenate([
        _crossed(vertices, edges, triangles[np.argsort(vertices[triangles, 0].min(1))])
        for edges, triangles in ((pair.edges, pair.second), (other.edges, pair.first))
    ])  # fmt: skip


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _crossed(vertices: Floats, edges: Ints, triangles: Ints) -> Floats:
    """Where edges pass through triangles, which are sorted by their least x; Moeller and Trumbore
    1997 for the segment and the triangle."""
    count = len(triangles)
    low, high = np.empty((count, 3)), np.empty((count, 3))
    for t in range(count):
        for c in range(3):
            a, b, d = (vertices[triangles[t, 0], c], vertices[triangles[t, 1], c],
                       vertices[triangles[t, 2], c])  # fmt: skip
            low[t, c], high[t, c] = min(a, b, d), max(a, b, d)
    widest = 0.0
    for t in range(count):
        widest = max(widest, high[t, 0] - low[t, 0])
    starts = low[:, 0].copy()
    found, number = np.empty((len(edges), 3)), 0
    for e in range(len(edges)):
        p, q = vertices[edges[e, 0]], vertices[edges[e, 1]]
        least, most = np.minimum(p, q), np.maximum(p, q)
        t = np.searchsorted(starts, least[0] - widest)
        while t < count and starts[t] <= most[0]:
            if (high[t, 0] >= least[0] and high[t, 1] >= least[1] and low[t, 1] <= most[1]
                    and high[t, 2] >= least[2] and low[t, 2] <= most[2]):  # fmt: skip
                a, way = vertices[triangles[t, 0]], q - p
                u_side, v_side = vertices[triangles[t, 1]] - a, vertices[triangles[t, 2]] - a
                across = np.cross(way, v_side)
                area = (u_side * across).sum()
                if abs(area) > 1e-18:
                    off = p - a
                    u = (off * across).sum() / area
                    over = np.cross(off, u_side)
                    v, s = (way * over).sum() / area, (v_side * over).sum() / area
                    if u >= 0 and v >= 0 and u + v <= 1 and 0 <= s <= 1:
                        found[number] = p + s * way
                        number += 1
                        break
            t += 1
    return found[:number]


def poses(head: HeadModel) -> Iterator[tuple[str, Pose]]:
    """What is looked at, with a name."""
    for name in head.expression_names:
        for weight in WEIGHTS if name != "tongueOut" else ():
            yield f"{name} {weight:g}", {name: weight}
    for pair in PAIRS:
        yield " + ".join(f"{name} {weight:g}" for name, weight in pair.items()), pair


def posed(shape: Geometry, pose: Pose) -> Floats:
    """Vertices [V,3] of a person with some expressions."""
    head = shape.head
    expression = torch.zeros(1, len(head.expression_names))
    for name, weight in pose.items():
        expression[0, head.expression_index(name)] = weight
    vertices: Floats = shape.vertices(expression)[0].double().numpy()
    return vertices


def person(head: HeadModel, seed: int) -> Geometry:
    """Somebody whom the head model finds likely; the mean for seed 0."""
    draw = torch.Generator().manual_seed(seed)
    identity = torch.randn(1, len(head.identity), generator=draw) * (seed > 0)
    return Geometry(head, identity)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=10)
    args = parser.parse_args()
    head = load_head()
    pairs = surfaces(head)
    for seed in range(args.people):
        shape = person(head, seed)
        for name, pose in poses(head):
            vertices = posed(shape, pose)
            counts = {what: len(crossings(vertices, pair)) for what, pair in pairs.items()}
            if any(counts.values()):
                print(seed, name, {what: n for what, n in counts.items() if n}, flush=True)


if __name__ == "__main__":
    main()
