"""One face's landmarks to shape and view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.align.model import IRIS, OPENINGS, LandmarkModel
from fitme.fit.align.priors import AlignWeights, Belief, belief, lens_prior
from fitme.fit.align.solver import minimise
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.landmarks.face import FaceLandmarks
from fitme.render.camera import matrix_to_axis_angle, rotation_towards
from fitme.runtime.device import one_thread
from fitme.runtime.errors import FitmeError

RIGID_STEPS, STEPS = 8, 24  # pose alone, then everything
NEAREST = 0.05  # depth of a ray along the camera's direction, over its depth in the photo


@dataclass(frozen=True)
class Aligned:
    """Result of `align`."""

    identity: Tensor  # [1, K]
    view: View
    error: float  # mean landmark distance over the interocular distance
    residuals: Tensor  # [478] distances over the interocular distance


class Aligner:
    """Aligns the head to the landmarks of photos; keep one for many photos."""

    def __init__(self, head: HeadModel, weights: AlignWeights | None = None) -> None:
        self.weights = weights or AlignWeights()
        self.model = LandmarkModel(head)
        self.layout = self.model.layout
        sigma = torch.full((len(head.expression_names),), self.weights.expression).double()
        for name, value in (
            ("mouthClose", self.weights.closing),
            ("tongueOut", self.weights.tongue),
        ):
            if name in head.expression_names:
                sigma[head.expression_index(name)] = value
        self.expression_sigma = sigma
        self.trust = head.landmark_weight.double().clone()
        self.trust[IRIS] = 0  # irises have their own residual
        self._dense: tuple[Tensor, LandmarkModel] | None = None

    def align(
        self, face: FaceLandmarks, width: int, height: int, focal_px: float | None = None
    ) -> Aligned:
        """Fit one face seen in a photo of `width` x `height` pixels.

        Raises FitmeError when the landmarks are not finite or the fit diverges.
        """
        with one_thread():
            return self._align(face, width, height, focal_px)

    def _align(
        self, face: FaceLandmarks, width: int, height: int, focal_px: float | None
    ) -> Aligned:
        model, observed, trust = self._seen(face)
        if not torch.isfinite(observed).all():
            raise FitmeError("the landmarks are not finite numbers; give other landmarks")
        lens = lens_prior(face.scale, max(width, height), focal_px, self.weights)
        known = belief(face.encoded, self.layout.identity, lens, self.weights)
        problem = _Problem(self, model, observed, trust, face.scale, width, height, known)
        s = self.layout.slices
        x = self._initial(model.mean, observed, trust, width, height, known.lens.median)
        rigid = torch.zeros(self.layout.size, dtype=torch.bool)
        rigid[s["rotation"]] = rigid[s["translation"]] = True
        x = minimise(problem, x, rigid, RIGID_STEPS)
        x = minimise(problem, x, torch.ones_like(rigid), STEPS)
        if not torch.isfinite(x).all():
            raise FitmeError("the head could not be aligned to the landmarks; give other landmarks")
        projected = self.model.project(x, width, height)
        distance = (projected - face.points.double()).norm(dim=-1) / face.scale
        view = View(
            rotation=x[s["rotation"]].float()[None],
            translation=x[s["translation"]].float()[None],
            focal=x[s["focal"]].exp().float(),
            width=width,
            height=height,
            expression=x[s["expression"]].clamp(0, 1).float()[None],
            gaze=x[s["gaze"]].reshape(1, 2, 2).float(),
        )
        trusted = self.trust > 0.1
        return Aligned(
            x[s["identity"]].float()[None], view, float(distance[trusted].mean()), distance.float()
        )

    def _seen(self, face: FaceLandmarks) -> tuple[LandmarkModel, Tensor, Tensor]:
        """The points of the head that were seen, where [N, 2], and the weight of each [N]."""
        encoded = face.encoded
        if encoded is None:
            return self.model, face.points.double(), self.trust
        if self._dense is None or self._dense[0] is not encoded.triangles:
            surface = (encoded.triangles, encoded.barycentric)
            self._dense = (encoded.triangles, LandmarkModel(self.model.head, surface))
        spread = self.weights.dense * encoded.spread.double()
        dense = (self.weights.landmark * face.scale / spread).square()
        observed = torch.cat([face.points, encoded.points]).double()
        tied = self.trust * (0.0 if face.derived else self.weights.tied)
        return self._dense[1], observed, torch.cat([tied, dense])

    def _initial(
        self, model: Tensor, observed: Tensor, trust: Tensor, width: int, height: int,
        log_focal: float,
    ) -> Tensor:  # fmt: skip
        """Scaled orthography by least squares about the ray to the face, for a known lens.

        Orthography holds about the camera's own direction only; so the landmarks are seen by a
        camera that was turned to the face first, however far from the picture's middle it is.
        """
        x = torch.zeros(self.layout.size, dtype=torch.double)
        s = self.layout.slices
        trust = trust[:, None] / trust.sum()
        middle = observed.new_tensor([width / 2, height / 2])
        rays = (observed - middle) / math.exp(log_focal)
        rays = torch.cat([rays, torch.ones_like(rays[:, :1])], 1)
        turn = rotation_towards((rays * trust).sum(0))
        ahead = rays @ turn  # as the turned camera sees them
        seen = ahead[:, :2] / ahead[:, 2:].clamp_min(NEAREST)
        centre, middle = (model * trust).sum(0), (seen * trust).sum(0)
        weight = trust.sqrt()
        affine = torch.linalg.lstsq((model - centre) * weight, (seen - middle) * weight)[0].T
        size = affine.norm(dim=1).mean()  # per metre, so one over the distance
        rows = torch.linalg.svd(affine, full_matrices=False)
        two = rows[0] @ rows[2]
        rotation = torch.stack([two[0], two[1], torch.linalg.cross(two[0], two[1])])
        place = torch.cat([middle, middle.new_ones(1)]) / size
        rotation, place = turn @ rotation, turn @ place
        x[s["rotation"]] = matrix_to_axis_angle(rotation)
        x[s["translation"]] = place - rotation @ centre
        x[s["focal"]] = log_focal
        return x


@dataclass(frozen=True)
class _Problem:
    """One face as residuals: landmarks, openings and irises, and the priors."""

    aligner: Aligner
    model: LandmarkModel
    observed: Tensor  # [N, 2] pixels, the 478 landmarks first
    trust: Tensor  # [N]
    scale: float  # interocular distance in pixels
    width: int
    height: int
    known: Belief

    @property
    def robust(self) -> float:
        return self.aligner.weights.robust

    @property
    def bounded(self) -> Tensor:
        bounded = torch.zeros(self.aligner.layout.size, dtype=torch.bool)
        bounded[self.aligner.layout.slices["expression"]] = True
        return bounded

    def residuals(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Landmark residuals [N, 2] and all other residuals [M], in standard deviations."""
        w, s = self.aligner.weights, self.aligner.layout.slices
        projected = self.model.project(x, self.width, self.height)
        miss = (projected - self.observed) / self.scale
        landmark = miss * self.trust.sqrt()[:, None] / w.landmark
        first, second = (list(pair) for pair in zip(*OPENINGS, strict=True))
        gaze = x[s["gaze"]].reshape(2, 2)
        others = [
            ((miss[first] - miss[second]) / w.opening).flatten(),
            (miss[IRIS] / w.iris).flatten(),
            (x[s["identity"]] - self.known.identity) / self.known.identity_spread,
            x[s["expression"]] / self.aligner.expression_sigma,
            gaze.flatten() / w.gaze,
            (gaze[0] - gaze[1]) / w.vergence,
            (x[s["focal"]] - self.known.lens.median) / self.known.lens.spread,
        ]
        return landmark, torch.cat(others)

    def jacobian(self, x: Tensor) -> Tensor:
        """Derivative of the stacked residuals [2 N + M, P]."""
        w, s = self.aligner.weights, self.aligner.layout.slices
        miss = self.model.projection_jacobian(x) / self.scale
        landmark = miss * self.trust.sqrt()[:, None, None] / w.landmark
        first, second = (list(pair) for pair in zip(*OPENINGS, strict=True))
        rows = torch.eye(self.aligner.layout.size).to(x)
        gaze = rows[s["gaze"]]
        others = [
            ((miss[first] - miss[second]) / w.opening).flatten(0, 1),
            (miss[IRIS] / w.iris).flatten(0, 1),
            rows[s["identity"]] / self.known.identity_spread[:, None],
            rows[s["expression"]] / self.aligner.expression_sigma[:, None],
            gaze / w.gaze,
            (gaze[:2] - gaze[2:]) / w.vergence,
            rows[s["focal"]] / self.known.lens.spread,
        ]
        return torch.cat([landmark.flatten(0, 1), *others])
