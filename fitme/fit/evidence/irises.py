"""The colours of iris and sclera, read where a photo shows them between the lids.

Lids, lashes and lights of the cornea cover half of an iris. So what is read lies between pupil and
limbus, away from the lids' edges, and of that the middle of its brightness; the same places of the
render say how much light falls there. What few pixels tell is drawn to the irises that people have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.fit.evidence.eye_places import Lids, PlacedEye, placed, seen_eye
from fitme.fit.observation import Crops
from fitme.fit.ratio import shading
from fitme.fit.visibility import sample
from fitme.head.parts import Part
from fitme.reflectance.eyes import IRIS_SHARE, PUPIL_SHARE
from fitme.render import RenderOutput

ANGLES, RINGS = 72, 24  # samples around and across
ABOVE = 0.25  # radians above the horizontal from which the upper lid's shade is too deep
IRIS = (1.3 * PUPIL_SHARE / IRIS_SHARE, 0.86)  # of the iris' radius: without pupil and limbus
SCLERA = (1.2, 1.75)
# Quantiles of brightness between lashes and lights, whose veil makes lighter halves grey.
MATT = {"iris": (0.2, 0.6), "sclera": (0.45, 0.92)}
LEAST = 0.06  # share of a ring's samples: where fewer are seen, lids cover it
LIGHTER = 2.0  # per log of its brightness: of two eyes the darker may be in lashes or under hair
WHITE = (0.25, 0.85)  # albedos of the sclera that are possible: what is darker is in shade
CHROMA = 0.3  # log, of the sclera against grey
# Albedos of irises: dark brown, brown, hazel, green, grey and blue, and their spread in logs, of
# lightness and of colour. Guesses, not measured on anything.
USUAL = (
    (0.030, 0.018, 0.012), (0.080, 0.042, 0.020), (0.120, 0.085, 0.045),
    (0.120, 0.125, 0.085), (0.150, 0.165, 0.170), (0.140, 0.185, 0.240),
)  # fmt: skip
LIGHTNESS, COLOUR = 0.5, 0.18
# Deviations of what is read, in logs, of one pixel and of any number of them: light comes in
# between lids otherwise than a render has it, of the light's colour more is known. Guesses too.
LIGHT_NOISE, COLOUR_NOISE = (0.8, 0.12), (0.35, 0.06)


@dataclass(frozen=True)
class Ring:
    """Samples between two radii of one eye, and which of them are seen."""

    radius: Tensor  # [r,a]
    angle: Tensor
    seen: Tensor  # [r,a] bool

    @staticmethod
    def of(eye: PlacedEye, lids: Lids, rings: tuple[float, float]) -> Ring:
        """Those between the lids that `eye` has in a crop, in which the iris is `eye`'s."""
        angle = (torch.arange(ANGLES).to(eye.middle) + 0.5) * (2 * math.pi / ANGLES)
        radius = torch.linspace(*rings, RINGS).to(eye.middle)
        radius, angle = radius[:, None].expand(-1, ANGLES), angle.expand(RINGS, -1)
        seen = lids.between(eye.pixels(radius, angle), eye.radius)
        return Ring(radius, angle, seen & (angle.sin() > -math.sin(ABOVE)))

    def within(self, eye: PlacedEye, own: Tensor) -> Ring:
        """Those of them that lie on an eye's own pixels [n,n] in a render."""
        shown = self.values(eye, own[..., None].float())[..., 0] > 0.99
        return Ring(self.radius, self.angle, self.seen & shown)

    @property
    def share(self) -> float:
        return float(self.seen.float().mean())

    def values(self, eye: PlacedEye, image: Tensor) -> Tensor:
        """Of an image [n,n,C], [r,a,C]."""
        return sample(image[None], eye.pixels(self.radius, self.angle)[None])[0]

    def color(self, eye: PlacedEye, image: Tensor, shares: tuple[float, float]) -> Tensor:
        """The mean [C] of what is seen and has a brightness between two quantiles of it."""
        values = self.values(eye, image)[self.seen]
        bright = values.mean(-1)
        least, most = bright.quantile(bright.new_tensor(shares))
        return values[(bright >= least) & (bright <= most)].mean(0)


