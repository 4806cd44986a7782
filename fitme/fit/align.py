"""Landmarks -> pose, focal length, identity, expression and gaze, by Levenberg-Marquardt.

The residuals are landmark distances in interocular units, each over its own standard deviation,
and Gaussian priors: identity standard normal, expression small and within 0..1, log distance and
log focal length around plausible values, both eyes looking the same way. Lip and lid openings
count once more as distances, so that a closed mouth stays closed (as in DECA, 2012.04012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fitme.head.model import HeadModel, gaze_rotation
from fitme.head.view import View
from fitme.landmarks.face import FaceLandmarks
from fitme.render.camera import axis_angle_to_matrix
from fitme.runtime.device import one_thread
from fitme.runtime.errors import FitmeError

#: Upper and lower inner lip, upper and lower lids of both eyes (MediaPipe indices).
OPENINGS = (
    (13, 14), (82, 87), (312, 317),
    (159, 145), (160, 144), (158, 153), (386, 374), (385, 380), (387, 373),
)  # fmt: skip
IRIS = slice(468, 478)
INTEROCULAR_M = 0.063  # between the middles of the eyes of the mean adult


@dataclass(frozen=True)
class AlignWeights:
    """Standard deviations of residuals and priors."""

    # Interocular distances. Of 0.012 to 0.09 this range separates people best on real photos
    # (distance between fits of one person over that of different people: 0.50 against 0.57).
    landmark: float = 0.025
    opening: float = 0.012  # interocular distances
    iris: float = 0.03  # interocular distances
    identity: float = 1.0
    expression: float = 0.40
    closing: float = 0.12  # mouthClose without jawOpen makes no sense
    tongue: float = 0.01
    distance_m: float = 1.0  # median camera distance
    distance_spread: float = 0.5  # of its logarithm
    exif_spread: float = 0.08  # of log focal length when EXIF gives one
    gaze: float = 0.25  # radians
    vergence: float = 0.05  # radians between the eyes
    robust: float = 3.0  # landmark errors beyond this many deviations lose weight


@dataclass(frozen=True)
class Aligned:
    """Result of `align`."""

    identity: Tensor  # [1, K]
    view: View
    error: float  # mean landmark distance over the interocular distance
    residuals: Tensor  # [478] distances over the interocular distance


class LandmarkModel:
    """The head model restricted to its landmark points, in double precision."""

    def __init__(self, head: HeadModel) -> None:
        if not len(head.landmark_triangles):
            raise FitmeError("this head model has no landmarks; tie them first")
        self.head = head
        corners = head.triangles[head.landmark_triangles]  # [N, 3]
        bary = head.landmark_barycentric[..., None].double()
        self.mean = (head.mean[corners].double() * bary).sum(1)  # [N, 3]
        self.identity = (head.identity[:, corners].double() * bary).sum(2)  # [K, N, 3]
        self.expression = (head.expression[:, corners].double() * bary).sum(2)
        self.ring_mean = head.mean[head.eye_ring].double().mean(1)  # [2, 3]
        self.ring_identity = head.identity[:, head.eye_ring].double().mean(2)  # [K, 2, 3]
        part = head.part[head.landmark_triangles]
        names = head.part_names
        self.eyes = [part == names.index(n) if n in names else part < 0 for n in ("eye_L", "eye_R")]

    def points(self, identity: Tensor, expression: Tensor, gaze: Tensor) -> Tensor:
        """Landmarks [N, 3] from [K], [E] and gaze [2, 2]."""
        return self.turn_eyes(*self.straight(identity, expression), gaze)

    def straight(self, identity: Tensor, expression: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks [N, 3] with the eyes straight ahead, and the eyes' centres [2, 3]."""
        points = self.mean + (identity @ self.identity.flatten(1)).view(-1, 3)
        points = points + (expression @ self.expression.flatten(1)).view(-1, 3)
        return points, self.ring_mean + (identity @ self.ring_identity.flatten(1)).view(2, 3)

    def turn_eyes(self, points: Tensor, centres: Tensor, gaze: Tensor) -> Tensor:
        """Turn the iris landmarks among points [N, 3] about the centres [2, 3]."""
        rotation = gaze_rotation(gaze)
        for eye, member in enumerate(self.eyes):
            turned = (points - centres[eye]) @ rotation[eye].mT + centres[eye]
            points = torch.where(member[:, None], turned, points)
        return points

    def jacobian(self, gaze: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of `points` by identity [K, N, 3] and expression [E, N, 3]."""
        by_identity, by_expression = self.identity, self.expression
        for eye, member in enumerate(self.eyes):
            turn = gaze_rotation(gaze)[eye].mT
            centre = self.ring_identity[:, eye, None]
            turned = (self.identity - centre) @ turn + centre
            by_identity = torch.where(member[:, None], turned, by_identity)
            by_expression = torch.where(member[:, None], self.expression @ turn, by_expression)
        return by_identity, by_expression


@dataclass(frozen=True)
class _Layout:
    """Where each unknown lies in the parameter vector."""

    identity: int
    expression: int

    @cached_property
    def slices(self) -> dict[str, slice]:
        out, start = {}, 0
        for name, size in (
            ("rotation", 3), ("translation", 3), ("focal", 1), ("gaze", 4),
            ("identity", self.identity), ("expression", self.expression),
        ):  # fmt: skip
            out[name] = slice(start, start + size)
            start += size
        return out

    @property
    def size(self) -> int:
        return 11 + self.identity + self.expression


@dataclass(frozen=True)
class _Target:
    """What one face is fitted to."""

    observed: Tensor  # [478, 2] pixels
    scale: float  # interocular distance in pixels
    width: int
    height: int
    focal_px: float | None


class Aligner:
    """Aligns the head to the landmarks of photos; keep one for many photos."""

    def __init__(self, head: HeadModel, weights: AlignWeights | None = None) -> None:
        self.weights = weights or AlignWeights()
        self.model = LandmarkModel(head)
        self.layout = _Layout(head.identity.shape[0], head.expression.shape[0])
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
        observed = face.points.double()
        if not torch.isfinite(observed).all():
            raise FitmeError("the landmarks are not finite numbers; give other landmarks")
        scale = face.scale
        x = self._initial(observed, scale, width, height, focal_px)
        s = self.layout.slices
        rigid = torch.zeros(self.layout.size, dtype=torch.bool)
        rigid[s["rotation"]] = rigid[s["translation"]] = True
        everything = torch.ones_like(rigid)
        target = _Target(observed, scale, width, height, focal_px)
        x = self._optimise(x, rigid, 8, target)
        x = self._optimise(x, everything, 24, target)
        if not torch.isfinite(x).all():
            raise FitmeError("the head could not be aligned to the landmarks; give other landmarks")
        projected = self._project(x, width, height)
        distance = (projected - observed).norm(dim=-1) / scale
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

    def _initial(
        self, observed: Tensor, scale: float, width: int, height: int, focal_px: float | None
    ) -> Tensor:
        """Scaled orthography by least squares, then a camera at the plausible distance."""
        x = torch.zeros(self.layout.size, dtype=torch.double)
        s = self.layout.slices
        model = self.model.mean
        weight = self.trust.sqrt()[:, None]
        centre = (model * self.trust[:, None]).sum(0) / self.trust.sum()
        middle = (observed * self.trust[:, None]).sum(0) / self.trust.sum()
        affine = torch.linalg.lstsq((model - centre) * weight, (observed - middle) * weight)[0].T
        size = affine.norm(dim=1).mean()  # pixels per metre
        rows = torch.linalg.svd(affine, full_matrices=False)
        two = rows[0] @ rows[2]
        rotation = torch.stack([two[0], two[1], torch.linalg.cross(two[0], two[1])])
        x[s["rotation"]] = matrix_to_axis_angle(rotation)
        distance = self.weights.distance_m
        focal = focal_px if focal_px is not None else float(size) * distance
        depth = focal / float(size)
        offset = (middle - observed.new_tensor([width / 2, height / 2])) / size
        target = torch.cat([offset, offset.new_tensor([depth])])
        x[s["translation"]] = target - rotation @ centre
        x[s["focal"]] = math.log(focal)
        return x

    def _project(self, x: Tensor, width: int, height: int) -> Tensor:
        s = self.layout.slices
        points = self.model.points(x[s["identity"]], x[s["expression"]], x[s["gaze"]].reshape(2, 2))
        rotation = axis_angle_to_matrix(x[s["rotation"]][None])[0]
        seen = points @ rotation.T + x[s["translation"]]
        depth = seen[:, 2:].clamp_min(0.05)
        return seen[:, :2] / depth * x[s["focal"]].exp() + x.new_tensor([width / 2, height / 2])

    def _projection_jacobian(self, x: Tensor, width: int, height: int) -> Tensor:
        """d projection / d unknowns, [N, 2, P]: linear parts exact, angles by differences."""
        s = self.layout.slices
        gaze = x[s["gaze"]].reshape(2, 2)
        straight, centres = self.model.straight(x[s["identity"]], x[s["expression"]])
        points = self.model.turn_eyes(straight, centres, gaze)
        rotation = axis_angle_to_matrix(x[s["rotation"]][None])[0]
        seen = points @ rotation.T + x[s["translation"]]
        depth, focal = seen[:, 2].clamp_min(0.05), x[s["focal"]].exp()
        to_pixel = x.new_zeros(len(seen), 2, 3)
        to_pixel[:, 0, 0] = to_pixel[:, 1, 1] = focal / depth
        to_pixel[:, :, 2] = -focal * seen[:, :2] / depth[:, None] ** 2
        by_identity, by_expression = self.model.jacobian(gaze)
        out = x.new_zeros(len(seen), 2, self.layout.size)
        out[:, :, s["translation"]] = to_pixel
        out[:, :, s["focal"]] = (focal * seen[:, :2] / depth[:, None])[..., None]
        turned = to_pixel @ rotation
        out[:, :, s["identity"]] = torch.einsum("nic,knc->nik", turned, by_identity)
        out[:, :, s["expression"]] = torch.einsum("nic,enc->nie", turned, by_expression)
        step = 1e-6 * torch.eye(4).to(x)
        for k in range(3):
            ahead, behind = (axis_angle_to_matrix((x[s["rotation"]] + d)[None])[0]
                             for d in (step[k, :3], -step[k, :3]))  # fmt: skip
            moved = points @ (ahead - behind).T / 2e-6
            out[:, :, s["rotation"].start + k] = (to_pixel @ moved[..., None])[..., 0]
        for k in range(4):
            ahead, behind = (self.model.turn_eyes(straight, centres, gaze + d.view(2, 2))
                             for d in (step[k], -step[k]))  # fmt: skip
            out[:, :, s["gaze"].start + k] = (turned @ ((ahead - behind) / 2e-6)[..., None])[..., 0]
        return out

    def _residuals(self, x: Tensor, target: _Target) -> tuple[Tensor, Tensor]:
        """Landmark residuals [N, 2] and all other residuals [M], in standard deviations."""
        w, s = self.weights, self.layout.slices
        miss = (self._project(x, target.width, target.height) - target.observed) / target.scale
        landmark = miss * self.trust.sqrt()[:, None] / w.landmark
        first, second = (list(pair) for pair in zip(*OPENINGS, strict=True))
        gaze = x[s["gaze"]].reshape(2, 2)
        median, spread = self._focal_prior(target)
        others = [
            ((miss[first] - miss[second]) / w.opening).flatten(),
            (miss[IRIS] / w.iris).flatten(),
            x[s["identity"]] / w.identity,
            x[s["expression"]] / self.expression_sigma,
            gaze.flatten() / w.gaze,
            (gaze[0] - gaze[1]) / w.vergence,
            (x[s["focal"]] - median) / spread,
        ]
        return landmark, torch.cat(others)

    def _jacobian(self, x: Tensor, target: _Target) -> Tensor:
        """Derivative of the stacked residuals [2 N + M, P]."""
        w, s = self.weights, self.layout.slices
        miss = self._projection_jacobian(x, target.width, target.height) / target.scale
        landmark = miss * self.trust.sqrt()[:, None, None] / w.landmark
        first, second = (list(pair) for pair in zip(*OPENINGS, strict=True))
        rows = torch.eye(self.layout.size).to(x)
        gaze = rows[s["gaze"]]
        others = [
            ((miss[first] - miss[second]) / w.opening).flatten(0, 1),
            (miss[IRIS] / w.iris).flatten(0, 1),
            rows[s["identity"]] / w.identity,
            rows[s["expression"]] / self.expression_sigma[:, None],
            gaze / w.gaze,
            (gaze[:2] - gaze[2:]) / w.vergence,
            rows[s["focal"]] / self._focal_prior(target)[1],
        ]
        return torch.cat([landmark.flatten(0, 1), *others])

    def _focal_prior(self, target: _Target) -> tuple[float, float]:
        """Median and spread of log focal length: from EXIF, or from a plausible distance."""
        w = self.weights
        if target.focal_px is not None:
            return math.log(target.focal_px), w.exif_spread
        pixels_per_metre = target.scale / INTEROCULAR_M
        return math.log(pixels_per_metre * w.distance_m), w.distance_spread

    def _optimise(self, x: Tensor, free: Tensor, steps: int, target: _Target) -> Tensor:
        """Levenberg-Marquardt on the free unknowns, expressions kept within 0..1."""
        damping = 1e-2
        bounded = torch.zeros_like(free)
        bounded[self.layout.slices["expression"]] = True

        def cost(landmark: Tensor, others: Tensor) -> Tensor:
            square = landmark.square().sum(1) / self.weights.robust**2
            return self.weights.robust**2 * torch.log1p(square).sum() + others.square().sum()

        current = cost(*self._residuals(x, target))
        for _ in range(steps):
            jacobian = self._jacobian(x, target)
            landmark, others = self._residuals(x, target)
            # Cauchy weights: what lies far off (a hidden chin, a hand) counts less.
            robust = 1 / (1 + landmark.square().sum(1) / self.weights.robust**2)
            weight = torch.cat([robust.repeat_interleave(2), torch.ones_like(others)])
            residual = torch.cat([landmark.flatten(), others])
            gradient = jacobian.T @ (weight * residual)
            hessian = jacobian.T @ (weight[:, None] * jacobian)
            stuck = bounded & (((x <= 0) & (gradient > 0)) | ((x >= 1) & (gradient < 0)))
            move = (free & ~stuck).nonzero()[:, 0]
            for _ in range(6):
                system = hessian[move][:, move]
                system = system + damping * torch.diag(system.diagonal() + 1e-9)
                step = torch.linalg.solve(system, -gradient[move])
                trial = x.clone()
                trial[move] += step
                trial = torch.where(bounded, trial.clamp(0, 1), trial)
                new = cost(*self._residuals(trial, target))
                if torch.isfinite(new) and new < current:
                    break
                damping *= 6
            else:
                break
            gain = (current - new) / current
            x, current, damping = trial, new, max(damping / 6, 1e-6)
            if gain < 1e-5:
                break
        return x


def matrix_to_axis_angle(rotation: Tensor) -> Tensor:
    """Logarithm of a rotation [3, 3] as axis times angle [3]; for initial values, no gradient."""
    angle = torch.arccos(((rotation.trace() - 1) / 2).clamp(-1, 1))
    skew = torch.stack(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    if float(angle) < 1e-6:
        return skew / 2
    if math.pi - float(angle) < 1e-3:  # the axis is the eigenvector of the eigenvalue one
        axis = torch.linalg.svd(rotation - torch.eye(3).to(rotation))[2][-1]
        return axis * angle * torch.sign((axis * skew).sum() + 1e-12)
    return skew / (2 * torch.sin(angle)) * angle
