"""Own meshes for what lies inside the head: eyeballs and the mouth's bag.

Each returns a `Part`: vertices with their linear basis [158, V, 3] (neutral, identity,
expression of the ICT model, in metres), triangles and UVs in the part's own tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fitme.models.train import ict as ict_data
from fitme.models.train.slim import tutte

EYE_RADIUS = 0.01525  # metres, a little inside the lid rims of the ICT head
EYE_SECTORS = 32
CORNEA_HEIGHT = 0.0019  # metres
CORNEA_ANGLE = np.radians(31)
IRIS_ANGLE = np.radians(22.5)  # half angle under which the limbus is seen from the centre


@dataclass(frozen=True)
class Part:
    """A named piece of the template."""

    name: str
    basis: np.ndarray  # [158, V, 3]
    triangles: np.ndarray  # [T, 3]
    uv: np.ndarray  # [U, 2] in 0..1, v downwards
    uv_triangles: np.ndarray  # [T, 3]


def eyeball(model: ict_data.IctModel, side: str, *, sectors: int = EYE_SECTORS) -> Part:
    """A sphere with a corneal bulge around +Z; follows the ICT eyeball by shift and scale.

    UV: the front pole is the tile's centre, radius grows with the polar angle.
    """
    span = ict_data.EYEBALL_L if side == "L" else ict_data.EYEBALL_R
    outer = slice(span[0], span[0] + 770)  # the sclera and cornea shell, without the inner iris
    shell = model.basis()[:, outer]
    angle = np.radians(np.concatenate([np.linspace(0, 32, 13)[1:], np.linspace(36, 150, 20)]))
    bulge = np.clip(np.cos(angle / CORNEA_ANGLE * np.pi / 2), 0, 1) * (angle < CORNEA_ANGLE)
    radius = EYE_RADIUS + CORNEA_HEIGHT * bulge**1.3
    turn = np.arange(sectors) * 2 * np.pi / sectors
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    unit = [np.array([[0.0, 0.0, EYE_RADIUS + CORNEA_HEIGHT]])]
    uv = [np.array([[0.5, 0.5]])]
    for a, r in zip(angle, radius, strict=True):
        flat = ring * r * np.sin(a)
        unit.append(np.column_stack([flat, np.full(sectors, r * np.cos(a))]))
        uv.append(0.5 + ring * [1, -1] * 0.48 * a / angle[-1])
    local = np.concatenate(unit)
    triangles = [[0, 1 + k, 1 + (k + 1) % sectors] for k in range(sectors)]
    for i in range(len(angle) - 1):
        lo, hi = 1 + i * sectors, 1 + (i + 1) * sectors
        for k in range(sectors):
            n = (k + 1) % sectors
            triangles += [[lo + k, hi + k, hi + n], [lo + k, hi + n, lo + n]]
    # Shift and scale of every mode by least squares on the shell around its centre.
    centre = _sphere_centre(shell[0])
    relative = shell[0] - centre
    mean = relative.mean(0)
    spread = ((relative - mean) ** 2).sum()
    basis = np.zeros((len(shell), len(local), 3))
    basis[0] = centre + local
    for k in range(1, 1 + len(model.identity)):
        scale = ((shell[k] - shell[k].mean(0)) * (relative - mean)).sum() / spread
        basis[k] = shell[k].mean(0) - scale * mean + scale * local
    faces = np.array(triangles)
    return Part(f"eye_{side}", basis, faces, np.concatenate(uv), faces)


def _sphere_centre(points: np.ndarray) -> np.ndarray:
    back = points[points[:, 2] < np.percentile(points[:, 2], 60)]
    system = np.column_stack([2 * back, np.ones(len(back))])
    return np.linalg.lstsq(system, (back**2).sum(1), rcond=None)[0][:3]


def mouth_cavity(
    model: ict_data.IctModel, rim: np.ndarray, *, sectors: int = 64, rings: int = 12
) -> Part:
    """A bag behind the lips: a polar grid on the ICT mouth socket, its first ring `rim`.

    `rim` [158, R, 3] is the closed lip rim of the template, counter-clockwise seen from the
    front. The grid is drawn in Tutte's disc of the socket.
    """
    faces = ict_data.triangulate(model.faces)
    low, high = ict_data.MOUTH_SOCKET
    inside = ((faces >= low) & (faces < high)).any(1) & (faces < high).all(1)
    used, triangles = np.unique(faces[inside], return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    basis = model.basis()[:, used]
    loop = ict_data.boundary_loops(triangles)[-1]
    centre = basis[0][loop].mean(0)

    def azimuth(points: np.ndarray) -> np.ndarray:
        flat = (points - centre) / np.ptp(basis[0][loop], axis=0)
        return np.arctan2(flat[..., 1], flat[..., 0])

    # Positions around the lips as a share of the rim's length, starting at the left corner.
    points = basis[0][loop]
    loop = np.roll(loop, -int(np.argmax(points[:, 0])))
    if np.sin(azimuth(basis[0][loop[len(loop) // 4]])) < 0:
        loop = np.roll(loop[::-1], 1)
    share = _arc_share(basis[0][loop])
    disc = np.stack([np.cos(share), np.sin(share)], 1)
    flat = tutte(triangles, len(used), loop, disc)
    start = int(np.argmax(rim[0][:, 0]))
    rim = np.roll(rim, -start, axis=1)
    if rim[0][rim.shape[1] // 4, 1] < rim[0][0, 1]:
        rim = np.roll(rim[:, ::-1], 1, axis=1)
    radii = _even_radii(flat, basis[0], rings)
    turn = np.arange(sectors) * 2 * np.pi / sectors
    grid = [r * np.stack([np.cos(turn), np.sin(turn)], 1) for r in radii]
    query = np.concatenate([*grid, np.zeros((1, 2))])
    weights, corners = _locate(flat, triangles, query)
    own = np.einsum("bvkc,vk->bvc", basis[:, corners], weights)
    count = rim.shape[1]
    rim_turn = _arc_share(rim[0])
    body = np.concatenate([rim, own], axis=1)
    out = _bridge(rim_turn, turn, count)
    for i in range(len(radii) - 1):
        a, b = count + i * sectors, count + (i + 1) * sectors
        for k in range(sectors):
            n = (k + 1) % sectors
            out += [[a + k, b + k, b + n], [a + k, b + n, a + n]]
    last, pole = count + (len(radii) - 1) * sectors, body.shape[1] - 1
    out += [[last + k, pole, last + (k + 1) % sectors] for k in range(sectors)]
    uv = np.concatenate([np.stack([np.cos(rim_turn), np.sin(rim_turn)], 1), query])
    tris = np.array(out)
    tris = _face_towards(body[0], tris, body[0].mean(0))
    return Part("mouth", body, tris, 0.5 + 0.49 * uv * [1, -1], tris)


def _arc_share(points: np.ndarray) -> np.ndarray:
    """Angle 0..2 pi of each point of a closed run by arc length from its first point, [N]."""
    length = np.linalg.norm(np.roll(points, -1, 0) - points, axis=1)
    return 2 * np.pi * np.concatenate([[0], np.cumsum(length)[:-1]]) / length.sum()


def _even_radii(flat: np.ndarray, xyz: np.ndarray, rings: int) -> np.ndarray:
    """Radii in the disc that lie evenly along the bag's depth, rim and pole left out."""
    radius = np.linalg.norm(flat, axis=1)
    depth = xyz[:, 2].max() - xyz[:, 2]
    edges = np.linspace(0, 1, 25)
    mid = 0.5 * (edges[1:] + edges[:-1])
    bins = np.digitize(radius, edges) - 1
    value = np.array([depth[bins == b].mean() if (bins == b).any() else np.nan for b in range(24)])
    value = np.interp(mid, mid[~np.isnan(value)], value[~np.isnan(value)])
    value = np.maximum.accumulate(value[::-1])[::-1]
    wanted = np.linspace(0.02, 0.93, rings) * (value.max() - value.min()) + value.min()
    return np.clip(np.interp(wanted, value[::-1] + np.arange(24) * 1e-9, mid[::-1]), 0.03, 0.97)


