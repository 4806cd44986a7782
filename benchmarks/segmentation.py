"""How well pixels of real photos are told apart, against labels drawn by hand (`label_file`).

    python -m benchmarks.segmentation --photos ../shared/data/photos
    python -m benchmarks.segmentation --photos ../shared/data/photos --method mediapipe
    python -m benchmarks.segmentation --photos FOLDER --method MODULE:FUNCTION

Prints the intersection over union of each label per photo; their mean over the photos that show
the label; and the IoU of all photos' pixels together, which also counts what was found where there
is none. The F-scores are of the outlines of skin and hair, within 1 % of the face's height. Writes
a sheet (photo, truth, found, what differs), hence --out. A method that says nothing about a label
gets a dash.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.label_file import FILE, IGNORE, LabelledFace, read_labels
from benchmarks.segmenters import METHODS, UNTOLD, Segmenter, method
from benchmarks.sheets import labelled
from fitme.image.photo import load_photo
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.runtime.errors import FitmeError
from fitme.segment.frame import SIDE, Frame
from fitme.segment.labels import COLORS, Label

SIZE = 512  # pixels a side at which labels are compared
NEAR = 0.01  # of the face's height: how far off an outline may be
TILE = 320  # pixels of the sheet's pictures
COLUMNS = (
    Label.SKIN, Label.HAIR, Label.BACKGROUND, Label.CLOTHES, Label.NECK, Label.EARS, Label.BROWS,
    Label.EYES, Label.LIPS, Label.MOUTH, Label.BEARD, Label.GLASSES, Label.OTHER,
)  # fmt: skip
OUTLINED = (Label.SKIN, Label.HAIR)

Counts = np.ndarray  # [labels, 3]: pixels in both, in what was found, in the truth


def counts(truth: np.ndarray, found: np.ndarray) -> Counts:
    """Pixels per label of two pictures of labels of the same size, less what the truth ignores."""
    known = truth != IGNORE
    pairs = [((truth == label) & known, (found == label) & known) for label in Label]
    return np.array([[(a & b).sum(), b.sum(), a.sum()] for a, b in pairs])


def overlap(pixels: Counts) -> np.ndarray:
    """IoU per label [labels], NaN for labels that the truth has nothing of."""
    both, found, true = pixels.T
    return np.where(true > 0, both / np.maximum(found + true - both, 1), np.nan)


def outline_score(truth: np.ndarray, found: np.ndarray, label: int, reach: float) -> float:
    """F-score of one label's outline: the share of each outline's pixels that lie within `reach`
    pixels of the other (Csurka et al., BMVC 2013); NaN where the truth has none.

    Outlines against what is ignored count for nothing.
    """
    known = cv2.erode((truth != IGNORE).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    edges = [_outline(labels == label) & known for labels in (truth, found)]
    if not edges[0].any():
        return float("nan")
    if not edges[1].any():
        return 0.0
    away = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) for edge in edges]
    recall = float((away[1][edges[0]] <= reach).mean())
    precision = float((away[0][edges[1]] <= reach).mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def outline_scores(truth: np.ndarray, found: np.ndarray) -> list[float]:
    """Of the labels OUTLINED, within NEAR of the face's height."""
    return [outline_score(truth, found, label, NEAR * SIZE / SIDE) for label in OUTLINED]


def _outline(mask: np.ndarray) -> np.ndarray:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    return mask & (inner == 0)


