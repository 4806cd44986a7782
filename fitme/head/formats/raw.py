"""From what a model file says to a `HeadModel`: units, winding, and defaults for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fitme.head.formats.checks import fail
from fitme.head.formats.defaults import cylinder_uv, eye_ring, mirror_map
from fitme.head.model import HeadModel

UNITS = {1.0: "metres", 0.1: "decimetres", 0.01: "centimetres", 0.001: "millimetres",
         1e-6: "micrometres"}  # fmt: skip
REACH = 1.0  # metres from the origin, or of one offset; beyond it is no head
HEIGHT = (0.12, 0.6)  # metres: a face mask without a forehead, a head with neck and collar


@dataclass
class RawHead:
    """What a file says, in its own unit; +Y up, the face along +Z (all four models agree).

    None means that the file does not say; `assemble` then fills in the default.
    """

    source: str  # for the metadata, such as "FLAME"
    mean: np.ndarray  # [V, 3]
    identity: np.ndarray  # [K, V, 3], one standard deviation each
    expression: np.ndarray  # [E, V, 3]
    expression_names: tuple[str, ...]
    triangles: np.ndarray  # [T, 3]
    part: np.ndarray | None = None  # [T], default: all "head"
    part_names: tuple[str, ...] = ("head",)
    uv: np.ndarray | None = None  # [U, 2], v downwards, default: cylinder
    uv_triangles: np.ndarray | None = None  # [T, 3]
    neck_weight: np.ndarray | None = None  # [V], default: ones (the neck turns everything)
    neck_joint: np.ndarray | None = None  # [3], default: low and in the back quarter
    metadata: dict[str, str] = field(default_factory=dict)


def assemble(raw: RawHead, path: Path) -> HeadModel:
    """A `HeadModel` in metres with outward triangles and defaults for what the file lacks.

    Defaults: one part "head"; a cylinder around it as UV (overlaps in ears and nostrils); no
    regions; no landmarks; occlusion 1; the neck joint low in the back quarter, turning all
    vertices; mirror partners by nearest neighbour, itself where there is none; eye centres from
    pairs of opposite eyeball vertices when there are parts eye_L and eye_R.

    Raises InputError naming `path` when the mean is no head in any usual unit.
    """
    scale = _metres_per_unit(path, raw.mean)
    mean = raw.mean * scale
    for name in ("mean", "identity", "expression"):
        reach = scale * np.abs(getattr(raw, name)).max(initial=0)
        if reach > REACH:
            fail(path, f"its {name} reaches {reach:.3g} m", "the file is damaged, get it again")
    part = np.zeros(len(raw.triangles), dtype=np.int64) if raw.part is None else raw.part
    triangles, uv, uv_triangles = raw.triangles, raw.uv, raw.uv_triangles
    if _points_inwards(mean, triangles[part == raw.part_names.index("head")]):
        triangles = triangles[:, ::-1]
        uv_triangles = None if uv_triangles is None else uv_triangles[:, ::-1]
    if uv is None or uv_triangles is None:
        uv, uv_triangles = cylinder_uv(mean, triangles, part)
    none = np.zeros(0)
    neck_joint = _low_in_the_back(mean) if raw.neck_joint is None else raw.neck_joint * scale
    return HeadModel(
        mean=_floats(mean),
        identity=_floats(raw.identity * scale),
        expression=_floats(raw.expression * scale),
        expression_names=raw.expression_names,
        triangles=_indices(triangles),
        uv=_floats(uv),
        uv_triangles=_indices(uv_triangles),
        part=_indices(part),
        part_names=raw.part_names,
        regions={},
        landmark_triangles=_indices(none),
        landmark_barycentric=_floats(none.reshape(0, 3)),
        landmark_weight=_floats(none),
        neck_weight=_floats(np.ones(len(mean)) if raw.neck_weight is None else raw.neck_weight),
        neck_joint=_floats(neck_joint),
        eye_ring=_indices(_eye_rings(mean, triangles, part, raw.part_names)),
        occlusion=torch.ones(len(mean)),
        mirror=_indices(mirror_map(mean, triangles)),
        metadata={"source": raw.source, "units": "metres", "unit_of_file": UNITS[scale],
                  "licence": "that of the converted file"} | raw.metadata,
    )  # fmt: skip


def _metres_per_unit(path: Path, mean: np.ndarray) -> float:
    """The unit in which the mean is 0.12..0.6 m tall. At most one fits: 0.6 / 0.12 < 10."""
    height = float(np.ptp(mean[:, 1]))
    for scale in UNITS:
        if HEIGHT[0] <= height * scale <= HEIGHT[1]:
            return scale
    fail(
        path,
        f"its mean is {height:.4g} units tall, no head in m, dm, cm, mm or µm",
        "give a model whose Y axis points up, unscaled as it was published",
    )


def _points_inwards(mean: np.ndarray, triangles: np.ndarray) -> bool:
    a, b, c = (mean[triangles[:, k]] - mean.mean(0) for k in range(3))
    return bool(np.sum(a * np.cross(b, c)) < 0)


def _low_in_the_back(mean: np.ndarray) -> np.ndarray:
    low, high = mean.min(0), mean.max(0)
    return np.array([(low[0] + high[0]) / 2, *(low + [0, 0.15, 0.25] * (high - low))[1:]])


def _eye_rings(
    mean: np.ndarray, triangles: np.ndarray, part: np.ndarray, names: tuple[str, ...]
) -> np.ndarray:
    if not {"eye_L", "eye_R"} <= set(names):
        return np.zeros((0, 1), dtype=np.int64)
    rings = [eye_ring(mean, triangles[part == names.index(n)]) for n in
             ("eye_L", "eye_R")]  # fmt: skip
    length = min(map(len, rings))
    return np.stack([ring[:length] for ring in rings])


def _floats(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _indices(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
