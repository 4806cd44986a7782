"""First look at the pixels: light, skin tone and a little shape through the renderer.

Inverse rendering with the mean reflectance times a low-dimensional tone. The light is an
order-2 environment, grey up to a tint with a tight prior, so that skin colour goes to the skin
and not to the lamp. Errors are compared in display-encoded colour with a Cauchy loss: hair,
glasses and shadows are outliers and get little weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fitme.avatar import head_mesh
from fitme.camera import Camera
from fitme.color import linear_to_srgb, luminance
from fitme.fit.align import AlignWeights
from fitme.fit.state import FitState
from fitme.head import HeadModel
from fitme.landmarks import FaceLandmarks
from fitme.light import Y0, Light
from fitme.photo import Photo
from fitme.progress import Progress
from fitme.reflectance import MeanReflectance, Tone
from fitme.render import RenderOutput, render
from fitme.view import View

EYE_TEXELS = 64  # enough for eyes of some twenty pixels


@dataclass(frozen=True)
class PolishWeights:
    """Weights and steps of the polish; losses are means over pixels or unknowns."""

    crop: float = 1.9  # side of the square crop over the face's longer side
    light_resolution: int = 160
    light_steps: int = 60
    shape_resolution: int = 256
    shape_steps: int = 40
    photometric: float = 30.0
    photometric_scale: float = 0.12  # display-encoded colour at which the Cauchy loss bends
    tone: float = 0.10
    tint: float = 0.5  # of log colour over 0.1
    strength: float = 0.02  # of log irradiance over 0.35
    smooth: float = 0.05  # higher light bands against the mean light
    landmark: float = 1.0
    identity: float = 0.15
    expression: float = 0.15


@dataclass(frozen=True)
class FaceCrop:
    """A square piece of the photo around the face."""

    pixels: Tensor  # [1, n, n, 3] linear
    to_photo: Tensor  # [3, 3]

    def camera(self, view: View) -> Camera:
        """The view's camera for this crop."""
        whole = view.camera()
        matrix = torch.linalg.inv(self.to_photo).to(whole.K)
        size = self.pixels.shape[1]
        return Camera(matrix @ whole.K, whole.world_to_camera, size, size)


def face_crop(photo: Photo, face: FaceLandmarks, factor: float, size: int) -> FaceCrop:
    """Square crop of `factor` times the face's longer side, resampled to `size` pixels."""
    x0, y0, x1, y1 = face.box
    side = max(8, round(factor * face.size))
    left, top = round((x0 + x1) / 2 - side / 2), round((y0 + y1) / 2 - side * 0.55)
    crop = photo.crop(left, top, side, side, (size, size))
    return FaceCrop(crop.pixels[None], crop.to_photo)


def grey_light(grey: Tensor, tint: Tensor) -> Light:
    """Light [1] from grey harmonics [1, 9] and a log colour [1, 3]."""
    none = grey.new_zeros(1, 0, 3)
    return Light(grey[..., None] * tint.exp()[:, None], none, none)