def resized(labels: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Labels [H,W] as [size,size], each pixel the nearest's."""
    return cv2.resize(labels.astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)


class Bench:
    """The labelled faces and what one method finds in them."""

    def __init__(self, photos: Path, segment: Segmenter, provider: LandmarkProvider) -> None:
        self.photos, self.segment, self.provider = photos, segment, provider

    def measure(self, face: LabelledFace) -> tuple[Counts, list[float], np.ndarray, float]:
        """Counts, outline scores, a row of the sheet, seconds. Raises InputError for a photo that
        is missing or another one."""
        path = self.photos / face.file
        face.check(path)
        photo = load_photo(path)
        points = face.choose(self.provider.detect(photo))
        begin = time.perf_counter()
        found = resized(self.segment(photo, points))
        seconds = time.perf_counter() - begin
        frame = Frame.around(points.box)
        square = (frame.left, frame.top, frame.side)
        truth = face.truth(square, SIZE)
        pixels = (frame.cut(photo, SIZE).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        scores = outline_scores(face.truth(square, SIZE, strips=False), found)
        return counts(truth, found), scores, row(pixels, truth, found, face.file), seconds


def row(pixels: np.ndarray, truth: np.ndarray, found: np.ndarray, name: str) -> np.ndarray:
    """Photo [n,n,3], truth, found, and the found labels where they differ, for the sheet."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(COLORS)] = COLORS
    palette[IGNORE] = (255, 0, 255)
    palette[UNTOLD] = (120, 120, 120)
    wrong = (truth != found) & (truth != IGNORE) & (found != UNTOLD)
    gray = np.repeat(pixels.mean(-1, keepdims=True) * 0.5, 3, -1).astype(np.uint8)
    tiles = [
        pixels,
        *((0.35 * pixels + 0.65 * palette[labels]).astype(np.uint8) for labels in (truth, found)),
        np.where(wrong[..., None], palette[found], gray),
    ]
    small = [cv2.resize(tile, (TILE, TILE), interpolation=cv2.INTER_AREA) for tile in tiles]
    return labelled(np.concatenate(small, 1), name)


def line(name: str, values: np.ndarray, scores: list[float]) -> str:
    """A line of the table; shares as percent, a dash for what there is none of."""
    cells = [*(values[label] for label in COLUMNS), *scores]
    text = "".join("     -" if np.isnan(v) else f"{100 * v:6.1f}" for v in cells)
    return f"{name:14s}{text}"


def mean(rows: np.ndarray) -> np.ndarray:
    """Mean over rows without NaN, NaN where there is none."""
    there = ~np.isnan(rows)
    return np.where(there.any(0), np.nansum(rows, 0) / np.maximum(there.sum(0), 1), np.nan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--photos", type=Path, required=True, help="folder of the labelled photos")
    parser.add_argument(
        "--method", default="trust", help=f"{', '.join(METHODS)} or MODULE:FUNCTION"
    )
    parser.add_argument("--labels", type=Path, default=FILE)
    parser.add_argument("--only", nargs="*", help="file names of the photos to take")
    parser.add_argument("--out", type=Path, default=Path("out/segmentation"))
    args = parser.parse_args()
    try:
        run(args)
    except FitmeError as problem:
        parser.exit(2, f"error: {problem}\n")


def run(args: argparse.Namespace) -> None:
    """The table and the sheet. Raises InputError for wrong photos or an unknown method."""
    segment, tells = method(args.method)
    told = np.array([label in tells for label in Label])
    bench = Bench(args.photos, segment, MediaPipeLandmarks())
    faces = [face for face in read_labels(args.labels) if not args.only or face.file in args.only]
    for face in faces:
        face.check(args.photos / face.file)
    heads = [label.name.lower()[:5] for label in COLUMNS] + ["F ski", "F hai"]
    print(f"{'IoU %':14s}" + "".join(f"{head:>6s}" for head in heads))
    pixels, outlines, rows, seconds = [], [], [], []
    for face in faces:
        own, scores, picture, took = bench.measure(face)
        pixels.append(own)
        scores = [
            v if label in tells else np.nan for label, v in zip(OUTLINED, scores, strict=True)
        ]
        outlines.append(scores)
        rows.append(picture)
        seconds.append(took)
        print(line(face.file, np.where(told, overlap(own), np.nan), scores), flush=True)
    shares = np.array([np.where(told, overlap(own), np.nan) for own in pixels])
    print(line("mean", mean(shares), list(mean(np.array(outlines)))))
    print(line("together", np.where(told, overlap(np.sum(pixels, 0)), np.nan), []))
    print(f"{len(faces)} faces, {np.median(seconds):.2f} s each")
    args.out.mkdir(parents=True, exist_ok=True)
    sheet = args.out / f"{args.method.replace(':', '_')}.jpg"
    Image.fromarray(np.concatenate(rows)).save(sheet, quality=90)
    print(sheet)


if __name__ == "__main__":
    main()
