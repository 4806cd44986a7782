"""FLAME (Li et al. 2017) in the 2020 and 2023 editions: generic_model.pkl, flame2023.pkl, .npz.

What carries over: shape and expression components (FLAME scales them to one standard
deviation), eyeballs as parts, the neck from the skinning weights and the mean neck joint (which
does not follow identity here). The jaw is a joint in FLAME; here it becomes three expressions
made by skinning with its pose correctives on the mean head: jawOpen (20 degrees), jawLeft and
jawRight (10 degrees). At weight 1 they are exact for the mean head; in between they move
straight. Other pose correctives (neck, eyes) are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fitme.head.formats.checks import fail, indices, numbers, read_npz, require
from fitme.head.formats.raw import RawHead
from fitme.head.formats.unpickle import get_array, read_pickle

_CURE = "give FLAME's generic_model.pkl or flame2023.pkl from flame.is.tue.mpg.de"
_NEEDED = ("v_template", "shapedirs", "f", "weights", "J_regressor")
_USED = (*_NEEDED, "posedirs", "vt", "ft")
_SHAPES = {400: 300, 20: 10}  # shapes in the file -> how many of them are identity
NECK, JAW, LEFT_EYE, RIGHT_EYE = 1, 2, 3, 4
_JAW_POSES = {"jawOpen": (0, 20.0), "jawLeft": (1, 10.0), "jawRight": (1, -10.0)}  # axis, degrees


def read_flame(path: Path) -> RawHead:
    """Read a FLAME pickle (safely, see `unpickle`) or .npz.

    Raises InputError naming the file: refused, damaged, or no FLAME model.
    """
    data: dict[str, Any]
    if path.suffix.lower() == ".npz":
        data = dict(read_npz(path, _USED, _CURE))
    else:
        data = read_pickle(path, _CURE)
    require(path, data, _NEEDED, _CURE)
    arrays = {k: get_array(path, k, data[k], _CURE) for k in _USED if data.get(k) is not None}
    mean = numbers(path, "v_template", arrays["v_template"], (None, 3), _CURE)
    count = len(mean)
    weights = arrays["weights"]
    if weights.ndim == 2 and weights.shape[1] != 5:
        fail(path, f"has {weights.shape[1]} joints where FLAME has 5", _CURE)
    weights = numbers(path, "weights", weights, (count, 5), _CURE)
    regressor = numbers(path, "J_regressor", arrays["J_regressor"], (5, count), _CURE)
    shapes = numbers(path, "shapedirs", arrays["shapedirs"], (count, 3, None), _CURE)
    shapes = shapes.transpose(2, 0, 1)
    if len(shapes) not in _SHAPES:
        fail(path, f"has {len(shapes)} shapes where FLAME has 400 (or 20)", _CURE)
    identity, expression = np.split(shapes, [_SHAPES[len(shapes)]])
    triangles = indices(path, "f", arrays["f"], (None, 3), count, _CURE)
    joints = regressor @ mean
    jaw = _jaw_shapes(path, mean, weights[:, JAW], joints[JAW], arrays.get("posedirs"))
    part, part_names = _parts(mean, triangles, weights)
    raw = RawHead(
        source="FLAME",
        mean=mean,
        identity=identity,
        expression=np.concatenate([expression, jaw]),
        expression_names=(*(f"flame_exp_{i:03d}" for i in range(len(expression))), *_JAW_POSES),
        triangles=triangles,
        part=part,
        part_names=part_names,
        neck_weight=np.clip(1 - weights[:, 0], 0, 1),  # joint 0 is the root; all else is the head
        neck_joint=joints[NECK],
        metadata={"jaw": "jawOpen = 20 degrees, jawLeft and jawRight = 10 degrees, linear"},
    )
    if "vt" in arrays and "ft" in arrays:
        uv = numbers(path, "vt", arrays["vt"], (None, 2), _CURE)
        raw.uv_triangles = indices(path, "ft", arrays["ft"], triangles.shape, len(uv), _CURE)
        raw.uv = np.stack([uv[:, 0], 1 - uv[:, 1]], 1)
    return raw


def _parts(
    mean: np.ndarray, triangles: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Part of each triangle [T]: the eyeballs are what their joints move."""
    owner = weights.argmax(1)[triangles]  # [T, 3]
    eyes = [(owner == joint).all(1) for joint in (LEFT_EYE, RIGHT_EYE)]
    if not all(eye.any() for eye in eyes):
        return np.zeros(len(triangles), dtype=np.int64), ("head",)
    # Some files count sides from the viewer; here +X is the person's left.
    if mean[triangles[eyes[0]], 0].mean() < mean[triangles[eyes[1]], 0].mean():
        eyes.reverse()
    return np.select(eyes, [1, 2], 0), ("head", "eye_L", "eye_R")


def _jaw_shapes(
    path: Path, mean: np.ndarray, weight: np.ndarray, joint: np.ndarray, correctives: Any
) -> np.ndarray:
    """Offsets [3, V, 3] of the poses in `_JAW_POSES`: pose correctives, then skinning."""
    if correctives is not None:
        correctives = numbers(path, "posedirs", correctives, (len(mean), 3, 36), _CURE)
        correctives = correctives[:, :, 9 * (JAW - 1) : 9 * JAW]
    shapes = []
    for axis, degrees in _JAW_POSES.values():
        turn = _rotation(axis, np.radians(degrees)) - np.eye(3)
        moved = np.zeros_like(mean) if correctives is None else correctives @ turn.ravel()
        shapes.append(moved + weight[:, None] * ((mean + moved - joint) @ turn.T))
    return np.stack(shapes)


def _rotation(axis: int, angle: float) -> np.ndarray:
    """Right-handed rotation [3, 3] about a coordinate axis."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix
