"""MediaPipe's full-range face detector: where in a square picture faces are, and their eyes.

Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection on mobile GPUs", 2019. For each
of 48 x 48 places of the picture the network gives a score, a box and six points beside that place.
Overlapping boxes are blended with their scores as weights, not suppressed, as the paper does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.landmarks.tflite.network import Network

SIDE = 192  # pixels of the picture
_STRIDE = 4  # pixels from one place to the next
_LARGEST_LOGIT = 100.0  # what MediaPipe clips scores to
_POINTS = 6
_OVERLAP = 0.3  # intersection over union from which on two boxes are one face


@dataclass(frozen=True)
class Detection:
    """A face, in widths of the picture: box (x0, y0, x1, y1) and points (right eye, left eye, nose,
    mouth, right and left ear, each (x, y))."""

    score: float
    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]


class FaceDetector:
    """Faces with at least a score, 0 to 1."""

    def __init__(self, network: Network, least_score: float) -> None:
        self._network = network
        self._least = least_score
        places = (torch.arange(SIDE // _STRIDE) + 0.5) * _STRIDE / SIDE
        y, x = torch.meshgrid(places, places, indexing="ij")
        self._places = torch.stack((x, y), -1).reshape(-1, 2)

    def __call__(self, picture: Tensor) -> list[Detection]:
        """The faces of an sRGB picture [192,192,3], 0 to 1, surest first."""
        boxes, logits = self._network((picture * 2 - 1)[None])
        scores = logits.reshape(-1).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).sigmoid()
        sure = (scores >= self._least).nonzero()[:, 0]
        sure = sure[scores[sure].argsort(descending=True, stable=True)]
        values = boxes[0, sure] / SIDE
        place = self._places[sure]
        centre, half = values[:, :2] + place, values[:, 2:4] / 2
        points = values[:, 4:].reshape(len(sure), _POINTS, 2) + place[:, None]
        corners = torch.cat((centre - half, centre + half), 1)
        return _blended(scores[sure].double(), corners.double(), points.double())


def _blended(scores: Tensor, boxes: Tensor, points: Tensor) -> list[Detection]:
    """One detection for each group of boxes [n,4] that overlap its surest one, which has the
    group's weighted mean and the surest one's score. Sorted by falling score."""
    found = []
    left = torch.arange(len(scores))
    while len(left):
        first, others = left[0], left
        alike = _overlaps(boxes[first], boxes[others]) > _OVERLAP
        group = others[alike]
        left = others[~alike]
        if not len(group):  # a box without area overlaps not even itself
            left = left[1:]
            continue
        weights = scores[group] / scores[group].sum()
        x0, y0, x1, y1 = (weights @ boxes[group]).tolist()
        marks = torch.einsum("n,nkc->kc", weights, points[group]).tolist()
        found.append(
            Detection(float(scores[first]), (x0, y0, x1, y1), tuple((x, y) for x, y in marks))
        )
    return found


def _overlaps(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union [n] of a box [4] with boxes [n,4]."""
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    common = (high - low).clamp_min(0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp_min(0).prod(1)
    union = (box[2:] - box[:2]).clamp_min(0).prod() + areas - common
    return torch.where(union > 0, common / union.clamp_min(1e-12), torch.zeros_like(common))
