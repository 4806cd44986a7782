"""The head model's skin laid onto foreign heads: which point of theirs is which of ours.

The foreign heads share one topology, so the template is registered once, to their mean, and every
head's registration is read off by barycentric coordinates. First the model's own shapes follow
the landmarks, then a free deformation that resists bending follows the nearest points of the
surface and the landmarks (non-rigid ICP, after Amberg, Romdhani and Vetter, CVPR 2007, with the
squared Laplacian of the offsets as stiffness).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sparse
import trimesh
from scipy.sparse.linalg import splu

from benchmarks.foreign.heads import ForeignHead, load_heads
from benchmarks.foreign.lifting import lifted_landmarks
from benchmarks.measures import similarity
from benchmarks.surface import dense_surface
from fitme.head.model import HeadModel
from fitme.landmarks.provider import LandmarkProvider

SPACING_M = 0.0008  # of the points that stand for the foreign surface
STIFFNESS = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)  # relative to data, from coarse to fine
ROUNDS = 4  # of nearest points per stiffness
LANDMARK_WEIGHT = 20.0  # relative to one vertex
NORMAL_COSINE = 0.6  # surfaces that face elsewhere are no match
REACH_M = (0.012, 0.004)  # farthest nearest point, at first and at last
ON_SURFACE_M = 0.0008  # a vertex farther from the surface at the end has no counterpart


@dataclass(frozen=True)
class Registration:
    """For every template vertex its point on the foreign topology."""

    triangle: np.ndarray  # [V] index of a foreign triangle
    weight: np.ndarray  # [V,3] barycentric
    valid: np.ndarray  # [V] bool, whether there is a counterpart

    def vertices(self, head: ForeignHead) -> np.ndarray:
        """The template's vertices [V,3] on a head; meaningful where `valid`."""
        corners = head.vertices[head.triangles[self.triangle]]
        placed: np.ndarray = (self.weight[..., None] * corners).sum(1)
        return placed


def registration(
    folder: Path, cache: Path, head: HeadModel, provider: LandmarkProvider
) -> Registration:
    """Of the template on the heads of `folder`, kept in the file `cache`."""
    if cache.exists():
        with np.load(cache) as file:
            if str(file["template"]) == head.fingerprint():
                return Registration(file["triangle"], file["weight"], file["valid"])
    found = register(load_heads(folder), head, provider)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, template=head.fingerprint(), **vars(found))
    return found


def register(
    heads: Sequence[ForeignHead], head: HeadModel, provider: LandmarkProvider
) -> Registration:
    """The template on the mean of the heads."""
    mean = np.mean([foreign.vertices for foreign in heads], axis=0)
    landmarks, sound = lifted_landmarks(heads, provider, mean)
    sound &= head.landmark_weight.numpy() > 0.1
    start, marks = _by_landmarks(head, landmarks, sound)
    return _onto_surface(head, start, marks, landmarks, sound, mean, heads[0].triangles)


def _by_landmarks(
    head: HeadModel, landmarks: np.ndarray, sound: np.ndarray, rounds: int = 12
) -> tuple[np.ndarray, sparse.csr_matrix]:
    """The model's shape [V,3] that meets the landmarks, and the matrix that takes vertices to
    landmarks [478,V]."""
    count = len(head.mean)
    corners = head.triangles[head.landmark_triangles].numpy()
    rows = np.repeat(np.arange(len(corners)), 3)
    marks = sparse.csr_matrix(
        (head.landmark_barycentric.double().numpy().ravel(), (rows, corners.ravel())),
        shape=(len(corners), count),
    )
    modes = np.concatenate([head.identity.numpy(), head.expression.numpy()]).astype(np.float64)
    sigma = np.concatenate([np.ones(len(head.identity)), np.full(len(head.expression), 0.15)])
    basis = np.stack([marks @ mode for mode in modes])[:, sound]  # [M,S,3]
    mean, wanted = head.mean.double().numpy(), landmarks[sound]
    code = np.zeros(len(modes))
    for _ in range(rounds):
        shape = (marks @ mean)[sound] + np.tensordot(code, basis, 1)
        scale, rotation, shift = similarity(shape, wanted)
        goal = (wanted - shift) @ rotation / scale - (marks @ mean)[sound]
        design = basis.reshape(len(modes), -1).T
        ridge = np.diag((0.003 / sigma) ** 2)  # landmarks are good to 3 mm
        code = np.linalg.solve(design.T @ design + ridge, design.T @ goal.ravel())
    placed = scale * (mean + np.tensordot(code, modes, 1)) @ rotation.T + shift
    return placed, marks


def _onto_surface(
    head: HeadModel, start: np.ndarray, marks: sparse.csr_matrix, landmarks: np.ndarray,
    sound: np.ndarray, surface: np.ndarray, triangles: np.ndarray,
) -> Registration:  # fmt: skip
    skin = head.part_vertices(head.skin.name).numpy()
    own = np.full(len(start), -1)
    own[skin] = np.arange(len(skin))
    faces = own[head.part_triangles(head.skin.name).numpy()]
    laplacian = _laplacian(faces, len(skin))
    bending = laplacian.T @ laplacian
    pick = marks[sound][:, skin]
    target = trimesh.Trimesh(surface, triangles, process=False)
    dense = dense_surface(surface, triangles, SPACING_M)
    rest = start[skin]
    offset = np.zeros_like(rest)
    wanted = landmarks[sound] - pick @ rest
    reaches = np.geomspace(*REACH_M, len(STIFFNESS))
    for stiffness, reach in zip(STIFFNESS, reaches, strict=True):
        for _ in range(ROUNDS):
            placed = rest + offset
            facing = trimesh.Trimesh(placed, faces, process=False).vertex_normals
            nearest, normals = dense.nearest(placed)
            match = np.linalg.norm(nearest - placed, axis=1) < reach
            match &= (facing * normals).sum(1) > NORMAL_COSINE
            data = sparse.diags(match.astype(float))
            pull = LANDMARK_WEIGHT * min(1.0, stiffness / 3)
            system = data + stiffness * bending + pull * pick.T @ pick
            system = system + sparse.eye(len(skin)) * 1e-6
            right = data @ (nearest - rest) + pull * pick.T @ wanted
            offset = splu(system.tocsc()).solve(right)
    closest, gap, face = trimesh.proximity.closest_point(target, rest + offset)
    facing = trimesh.Trimesh(rest + offset, faces, process=False).vertex_normals
    sound_face = (facing * target.face_normals[face]).sum(1) > NORMAL_COSINE
    weight = trimesh.triangles.points_to_barycentric(target.triangles[face], closest)
    valid = np.zeros(len(start), bool)
    valid[skin] = (gap < ON_SURFACE_M) & sound_face
    all_face, all_weight = np.zeros(len(start), int), np.zeros((len(start), 3))
    all_face[skin], all_weight[skin] = face, weight
    return Registration(all_face, all_weight, valid)


def _laplacian(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """Each vertex less the mean of its neighbours, [V,V]."""
    a, b = np.concatenate([faces, np.roll(faces, 1, 1)], 1).reshape(-1, 2, 3).transpose(1, 0, 2)
    ones = np.ones(a.size)
    link = sparse.csr_matrix((ones, (a.ravel(), b.ravel())), shape=(count, count))
    link = ((link + link.T) > 0).astype(float)
    degree = np.asarray(link.sum(1)).ravel()
    return sparse.csr_matrix(sparse.eye(count) - sparse.diags(1 / degree.clip(1)) @ link)
