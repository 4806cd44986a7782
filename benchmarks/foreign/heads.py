"""The heads of the VALID avatar library as scenes: skin, drawn eyeballs, shoulders.

Do et al., "VALID: a perceptually validated virtual avatar library for inclusion and diversity",
Frontiers in Virtual Reality 2023. All share one topology and one UV layout, the order of the
vertices differs per file. The files have no eyeballs and end at the collar; both are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from torch import Tensor

from fitme.image.color import srgb_to_linear
from fitme.render import Material, Mesh

# One head of each photographed face; the library's others are recoloured ones of these.
FACES = (
    "AIAN_F_1", "AIAN_M_1", "Asian_F_2", "Black_F_1", "Black_M_2", "Hispanic_F_1",
    "Hispanic_M_1", "MENA_F_1", "NHPI_M_1", "White_F_1", "White_M_1",
)  # fmt: skip
REFERENCE = "White_F_1"  # whose order of vertices all others are brought into

SKIN, EYES, CLOTH = 0, 1, 2  # parts of a scene
SPECULAR, ROUGHNESS = 0.028, 0.46  # of skin: F0 and perceptual roughness
CLEARANCE = 0.0003  # metres between an eyeball and the lid in front of it
# The library's picture of an eyeball: centre and radius in atlas texels, iris radius over that
# radius; measured on the atlas. The iris of an adult has a radius of 5.9 mm.
EYE_CENTRE, EYE_RADIUS, IRIS_SHARE, IRIS_M = (290.0, 117.0), 112.0, 0.277, 0.0059
RIM_LENGTH = 30  # vertices of the loop around an eye


@dataclass(frozen=True)
class Topology:
    """What all heads share: `first` [V] maps the file's vertices to those that lie apart."""

    uv: np.ndarray  # [V,2]
    triangles: np.ndarray  # [T,3], seams welded
    uv_triangles: np.ndarray  # [T,3]
    eye_rims: tuple[np.ndarray, np.ndarray]  # the inner edge of the lids, left eye first
    collar: np.ndarray  # the loop at the neck's end, in order


@dataclass(frozen=True)
class ForeignHead:
    """One head in metres, +Y up, the face along +Z, the origin between the eyes."""

    name: str
    vertices: np.ndarray  # [V,3] of the library
    topology: Topology
    mesh: Mesh  # with eyeballs and shoulders; its first V vertices are `vertices`
    materials: list[Material]

    @property
    def triangles(self) -> np.ndarray:
        return self.topology.triangles


def load_heads(folder: Path, names: Sequence[str] = FACES) -> list[ForeignHead]:
    """The named heads of the folder with `mesh/` and `albedo_atlas_webp/`."""
    with np.load(folder / "mesh" / f"{REFERENCE}.npz") as file:
        topology = _topology(file["v"], file["uv_atlas"], file["f"])
    return [_load(folder, name, topology) for name in names]


def _load(folder: Path, name: str, topology: Topology) -> ForeignHead:
    with np.load(folder / "mesh" / f"{name}.npz") as file:
        _, order = cKDTree(file["uv_atlas"]).query(topology.uv)
        vertices = file["v"][order].astype(np.float64) / 100
    atlas = Image.open(folder / "albedo_atlas_webp" / f"{name}.webp").convert("RGB")
    albedo = srgb_to_linear(torch.from_numpy(np.asarray(atlas).copy()).float() / 255)[None]
    vertices -= np.concatenate([vertices[rim] for rim in topology.eye_rims]).mean(0)
    eyes = [_eyeball(vertices[rim], albedo.shape[1]) for rim in topology.eye_rims]
    skin = (vertices, topology.triangles, topology.uv, topology.uv_triangles)
    mesh = _joined([skin, *eyes, _shoulders(vertices[topology.collar])], [SKIN, EYES, EYES, CLOTH])
    f0 = torch.full((1, 1, 1, 1), SPECULAR)
    materials = [
        Material(albedo, f0, None, ROUGHNESS),
        Material(albedo, f0, None, 0.08),
        Material.plain((0.10, 0.12, 0.16), 0.03, 0.8),
    ]
    return ForeignHead(name, vertices, topology, mesh, materials)


def _topology(vertices: np.ndarray, uv: np.ndarray, faces: np.ndarray) -> Topology:
    _, first, group = np.unique(vertices.round(4), axis=0, return_index=True, return_inverse=True)
    triangles = first[group.ravel()][faces]
    proper = (triangles != np.roll(triangles, 1, 1)).all(1)
    triangles, faces = triangles[proper], faces[proper]
    loops = _loops(triangles)
    rims = sorted(
        (loop for loop in loops if len(loop) == RIM_LENGTH),
        key=lambda loop: -vertices[loop, 0].mean(),
    )
    collar = min(loops, key=lambda loop: vertices[loop, 1].min())
    return Topology(uv, triangles, faces, (rims[0], rims[1]), collar)


def _loops(triangles: np.ndarray) -> list[np.ndarray]:
    """The boundary loops, each in the order of the edges of its triangles."""
    edges = {(int(t[k]), int(t[(k + 1) % 3])) for t in triangles for k in range(3)}
    following: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        if (b, a) not in edges:
            following[a].append(b)
    loops = []
    while following:
        start = at = min(following)
        loop = []
        while at in following:
            loop.append(at)
            at = following.pop(at)[0]
            if at == start:
                break
        loops.append(np.array(loop))
    return loops


Piece = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # as the fields of a Mesh


def _eyeball(rim: np.ndarray, texels: int) -> Piece:
    """A ball that the lids [30,3] lie on, looking along +Z, with the atlas' picture of an eye."""

    def gap(unknown: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rim - unknown[:3], axis=1) - unknown[3]

    # From a ball of an adult's size behind the lids, not far from it: the rim is nearly flat.
    start = np.append(rim.mean(0) - [0, 0, 0.012], 0.0135)
    away = np.array([0.004, 0.004, 0.02, 0.002])
    found = least_squares(gap, start, bounds=(start - away, start + away)).x
    centre, radius = found[:3], found[3] - CLEARANCE
    rings, columns = 40, 64
    polar = np.linspace(0, 0.55 * np.pi, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    across = np.stack([np.cos(turn), np.sin(turn)], -1)
    flat = np.sin(polar)[..., None] * across
    deep = np.broadcast_to(np.cos(polar)[..., None], (*flat.shape[:2], 1))
    vertices = centre + radius * np.concatenate([flat, deep], -1).reshape(-1, 3)
    share = polar / np.arcsin(IRIS_M / radius) * IRIS_SHARE
    spread = np.minimum(share, 0.97)[..., None] * across * [1, -1] * EYE_RADIUS
    uv = (np.array(EYE_CENTRE) + spread.reshape(-1, 2)) / texels
    triangles = _tube(rings, columns)
    return vertices, triangles, uv, triangles


def _tube(rings: int, columns: int) -> np.ndarray:
    """Triangles of rings of vertices, closed around, outwards where rings go backwards."""
    grid = np.arange(rings * columns).reshape(rings, columns)
    a, b = grid[:-1], np.roll(grid, -1, 1)[:-1]
    c, d = grid[1:], np.roll(grid, -1, 1)[1:]
    return np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, c, d), (a, d, b))])


def _shoulders(collar: np.ndarray) -> Piece:
    """Cloth that hangs from the collar [N,3]: what a portrait shows below the neck."""
    # Down in metres, wider in x and z.
    profile = np.array(
        [(-0.02, 0.98, 0.98), (0.0, 1.03, 1.03), (0.02, 1.4, 1.2), (0.04, 2.0, 1.3),
         (0.08, 2.6, 1.4), (0.15, 2.8, 1.5), (0.40, 2.9, 1.5)]
    )  # fmt: skip
    middle = collar.mean(0)
    rings = []
    for down, wide, deep in profile:
        ring = middle + (collar - middle) * [wide, 1.0, deep]
        ring[:, 1] = np.where(down > 0.03, middle[1], ring[:, 1]) - down
        rings.append(ring)
    vertices = np.concatenate(rings)
    triangles = _tube(len(profile), len(collar))
    outside = vertices[triangles].mean(1) - middle
    sides = np.cross(*(vertices[triangles[:, k]] - vertices[triangles[:, 0]] for k in (1, 2)))
    if (outside * sides).sum() < 0:
        triangles = triangles[:, ::-1].copy()
    return vertices, triangles, np.zeros((1, 2)), np.zeros_like(triangles)


def _joined(pieces: Sequence[Piece], parts: Sequence[int]) -> Mesh:
    vertices, triangles, uv, uv_triangles, part = [], [], [], [], []
    count = texture = 0
    for (v, t, q, s), index in zip(pieces, parts, strict=True):
        vertices.append(v)
        triangles.append(t + count)
        uv.append(q)
        uv_triangles.append(s + texture)
        part.append(np.full(len(t), index))
        count, texture = count + len(v), texture + len(q)

    def tensor(rows: list[np.ndarray], kind: torch.dtype) -> Tensor:
        return torch.from_numpy(np.concatenate(rows)).to(kind)

    return Mesh(
        tensor(vertices, torch.float32)[None],
        tensor(triangles, torch.int32),
        tensor(uv, torch.float32),
        tensor(uv_triangles, torch.int32),
        tensor(part, torch.int64),
    )
