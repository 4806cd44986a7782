"""The colours of iris and sclera, read where a photo shows them to both sides of the pupil.

The head's eyes lie a millimetre beside the photo's, and lids, lashes and lights of the cornea cover
half of an iris. So each eye is first shifted and scaled until it fits the photo, as Daugman's
integro-differential operator does it (IEEE PAMI 1993), dark within and light beside; then what lies
left and right of the pupil is read, the middle of its brightness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.observation import Crops
from fitme.fit.ratio import shading
from fitme.reflectance.eyes import IRIS_SHARE, PUPIL_SHARE, eye_radius
from fitme.render import RenderOutput

ANGLES = 64  # samples around
SECTOR = (-0.2, 0.85)  # radians below the horizontal that they lie in: lashes hang from above
RINGS = 24
IRIS = (1.3 * PUPIL_SHARE / IRIS_SHARE, 0.86)  # of the iris' radius: without pupil and limbus
SCLERA = (1.2, 1.75)
INSIDE, BESIDE = (0.35, 0.9), (1.12, 1.45)  # compared to find the iris
SHIFTS, SCALES = 7, (0.88, 1.0, 1.12)
FAR = 0.36  # of the radius: how far an iris is looked for
UNEVEN = 3.0  # of the contrast, that the spread within costs: lashes are dark too
PRIOR = 0.35  # of the contrast, that a shift by the radius costs
CLEAR = 3.0  # how much more the eye counts whose iris has the clearer edge
LIGHTER = 2.0  # per log of its brightness
NEAR = 1.5  # of the radius: pixels from which an eye's place is taken
FEW = 12  # pixels of an eye below which it says nothing
MATT = {"iris": (0.15, 0.7), "sclera": (0.3, 0.85)}  # quantiles between lashes and lights
DARK = 0.003  # albedos of iris that are possible
LIGHT = (0.40, 0.42, 0.45)
WHITE = (0.12, 0.85)  # of the sclera
CHROMA = 0.3  # log, of the sclera against grey


@dataclass(frozen=True)
class PlacedEye:
    """One eye in one crop: pixels = middle + (uv - 0.5) @ matrix."""

    middle: Tensor  # [2]
    matrix: Tensor  # [2,2]

    def pixels(self, radius: Tensor, angle: Tensor) -> Tensor:
        """Of points at radii [...], of the iris', and angles [...], [...,2]."""
        flat = torch.stack([angle.cos(), angle.sin()], -1) * (IRIS_SHARE * radius)[..., None]
        return self.middle + flat @ self.matrix

    def moved(self, shift: Tensor, scale: float) -> PlacedEye:
        """Shifted [2] by radii of the iris, and larger by `scale`."""
        return PlacedEye(self.middle + (IRIS_SHARE * shift) @ self.matrix, self.matrix * scale)


def read_eyes(out: RenderOutput, crops: Crops, seen: Tensor, part: list[int]) -> Tensor | None:
    """Logs [2,3] of the albedos of iris and sclera that P photos show over those of their pictures;
    seen [P,n,n] in
    0..1, the eyeballs' trusted pixels; `part` the eyeballs' indices. None where no eye is seen.

    Hundreds of tiny steps, each of which the next one waits for: on the CPU."""
    photos, white, specular, albedos, uv, parts, trusted = (
        x.cpu()
        for x in (crops.pixels, shading(out), out.specular, out.albedo, out.uv, out.part, seen)
    )
    grays = crops.gray.tolist()
    found: list[list[Tensor]] = [[], []]
    clear: list[float] = []
    bright: list[Tensor] = []
    for k in range(len(seen)):
        for index in part:
            own = (parts[k] == index) & (trusted[k] > 0.5)
            eye = placed(uv[k], own)
            if eye is None:
                continue
            better, contrast = nearest_eye(eye, photos[k])
            clear.append(CLEAR * contrast)
            for area, (name, rings) in enumerate((("iris", IRIS), ("sclera", SCLERA))):
                photo = read(better, photos[k], rings, MATT[name])
                light = read(eye, white[k], rings, (0.1, 0.9)).clamp_min(0.05)
                gloss = read(eye, specular[k], rings, (0.1, 0.5))
                own_albedo = read(eye, albedos[k], rings, MATT[name]).clamp_min(1e-3)
                albedo = ((photo - gloss).clamp_min(0.1 * photo) / light).clamp_min(1e-3)
                if area == 0:
                    bright.append(photo.mean().clamp_min(1e-3))
                if grays[k]:
                    albedo = albedo.mean().expand(3)
                found[area].append(_possible(albedo, area).log() - own_albedo.log())
    if not found[0]:
        return None
    # Hair over an eye hides its iris' edge; of two irises the darker may be lashes.
    light = torch.stack(bright).log() * LIGHTER
    share = (trusted.new_tensor(clear) + light).softmax(0)
    return torch.stack([share @ torch.stack(values) for values in found]).to(seen.device)