class Polisher:
    """Runs the polish for one head model."""

    def __init__(
        self, head: HeadModel, reflectance: MeanReflectance, weights: PolishWeights | None = None
    ) -> None:
        self.head, self.reflectance = head, reflectance
        self.weights = weights or PolishWeights()
        self.face_mask = reflectance.face_mask  # [size, size]
        names = head.part_names
        self.left_eye, self.right_eye = (
            names.index(n) if n in names else -2 for n in ("eye_L", "eye_R")
        )

    def run(
        self, photo: Photo, face: FaceLandmarks, identity: Tensor, view: View, progress: Progress
    ) -> tuple[FitState, dict[str, float]]:
        """Estimate light and tone, then refine identity, expression and pose with them."""
        w = self.weights
        grey = torch.zeros(1, 9)
        grey[:, 0] = 0.7 / Y0
        unknowns = {"grey": grey, "tint": torch.zeros(1, 3), "tone": torch.zeros(1, 5)}
        crop = face_crop(photo, face, w.crop, w.light_resolution)
        vertices = view.posed(self.head, identity)
        self._descend(
            unknowns, {"grey": 0.06, "tint": 0.025, "tone": 0.1}, w.light_steps,
            lambda u: self._appearance(u, vertices, view, crop, photo.was_gray),
            progress, "light",
        )  # fmt: skip
        unknowns |= {
            "identity": identity.clone(), "expression": view.expression.clone(),
            "rotation": view.rotation.clone(), "translation": view.translation.clone(),
        }  # fmt: skip
        crop = face_crop(photo, face, w.crop, w.shape_resolution)

        def geometry(u: dict[str, Tensor]) -> dict[str, Tensor]:
            moved = self._view(view, u)
            posed = moved.posed(self.head, u["identity"])
            losses = self._appearance(u, posed, moved, crop, photo.was_gray)
            losses["landmark"] = w.landmark * self._landmarks(posed, moved, face)
            losses["identity"] = w.identity * u["identity"].square().mean()
            losses["expression"] = w.expression * (u["expression"] / 0.4).square().mean()
            return losses

        rates = {
            "grey": 0.02, "tint": 0.01, "tone": 0.03,
            "identity": 0.02, "expression": 0.008, "rotation": 0.002, "translation": 0.0006,
        }  # fmt: skip
        losses = self._descend(unknowns, rates, w.shape_steps, geometry, progress, "shape")
        final = {k: v.detach() for k, v in unknowns.items()}
        state = FitState(
            final["identity"], self._view(view, final),
            Tone.unstacked(final["tone"]), grey_light(final["grey"], final["tint"]),
        )  # fmt: skip
        return state, losses

    @staticmethod
    def _view(start: View, u: dict[str, Tensor]) -> View:
        return replace(
            start, rotation=u["rotation"], translation=u["translation"],
            expression=u["expression"].clamp(0, 1),
        )  # fmt: skip

    def _descend(
        self, unknowns: dict[str, Tensor], rates: dict[str, float], steps: int,
        evaluate: Callable[[dict[str, Tensor]], dict[str, Tensor]], progress: Progress, name: str,
    ) -> dict[str, float]:  # fmt: skip
        """Adam with cosine decay; returns the last losses as floats."""
        for value in unknowns.values():
            value.requires_grad_(True)
        groups = [{"params": [unknowns[k]], "lr": rate} for k, rate in rates.items()]
        optimiser = torch.optim.Adam(groups, betas=(0.9, 0.95))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: 0.1 + 0.45 * (1 + math.cos(math.pi * step / max(steps, 1)))
        )
        values: dict[str, float] = {}
        with progress.stage(name, steps) as stage:
            for _ in range(steps):
                losses = evaluate(unknowns)
                total = sum(losses.values(), start=torch.zeros(()))
                optimiser.zero_grad()
                total.backward()
                optimiser.step()
                schedule.step()
                values = {k: float(v.detach()) for k, v in losses.items()}
                stage.step(loss=float(total.detach()))
        for value in unknowns.values():
            value.requires_grad_(False)
        return values

    def _appearance(
        self, u: dict[str, Tensor], vertices: Tensor, view: View, crop: FaceCrop, was_gray: bool
    ) -> dict[str, Tensor]:
        """Photometric loss and the priors of light and tone."""
        w, mesh = self.weights, head_mesh(self.head, vertices)
        materials = self.reflectance.materials(Tone.unstacked(u["tone"]), EYE_TEXELS)
        out = render(mesh, materials, crop.camera(view), grey_light(u["grey"], u["tint"]))
        weight = self._skin(out)
        seen, wanted = out.color, crop.pixels
        if was_gray:
            seen, wanted = luminance(seen)[..., None], luminance(wanted)[..., None]
        miss = linear_to_srgb(seen.clamp(0, 1)) - linear_to_srgb(wanted)
        square = miss.square().sum(-1) / w.photometric_scale**2
        photometric = (torch.log1p(square) * weight).sum() / weight.sum().clamp_min(1)
        bands = u["grey"][:, 1:] / u["grey"][:, :1].clamp_min(0.05)
        strength = (u["grey"][:, 0] * Y0).clamp_min(0.01).log() / 0.35
        return {
            "photometric": w.photometric * w.photometric_scale**2 * photometric,
            "tone": w.tone * u["tone"].square().mean(),
            "tint": w.tint * (u["tint"] / 0.1).square().mean() * 0.1,
            "strength": w.strength * strength.square().mean(),
            "smooth": w.smooth * bands.square().mean(),
        }

    def _skin(self, out: RenderOutput) -> Tensor:
        """Weight of each pixel, [1, n, n]: the frontal face, full inside, without the rest."""
        size = self.face_mask.shape[0]
        uv = (out.uv_points.detach() * size).long().clamp(0, size - 1)
        mask = self.face_mask[uv[:, 1], uv[:, 0]] * (out.part_points == 0)
        mask = (
            mask
            + 0.5 * (out.part_points == self.left_eye)
            + 0.5 * (out.part_points == self.right_eye)
        )
        return out.image(mask[:, None])[..., 0]

    def _landmarks(self, vertices: Tensor, view: View, face: FaceLandmarks) -> Tensor:
        """Landmark prior of the alignment, as a mean over points in squared deviations."""
        points = view.camera().project(self.head.landmarks(vertices))[0]
        miss = (points - face.points) / face.scale
        square = miss.square().sum(-1) / AlignWeights().landmark ** 2
        return (self.head.landmark_weight * torch.log1p(square / 9) * 9).mean()
