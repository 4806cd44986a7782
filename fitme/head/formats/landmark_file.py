"""Landmarks for a model that has none, from the user's JSON file.

The file is a list in the order of the MediaPipe face mesh (478 entries, or 468 without the
irises): a vertex index, or [triangle, b0, b1, b2] with barycentric weights, or null for a point
that the model has not. Or {"landmarks": that list, "weights": [478 numbers >= 0]}. Numbers of
vertices and triangles are those of the converted model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fitme.head.formats.checks import fail, read_bytes
from fitme.head.model import HeadModel
from fitme.landmarks.face import LANDMARKS, SKIN_LANDMARKS

_CURE = (
    "give a JSON list of 478 vertex indices, [triangle, b0, b1, b2] or null in MediaPipe's order"
)


def with_landmarks(model: HeadModel, path: Path) -> HeadModel:
    """The model with the landmarks of a file. Raises InputError naming the file and the entry."""
    try:
        data: Any = json.loads(read_bytes(path, _CURE))
    except (ValueError, RecursionError):
        fail(path, "is no valid JSON", _CURE)
    given: Any = None
    if isinstance(data, dict):
        data, given = data.get("landmarks"), data.get("weights")
    if not isinstance(data, list) or len(data) not in (SKIN_LANDMARKS, LANDMARKS):
        count = f"{len(data)} entries" if isinstance(data, list) else "no list"
        fail(path, f"holds {count} of landmarks", _CURE)
    weight = _weights(path, given, len(data))
    triangle = np.zeros(LANDMARKS, dtype=np.int64)
    barycentric = np.tile(np.array([1.0, 0.0, 0.0]), (LANDMARKS, 1))
    corners = model.triangles.cpu().numpy()
    flat = corners.ravel()
    _, first = np.unique(flat, return_index=True)
    corner_of = {int(flat[position]): int(position) for position in first}
    for index, entry in enumerate(data):
        if entry is None:
            weight[index] = 0.0
        elif _is_index(entry):
            if entry not in corner_of:
                fail(path, f"landmark {index} is vertex {entry}, which no triangle has", _CURE)
            triangle[index] = corner_of[entry] // 3
            barycentric[index] = np.eye(3)[corner_of[entry] % 3]
        else:
            triangle[index], barycentric[index] = _point(path, index, entry, len(corners))
    return replace(
        model,
        landmark_triangles=torch.from_numpy(triangle).to(model.device),
        landmark_barycentric=torch.from_numpy(barycentric).float().to(model.device),
        landmark_weight=torch.from_numpy(weight).float().to(model.device),
    )


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _weights(path: Path, given: Any, count: int) -> np.ndarray:
    """Weights [478]; points after the `count`-th weigh nothing."""
    weight = np.zeros(LANDMARKS)
    weight[:count] = 1.0
    if given is not None:
        fits = isinstance(given, list) and len(given) == count
        # `0 <= w < inf` is false for NaN too.
        if not fits or not all(type(w) in (int, float) and 0 <= w < np.inf for w in given):
            fail(path, f"its weights are no list of {count} numbers >= 0", _CURE)
        weight[:count] = given
    return weight


def _point(path: Path, index: int, entry: Any, triangles: int) -> tuple[int, list[float]]:
    """Triangle and barycentric weights of [triangle, b0, b1, b2]."""
    if not (isinstance(entry, list) and len(entry) == 4 and _is_index(entry[0])):
        fail(path, f"landmark {index} is neither an index nor [triangle, b0, b1, b2]", _CURE)
    if not 0 <= entry[0] < triangles:
        fail(path, f"landmark {index} is in triangle {entry[0]} of {triangles}", _CURE)
    share = entry[1:]
    if not all(type(b) in (int, float) and -0.01 <= b <= 1.01 for b in share):
        fail(path, f"landmark {index} has weights that are not in 0..1", _CURE)
    if abs(sum(share) - 1) > 1e-3:
        fail(path, f"landmark {index} has weights that do not add up to 1", _CURE)
    return entry[0], share