def _possible(albedo: Tensor, area: int) -> Tensor:
    """An albedo [3] of iris or sclera, kept within what eyes have."""
    if area == 0:
        return torch.maximum(torch.minimum(albedo, albedo.new_tensor(LIGHT)), albedo * 0 + DARK)
    grey = albedo.log().mean()
    tint = CHROMA * ((albedo.log() - grey) / CHROMA).tanh()
    return (grey.clamp(math.log(WHITE[0]), math.log(WHITE[1])) + tint).exp()


def placed(uv: Tensor, own: Tensor) -> PlacedEye | None:
    """Where an eye [n,n] lies whose texture coordinates are [n,n,2]; None where it is hardly
    seen."""
    near = own & (eye_radius(uv) < NEAR * IRIS_SHARE)
    if int(near.sum()) < FEW:
        return None
    rows, columns = near.nonzero().unbind(1)
    pixels = torch.stack([columns, rows], -1).to(uv) + 0.5
    flat = torch.cat([uv[near] - 0.5, torch.ones_like(pixels[:, :1])], 1).double()
    solved = torch.linalg.lstsq(flat, pixels.double()).solution.to(uv)
    return PlacedEye(solved[2], solved[:2])


def nearest_eye(eye: PlacedEye, photo: Tensor) -> tuple[PlacedEye, float]:
    """The eye where it fits the photo [n,n,3] best, and how well, in log contrast."""
    grey = photo.mean(-1, keepdim=True).clamp(0.01, 1).log()
    steps = torch.linspace(-FAR, FAR, SHIFTS).to(photo)
    best, most = eye, -1e9
    for scale in SCALES:
        for x in steps:
            for y in steps:
                moved = eye.moved(torch.stack([x, y]), scale)
                inside = _samples(moved, grey, INSIDE)[..., 0].clamp_max(-0.7)
                beside = _samples(moved, grey, BESIDE)[..., 0]
                left, right = beside.chunk(2, 1)
                contrast = torch.minimum(left.mean(), right.mean()) - inside.mean()
                contrast = contrast + beside.mean() - inside.mean() - UNEVEN * inside.std()
                value = float(contrast - PRIOR * (x * x + y * y).sqrt())
                if value > most:
                    best, most = moved, value
    return best, most


def _samples(eye: PlacedEye, image: Tensor, rings: tuple[float, float]) -> Tensor:
    """Of an image [n,n,C] to both sides of the pupil, [RINGS,ANGLES,C]; one side, the other."""
    half = torch.linspace(*SECTOR, ANGLES // 2).to(image)
    angle = torch.cat([half, torch.pi - half])
    radius = torch.linspace(*rings, RINGS).to(image)
    pixels = eye.pixels(radius[:, None].expand(-1, ANGLES), angle.expand(RINGS, -1))
    grid = pixels / len(image) * 2 - 1
    found = F.grid_sample(
        image.movedim(-1, 0)[None], grid[None], padding_mode="border", align_corners=False
    )
    return found[0].movedim(0, -1)


def read(
    eye: PlacedEye, image: Tensor, rings: tuple[float, float], shares: tuple[float, float]
) -> Tensor:
    """The colour [3] of pixels whose brightness lies between two quantiles of it."""
    values = _samples(eye, image, rings).reshape(-1, image.shape[-1])
    bright = values.mean(-1)
    least, most = bright.quantile(bright.new_tensor(shares))
    return values[(bright >= least) & (bright <= most)].mean(0)
