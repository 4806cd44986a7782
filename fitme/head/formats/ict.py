"""USC ICT-FaceKit: the FaceXModel folder of OBJ files, or the same as one .npz.

The .npz holds neutral [V, 3], identity [K, V, 3] and expression [E, V, 3] as offsets from it,
expression_names [E], faces [F, 4] (-1 pads triangles) and optionally uv [U, 2] (UDIM tiles, v
upwards) and faces_uv [F, 4]. A mesh with ICT's own topology gets ICT's parts and loses its
transparent helpers (tear film, eye occlusion, lashes); any other is one part "head".
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fitme.head.curves import smoothstep
from fitme.head.formats.checks import fail, indices, numbers, read_npz, require
from fitme.head.formats.obj import read_obj, read_obj_vertices
from fitme.head.formats.raw import RawHead
from fitme.head.model import ARKIT_NAMES

_CURE = "give ICT-FaceKit's FaceXModel folder or an .npz with neutral, identity, expression, faces"
_KEYS = ("neutral", "identity", "expression", "expression_names", "faces", "uv", "faces_uv")
_NEUTRAL = "generic_neutral_mesh.obj"

PARTS = ("head", "eye_L", "eye_R", "mouth", "teeth")
FULL_VERTICES, FULL_FACES = 26719, 26384
USED_VERTICES = 24591  # tear film, eye blend, eye occlusion and lashes follow
_PART_STARTS = (  # first vertex of each piece of the mesh and the part it belongs to
    (0, "head"), (11248, "mouth"), (13294, "head"), (14062, "mouth"), (17039, "teeth"),
    (21451, "eye_L"), (23021, "eye_R"),
)  # fmt: skip
_NECK_JOINT = (0.0, -4.5, -0.5)  # centimetres
_NECK_RAMP = (-11.5, -3.5)  # centimetres of height, leaning back with the jaw: collar to head


def read_ict(path: Path) -> RawHead:
    """Read a FaceXModel folder or an .npz of that layout. Raises InputError."""
    data = _read_folder(path) if path.is_dir() else dict(read_npz(path, _KEYS, _CURE))
    require(path, data, _KEYS[:5], _CURE)
    mean = numbers(path, "neutral", data["neutral"], (None, 3), _CURE)
    count = len(mean)
    identity = numbers(path, "identity", data["identity"], (None, count, 3), _CURE)
    expression = numbers(path, "expression", data["expression"], (None, count, 3), _CURE)
    given = data["expression_names"]
    if given.dtype.kind != "U" or given.shape != (len(expression),):
        fail(path, f"wanted {len(expression)} expression_names as text", _CURE)
    expression, names = _arkit(expression, [str(name) for name in given])
    faces = _faces(path, "faces", data["faces"], count)
    triangles = _triangulate(faces)
    raw = RawHead("USC ICT-FaceKit", mean, identity, expression, names, triangles)
    if "uv" in data and "faces_uv" in data:
        uv = numbers(path, "uv", data["uv"], (None, 2), _CURE)
        faces_uv = _faces(path, "faces_uv", data["faces_uv"], len(uv))
        if faces_uv.shape != faces.shape or ((faces_uv < 0) != (faces < 0)).any():
            fail(path, "faces_uv does not match faces", _CURE)
        raw.uv, raw.uv_triangles = np.stack([uv[:, 0], 1 - uv[:, 1]], 1), _triangulate(faces_uv)
    if count == FULL_VERTICES:
        if len(faces) != FULL_FACES:  # a cut-off OBJ shows in nothing else
            fail(path, f"has {len(faces)} faces where ICT's mesh has {FULL_FACES}", _CURE)
        _name_parts(raw)
    if raw.uv is not None and raw.uv_triangles is not None:
        raw.uv, raw.uv_triangles = _one_tile(raw.uv, raw.uv_triangles, raw.part)
    return raw


def _read_folder(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of the .npz layout from the OBJ files of a FaceXModel folder."""
    if not (folder / _NEUTRAL).is_file():
        fail(folder, f"has no {_NEUTRAL}", _CURE)
    neutral = read_obj(folder / _NEUTRAL, _CURE)
    identity, expression, names = [], [], []
    for file in sorted(folder.glob("*.obj")):
        if file.name == _NEUTRAL:
            continue
        vertices = read_obj_vertices(file, _CURE)
        if vertices.shape != neutral.vertices.shape:
            fail(file, f"has {len(vertices)} vertices, {_NEUTRAL} {len(neutral.vertices)}", _CURE)
        if re.fullmatch(r"identity\d+", file.stem):
            identity.append(vertices - neutral.vertices)
        else:
            expression.append(vertices - neutral.vertices)
            names.append(file.stem)
    if not identity or not expression:
        fail(folder, "has no identity*.obj or no expression OBJ files", _CURE)
    arrays = {"neutral": neutral.vertices, "identity": np.stack(identity),
              "expression": np.stack(expression), "expression_names": np.array(names),
              "faces": neutral.faces}  # fmt: skip
    if neutral.uv is not None and neutral.faces_uv is not None:
        arrays |= {"uv": neutral.uv, "faces_uv": neutral.faces_uv}
    return arrays


