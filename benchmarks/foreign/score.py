"""A fit of a foreign head's photo against the truth, as one row of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from benchmarks.camera_error import field_of_view_deg, turn_error_deg
from benchmarks.foreign.heads import ForeignHead
from benchmarks.foreign.photos import ForeignPhoto
from benchmarks.foreign.registration import Registration
from benchmarks.measures import surface_error
from benchmarks.regions import RegionError, face_regions, region_errors
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.render.camera import axis_angle_to_matrix

Row = dict[str, float]


@dataclass(frozen=True)
class Shape:
    """Errors of one neutral face in millimetres."""

    whole: float  # nearest points after one similarity alignment, as for known heads
    regions: dict[str, RegionError]

    def mean(self, kind: str) -> float:
        """Over the regions; `kind` is a field of RegionError."""
        return float(np.mean([getattr(error, kind) for error in self.regions.values()]))


@dataclass
class Judge:
    """Measures fits of the head model against registered heads."""

    head: HeadModel
    registration: Registration
    of_mean: dict[str, Shape] = field(default_factory=dict)  # the mean head's errors, per face

    @cached_property
    def regions(self) -> dict[str, np.ndarray]:
        return face_regions(self.head)

    @cached_property
    def triangles(self) -> Tensor:
        return self.head.part_triangles(self.head.skin.name)

    @cached_property
    def counted(self) -> np.ndarray:
        """Vertices [V] that have a counterpart and show."""
        hidden = self.head.regions["nostrils"] + self.head.regions["mouth_inside"]
        shown: np.ndarray = self.registration.valid & (hidden < 0.5).numpy()
        return shown

    def shape(self, neutral: Tensor, truth: np.ndarray) -> Shape:
        """Errors of neutral vertices [V,3] against registered ones [V,3]."""
        nose = int(self.head.mean[:, 2].argmax())
        whole = surface_error(
            neutral, torch.from_numpy(truth), self.triangles, nose, counted=self.counted
        )
        own = neutral.double().numpy()
        return Shape(
            whole, region_errors(own, truth, self.triangles.numpy(), self.regions, self.counted)
        )

    def mean_head(self, foreign: ForeignHead, truth: np.ndarray) -> Shape:
        if foreign.name not in self.of_mean:
            self.of_mean[foreign.name] = self.shape(self.head.mean, truth)
        return self.of_mean[foreign.name]

    def row(self, foreign: ForeignHead, photo: ForeignPhoto, neutral: Tensor, view: View) -> Row:
        """All numbers of one fit; neutral [V,3]."""
        truth = self.registration.vertices(foreign)
        fit, mean = self.shape(neutral, truth), self.mean_head(foreign, truth)
        side, focal = max(view.width, view.height), float(view.focal)
        face = self.counted & np.any(list(self.regions.values()), axis=0)
        turn = turn_error_deg(
            axis_angle_to_matrix(view.rotation)[0].double().numpy(),
            np.array(photo.rotation),
            neutral.double().numpy()[face],
            truth[face],
        )
        row: Row = {
            "fov true": field_of_view_deg(photo.focal_px, side),
            "fov fitted": field_of_view_deg(focal, side),
            "focal ratio": focal / photo.focal_px,
            "turn deg": turn,
            "surface mm": fit.whole,
            "mean's mm": mean.whole,
            "ratio": fit.whole / mean.whole,
        }
        for kind in ("nearest", "corresponding"):
            for name, error in fit.regions.items():
                own, other = getattr(error, kind), getattr(mean.regions[name], kind)
                row |= {f"{kind} {name}": own, f"{kind} {name} mean": other}
            row[f"{kind} all"], row[f"{kind} all mean"] = fit.mean(kind), mean.mean(kind)
        return row
