"""Statistics of synthetic photos beside those of real ones: colour, contrast, sharpness, light.

    python -m fitme.models.train.photos.compare runs/photos runs/real.npz

Measured within the oval of the face. Prints the 10th, 50th and 90th percentile of each, so that one
sees what synthetic photos lack and what they overdo.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from fitme.head.model import load_head
from fitme.models.train.encoder.real import RealPhotos
from fitme.models.train.encoder.tied import tied_to_points
from fitme.models.train.photos.pictures import unpacked
from fitme.models.train.photos.points import choose_points
from fitme.models.train.photos.sample import read_packed

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
FACE = 128  # pixels to which the oval's height is brought before sharpness is measured


def statistics(photo: np.ndarray, landmarks: np.ndarray) -> dict[str, float] | None:
    """Figures of one face: photo [S,S,3] uint8 RGB, landmarks [478,2] pixels; None where the oval
    is cut off or too small."""
    oval = landmarks[list(OVAL)]
    low, high = oval.min(0), oval.max(0)
    if (low < 0).any() or (high > len(photo)).any() or (high - low).min() < 24:
        return None
    scale = FACE / float(high[1] - low[1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=way)
    mask = np.zeros(small.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, (oval * scale).astype(np.int32), 1)
    inside = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    lightness = lab[..., 0] * (100 / 255)
    values = lightness[inside]
    middle = oval.mean(0) * scale
    y, x = np.nonzero(inside)
    left, top = x < middle[0], y < middle[1]
    if min(left.mean(), top.mean(), 1 - left.mean(), 1 - top.mean()) < 0.1:
        return None
    fine = lightness - cv2.GaussianBlur(lightness, (0, 0), 1.5)
    coarse = cv2.GaussianBlur(lightness, (0, 0), 8)
    return {
        "lightness": float(np.median(values)),
        "contrast": float(np.percentile(values, 90) - np.percentile(values, 10)),
        "red": float(np.median(lab[..., 1][inside]) - 128),
        "yellow": float(np.median(lab[..., 2][inside]) - 128),
        "sharpness": float(fine[inside].std()),
        "side light": float(abs(coarse[y, x][left].mean() - coarse[y, x][~left].mean())),
        "top light": float(coarse[y, x][top].mean() - coarse[y, x][~top].mean()),
        "burnt %": float(100 * (values > 97).mean()),
        "black %": float(100 * (values < 8).mean()),
    }


def synthetic_faces(folder: Path, most: int) -> Iterator[dict[str, float]]:
    """Of the photos in shards that are not gray."""
    head = load_head()
    index, weight = (value.numpy() for value in tied_to_points(head, choose_points(head)))
    left = most
    for path in sorted(folder.glob("*.npz")):
        pack = read_packed(path)
        for data, points in zip(pack["photo"], pack["points"], strict=True):
            photo = unpacked(data)
            landmarks = (points[index] * weight[..., None]).sum(1)
            found = statistics(photo, landmarks)
            if found is not None and abs(found["red"]) + abs(found["yellow"]) > 1:
                left -= 1
                yield found
            if left == 0:
                return


def real_faces(path: Path, most: int) -> Iterator[dict[str, float]]:
    """Of collected photos, see `fitme.models.train.encoder.real`."""
    real = RealPhotos.load(path)
    for data, landmarks in zip(real.photos[:most], real.landmarks, strict=False):
        photo = unpacked(data)
        found = statistics(photo, landmarks)
        if found is not None:
            yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("shards", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--most", type=int, default=600)
    args = parser.parse_args()
    tables = [list(synthetic_faces(args.shards, args.most)), list(real_faces(args.real, args.most))]
    print(f"{'':12s}{'synthetic: 10, 50, 90 %':>30s}{'real: 10, 50, 90 %':>30s}")
    for name in tables[0][0]:
        line = f"{name:12s}"
        for table in tables:
            cuts = np.percentile([row[name] for row in table], [10, 50, 90])
            line += "".join(f"{value:10.1f}" for value in cuts)
        print(line)
    print(f"{len(tables[0])} and {len(tables[1])} faces")


if __name__ == "__main__":
    main()