def _arkit(expression: np.ndarray, given: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Offsets and names with ICT's `_L`/`_R` as ARKit's Left/Right, in ARKit's order, then the
    rest; halves that ARKit has as one shape (browInnerUp, cheekPuff) are added up."""
    merged: dict[str, np.ndarray] = {}
    for name, offsets in zip(given, expression, strict=True):
        stem = re.sub(r"_[LR]$", "", name)
        if stem == name or stem not in ARKIT_NAMES:
            stem = stem + {"_L": "Left", "_R": "Right"}.get(name[len(stem) :], "")
        merged[stem] = merged[stem] + offsets if stem in merged else offsets
    names = [name for name in ARKIT_NAMES if name in merged]
    names += [name for name in merged if name not in ARKIT_NAMES]
    return np.stack([merged[name] for name in names]), tuple(names)


def _faces(path: Path, name: str, value: np.ndarray, count: int) -> np.ndarray:
    """Triangles [F, 3] or quads [F, 4] with -1 padding -> checked [F, 4]."""
    if value.ndim == 2 and value.shape[1] == 3:
        value = np.pad(value, ((0, 0), (0, 1)), constant_values=-1)
    if value.ndim != 2 or value.shape[1] != 4 or value.dtype.kind not in "iu":
        fail(path, f"{name} has the shape {list(value.shape)}, wanted [any, 3 or 4]", _CURE)
    value = value.astype(np.int64)
    indices(path, name, value[:, :3], (None, 3), count, _CURE)
    if value[:, 3].max() >= count or value[:, 3].min() < -1:
        fail(path, f"{name} points outside of {count} points", _CURE)
    return value


def _triangulate(faces: np.ndarray) -> np.ndarray:
    return np.concatenate([faces[:, :3], faces[faces[:, 3] >= 0][:, [0, 2, 3]]])


def _name_parts(raw: RawHead) -> None:
    """Parts, neck and removal of the helpers for ICT's own topology."""
    kept = raw.triangles[:, 0] < USED_VERTICES
    raw.triangles = raw.triangles[kept]
    if raw.uv_triangles is not None:
        raw.uv_triangles = raw.uv_triangles[kept]
    raw.mean, raw.identity = raw.mean[:USED_VERTICES], raw.identity[:, :USED_VERTICES]
    raw.expression = raw.expression[:, :USED_VERTICES]
    starts = [start for start, _ in _PART_STARTS]
    piece = np.searchsorted(starts, raw.triangles[:, 0], side="right") - 1
    raw.part_names = PARTS
    raw.part = np.array([PARTS.index(name) for _, name in _PART_STARTS])[piece]
    low, high = _NECK_RAMP
    raw.neck_weight = smoothstep(low, high, raw.mean[:, 1] + 0.45 * raw.mean[:, 2])
    raw.neck_joint = np.array(_NECK_JOINT)


def _one_tile(
    uv: np.ndarray, triangles: np.ndarray, part: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Put the UDIM tiles that a part uses side by side into one tile of its own."""
    part = np.zeros(len(triangles), dtype=np.int64) if part is None else part
    pieces, moved, offset = [], np.zeros_like(triangles), 0
    for index in np.unique(part):
        of_part = part == index
        tile = np.floor(uv[triangles[of_part]].mean(1)[:, 0])  # by triangle: borders are shared
        tiles, rank = np.unique(tile, return_inverse=True)
        pair, local = np.unique(
            np.stack([triangles[of_part], np.repeat(rank[:, None], 3, 1)], -1).reshape(-1, 2),
            axis=0, return_inverse=True,
        )  # fmt: skip
        u = (uv[pair[:, 0], 0] - tiles[pair[:, 1]] + pair[:, 1]) / len(tiles)
        pieces.append(np.stack([u, uv[pair[:, 0], 1]], 1))
        moved[of_part] = local.reshape(-1, 3) + offset
        offset += len(pair)
    return np.clip(np.concatenate(pieces), 0, 1), moved
