"""One synthetic photo with all that is known about it, and shards of many."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from fitme.models.train.photos.packing import write_arrays
from fitme.models.train.photos.pictures import packed_jpeg, packed_png

QUALITY = 93  # of the JPEG in a shard; the photo's own compression came before


@dataclass(frozen=True)
class Sample:
    """A photo of S x S pixels and its truth."""

    photo: np.ndarray  # [S,S,3] uint8 sRGB
    labels: np.ndarray  # [S,S] uint8, see `fitme.segment.labels`
    points: np.ndarray  # [N,2] float32 pixels, see `points`
    depth: np.ndarray  # [N] float32 metres along the camera's axis
    visible: np.ndarray  # [N] bool, nothing before it
    identity: np.ndarray  # [K]
    expression: np.ndarray  # [E]
    gaze: np.ndarray  # [4] radians
    K: np.ndarray  # [3,3]
    pose: np.ndarray  # [4,4] head to camera
    sh: np.ndarray  # [9,3] light around, head's frame
    lamp: np.ndarray  # [6] direction and colour of the strongest lamp, zero without
    tone: np.ndarray  # [3] linear albedo of the cheeks
    code: np.ndarray  # [D] of W; not a number for skins that are no sample of the generator


def write_shard(path: Path, samples: list[Sample]) -> None:
    """Samples of one size in one file; pictures as JPEG and PNG."""
    packed: dict[str, np.ndarray] = {}
    for item in fields(Sample):
        values = [getattr(sample, item.name) for sample in samples]
        if item.name == "photo":
            values = [packed_jpeg(value, QUALITY) for value in values]
        elif item.name == "labels":
            values = [packed_png(value) for value in values]
        else:
            packed[item.name] = np.stack(values)
            continue
        packed[item.name] = np.concatenate(values)
        packed[f"{item.name}.ends"] = np.cumsum([len(value) for value in values])
    write_arrays(path, **packed)


def read_packed(path: Path) -> dict[str, Any]:
    """Lists of encoded pictures "photo" (JPEG) and "labels" (PNG), the rest as arrays [M,...]."""
    with np.load(path) as kept:
        arrays: dict[str, Any] = {name: kept[name] for name in kept.files}
    for name in ("photo", "labels"):
        ends = arrays.pop(f"{name}.ends")
        arrays[name] = np.split(arrays[name], ends[:-1])
    return arrays