def _bridge(outer: np.ndarray, inner: np.ndarray, offset: int) -> list[list[int]]:
    """Triangles between two closed rings by their angles; inner vertices start at `offset`."""
    out, i, k = [], 0, 0
    n, m = len(outer), len(inner)
    while i < n or k < m:
        next_outer = outer[i + 1] if i + 1 < n else 2 * np.pi + (0 if i < n else 9)
        next_inner = inner[k + 1] if k + 1 < m else 2 * np.pi + (0 if k < m else 9)
        if next_outer <= next_inner and i < n:
            out.append([i % n, offset + k % m, (i + 1) % n])
            i += 1
        else:
            out.append([i % n, offset + k % m, offset + (k + 1) % m])
            k += 1
    return out


def _face_towards(points: np.ndarray, triangles: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turn a consistently wound bag so that its normals point at `centre`."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    inward = (np.cross(b - a, c - a) * (centre - (a + b + c) / 3)).sum()
    return triangles if inward > 0 else triangles[:, ::-1]


def _locate(
    flat: np.ndarray, triangles: np.ndarray, query: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Barycentric weights [Q, 3] and corners [Q, 3] of 2D points; nearest triangle if outside."""
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    weights, corners = [], []
    for q in query:
        w1 = np.cross(q - a, c - a) / area
        w2 = np.cross(b - a, q - a) / area
        bary = np.stack([1 - w1 - w2, w1, w2], 1)
        best = int(np.argmax(bary.min(1)))
        w = np.clip(bary[best], 0, None)
        weights.append(w / w.sum())
        corners.append(triangles[best])
    return np.array(weights), np.array(corners)