def read_eyes(
    out: RenderOutput,
    crops: Crops,
    seen: Tensor,
    parts: Sequence[Part],
    marks: Tensor,
    drawn_marks: Tensor,
) -> Tensor | None:
    """Logs [2,3] of the albedos of iris and sclera that P photos show over those of their pictures.

    seen [P,n,n] in 0..1 are the eyeballs' trusted pixels, `parts` the eyeballs, marks [P,478,2] the
    photos' landmarks in the crops' pixels and `drawn_marks` those of the head. None where no eye is
    seen.

    Hundreds of tiny steps, each of which the next one waits for: on the CPU."""
    photos, white, specular, albedos, uv, part, trusted = (
        x.cpu()
        for x in (crops.pixels, shading(out), out.specular, out.albedo, out.uv, out.part, seen)
    )
    marks, drawn_marks = marks.cpu(), drawn_marks.cpu()
    grays = crops.gray.tolist()
    found: list[list[Tensor]] = [[], []]
    counts: list[list[float]] = [[], []]
    bright: list[list[Tensor]] = [[], []]
    base: list[Tensor] = []
    for k in range(len(seen)):
        for ball in parts:
            own = (part[k] == ball.index) & (trusted[k] > 0.5)
            eye = placed(uv[k], own)
            if eye is None:
                continue
            better = seen_eye(eye, photos[k], marks[k], drawn_marks[k], ball.side)
            lids = Lids.of(marks[k], ball.side)
            for area, (name, rings) in enumerate((("iris", IRIS), ("sclera", SCLERA))):
                ring = Ring.of(better, lids, rings)
                drawn = ring.within(eye, own)
                if drawn.share < LEAST:
                    continue
                photo = ring.color(better, photos[k], MATT[name])
                light = drawn.color(eye, white[k], (0.1, 0.9)).clamp_min(0.05)
                gloss = drawn.color(eye, specular[k], (0.1, 0.5))
                own_albedo = drawn.color(eye, albedos[k], MATT[name]).clamp_min(1e-3)
                albedo = ((photo - gloss).clamp_min(0.1 * photo) / light).clamp_min(1e-3)
                if grays[k]:
                    albedo = albedo.mean().expand(3)
                pixels = ring.share * math.pi * better.radius**2 * (rings[1] ** 2 - rings[0] ** 2)
                found[area].append(albedo.log())
                counts[area].append(pixels)
                bright[area].append(photo.mean().clamp_min(1e-3).log() * LIGHTER)
                if area == 0:
                    base.append(own_albedo.log())
                else:
                    found[1][-1] = _possible_white(albedo).log() - own_albedo.log()
    if not found[0]:
        return None
    (told, own), sclera = _means(found[0], base, bright[0], counts[0]), torch.zeros(3)
    if found[1]:
        sclera = _means(found[1], found[1], bright[1], counts[1])[0]
    iris = usual_iris(told, sum(counts[0])) - own
    return torch.stack([iris, sclera]).to(seen.device)


def _means(
    values: list[Tensor], others: list[Tensor], bright: list[Tensor], counts: list[float]
) -> tuple[Tensor, Tensor]:
    """Of what several eyes tell [3], those counting more that are light and have many pixels."""
    share = (torch.stack(bright) + torch.tensor(counts).log()).softmax(0)
    return share @ torch.stack(values), share @ torch.stack(others)


def usual_iris(albedo: Tensor, pixels: float) -> Tensor:
    """The likely log albedo [3] of an iris of which so many pixels have `albedo`, a log [3] too:
    the mean of what people of each usual colour would have then."""
    usual = albedo.new_tensor(USUAL).log()
    miss = albedo - usual
    grey = miss.mean(-1, keepdim=True)
    ways = []
    for value, spread, (one, least) in (
        (grey, LIGHTNESS, LIGHT_NOISE), (miss - grey, COLOUR, COLOUR_NOISE),
    ):  # fmt: skip
        own, read = spread**2, one**2 / max(pixels, 1.0) + least**2
        ways.append((value * (own / (own + read)), value.square().sum(-1) / (own + read)))
    likely = (-0.5 * (ways[0][1] + ways[1][1])).softmax(0)
    return likely @ (usual + ways[0][0] + ways[1][0])


def _possible_white(albedo: Tensor) -> Tensor:
    """An albedo [3] of a sclera, kept within what eyes have."""
    grey = albedo.log().mean()
    tint = CHROMA * ((albedo.log() - grey) / CHROMA).tanh()
    return (grey.clamp(math.log(WHITE[0]), math.log(WHITE[1])) + tint).exp()
