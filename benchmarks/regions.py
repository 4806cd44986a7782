"""Errors of the parts of a face, each laid onto the true one by itself.

After REALY (Chai et al., ECCV 2022, section 4): one alignment of the whole face lets an error of
the cheeks tilt a good nose, so nose, mouth, forehead and cheeks are each moved rigidly onto the
truth before they are measured. The scale is that of the whole face: a photo does not tell it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.measures import similarity
from benchmarks.surface import DenseSurface, dense_surface, vertex_areas
from fitme.head.model import HeadModel

REGIONS = ("nose", "mouth", "forehead", "cheeks")
SPACING_M = 0.0007  # of the points that stand for a fitted surface
ROUNDS = 12  # of nearest points
AROUND_M = 0.02  # of the fitted surface that is kept around the true face
SLIDE = 1e-3  # resistance to sliding along a smooth region, of its mean resistance


def face_regions(head: HeadModel) -> dict[str, np.ndarray]:
    """REGIONS as vertices [V] bool of the skin that shows; from the template's own masks, and
    from heights and widths in metres on its mean."""
    mask = {name: value.numpy() > 0.5 for name, value in head.regions.items()}
    skin = np.zeros(len(head.mean), bool)
    skin[head.part_vertices(head.skin.name).numpy()] = True
    hidden = mask["nostrils"] | mask["mouth_inside"] | mask["lids"]
    x, y, z = head.mean.numpy().T
    shown = skin & mask["face"] & ~hidden
    nose = shown & mask["nose"]
    rest = shown & ~nose
    # The mean's landmarks: brows at y 0.055, eyes 0.034, base of the nose -0.009, corners of the
    # mouth at x 0.025 and y -0.035, chin -0.075.
    mouth = rest & (abs(x) < 0.034) & (y < -0.009) & (y > -0.062) & (z > 0.08)
    forehead = rest & (y > 0.056) & (y < 0.080) & (abs(x) < 0.058)
    cheeks = rest & (abs(x) > 0.022) & (y < 0.024) & (y > -0.055) & ~mouth
    return {"nose": nose, "mouth": mouth, "forehead": forehead, "cheeks": cheeks}


@dataclass(frozen=True)
class RegionError:
    """Mean distances in millimetres after the region's own rigid alignment."""

    nearest: float  # from true points to the fitted surface
    corresponding: float  # between the same vertices


def region_errors(
    fitted: np.ndarray, truth: np.ndarray, triangles: np.ndarray, regions: dict[str, np.ndarray],
    counted: np.ndarray,
) -> dict[str, RegionError]:  # fmt: skip
    """Errors of a fitted face against the true one; vertices [V,3] of one template each.

    `counted` [V] bool are the vertices whose true place is known.
    """
    area = vertex_areas(truth, triangles)
    whole = counted & np.any(list(regions.values()), axis=0)
    scale, rotation, shift = similarity(fitted[whole], truth[whole])
    placed = scale * fitted @ rotation.T + shift
    low, high = truth[whole].min(0) - AROUND_M, truth[whole].max(0) + AROUND_M
    near = ((placed > low) & (placed < high)).all(1)
    surface = dense_surface(placed, triangles[near[triangles].all(1)], SPACING_M)
    errors = {}
    for name, region in regions.items():
        used = region & counted
        true, weight = truth[used], area[used] / area[used].sum()
        errors[name] = RegionError(
            1000 * nearest_distance(true, weight, surface),
            1000 * corresponding_distance(placed[used], true, weight),
        )
    return errors


def corresponding_distance(fitted: np.ndarray, true: np.ndarray, weight: np.ndarray) -> float:
    """Mean distance of points [N,3] after the best rigid motion; weight [N] sums to one."""
    a, b = weight @ fitted, weight @ true
    u, _, vt = np.linalg.svd((true - b).T @ ((fitted - a) * weight[:, None]))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    moved = (fitted - a) @ (u @ sign @ vt).T + b
    return float(weight @ np.linalg.norm(moved - true, axis=1))


def nearest_distance(true: np.ndarray, weight: np.ndarray, surface: DenseSurface) -> float:
    """Mean distance of points [N,3] to a surface after rigid point-to-plane ICP (Chen and Medioni
    1992); weight [N] sums to one."""
    points = true
    for _ in range(ROUNDS):
        found, normals = surface.nearest(points)
        gap = ((points - found) * normals).sum(1)
        middle = weight @ points
        arm = np.cross(points - middle, normals)
        design = np.concatenate([arm / 0.03, normals], 1)  # turns about 3 cm arms: like metres
        system = design.T @ (design * weight[:, None])
        system += np.eye(6) * SLIDE * np.trace(system) / 6
        step = np.linalg.solve(system, -design.T @ (weight * gap))
        points = (points - middle) @ _turn(step[:3] / 0.03).T + middle + step[3:]
    found, normals = surface.nearest(points)
    return float(weight @ np.abs(((points - found) * normals).sum(1)))


def _turn(vector: np.ndarray) -> np.ndarray:
    """Rotation [3,3] about a vector of so many radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle < 1e-12:
        return np.eye(3) + cross
    out: np.ndarray = (
        np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross
    )
    return out
