"""The encoder on a photo: labels of pixels, dense landmarks, start values, the skin's tone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.color import srgb_to_linear
from fitme.image.photo import Photo
from fitme.models.encoder.starts import StartLayout
from fitme.models.encoder.tone import ToneNetwork, load_tone
from fitme.models.encoder.weights import TrainedEncoder, load_encoder
from fitme.segment.frame import Frame, sampled
from fitme.segment.labels import Label
from fitme.segment.tone import PIXELS, Tone, tone_features

UNSEEN = 10.0  # times the spread for points beyond the edge of the photo, which are only guesses
# Of the tone, what the encoder's own guess counts beside the network of tones. Photos of one person
# deviate by 7 degrees (typology angle); by 10 with 0.4 and a network without rated portraits.
GUESSED = 0.2
# What is told is drawn to the mean skin of what the networks learned from, as 0.7 of the variance
# is told; a fit has priors of its own. 1 / 0.7 would undo all of it; with 1.25 the ladder of made
# people has a slope of 0.8 and light people in photos are told 3 degrees lighter than they look.
STRETCH = 1.25
# Log albedo. In hard light the network knows least, and there the picture alone says least, too: a
# fit then explains highlights by dark skin in strong light (a face under a flash came out at an
# angle of 2 degrees, with this at 12; 21 were told).
UNSURE = 0.2
# Likewise of red and blue over green, at least: what was rated of real skin is how light it is and
# not its hue, and a photo tells that better. With 0.1 a red face under a flash turned pale.
HUE_UNSURE = 0.2
SKIN_POINTS = 468  # of MediaPipe's landmarks; the irises follow


@dataclass(frozen=True)
class EncodedFace:
    """What the network says of one face."""

    frame: Frame
    labels: Tensor  # [C,h,w] probabilities over the frame, see `Label`
    points: Tensor  # [N,2] photo pixels
    spread: Tensor  # [N] photo pixels, their expected deviation
    starts: Tensor  # [M], see `StartLayout`
    starts_spread: Tensor  # [M] their standard deviation
    triangles: Tensor  # [N] of the head's template, on which the points lie
    barycentric: Tensor  # [N,3]
    layout: StartLayout
    tone: Tone | None = None  # of the cheeks' albedo

    def start(self, name: str) -> tuple[Tensor, Tensor]:
        """Start values of one name and their standard deviations, see `StartLayout`."""
        where = self.layout.slices()[name]
        return self.starts[where], self.starts_spread[where]

    def probability(self, labels: tuple[Label, ...], points: Tensor) -> Tensor:
        """[...]: how likely photo points [...,2] show one of these labels."""
        chosen = self.labels[list(labels)].sum(0, keepdim=True)
        return sampled(chosen, self.frame, points)[..., 0]


class FaceEncoder:
    """Runs the network; keep one for many photos."""

    def __init__(self, trained: TrainedEncoder, tones: ToneNetwork | None = None) -> None:
        self.trained, self.tones = trained, tones

    @staticmethod
    def load(path: Path | None = None, device: torch.device | str = "cpu") -> FaceEncoder:
        """The one that comes with the package, or of a file, and the network of tones that comes
        with the package. Raises ModelError."""
        return FaceEncoder(load_encoder(path, device), load_tone(device=device))

    @torch.no_grad()
    def encode(self, photo: Photo, frame: Frame) -> EncodedFace:
        """The face within a frame; the mean of the crop and its mirror image."""
        trained = self.trained
        crop = frame.cut(photo, trained.network.config.size)
        device = trained.network.mean_points.device
        found = trained.network(torch.stack([crop, crop.flip(-1)]).to(device))
        labels = found.labels.softmax(1)
        labels = (labels[0] + labels[1].flip(-1)) / 2
        mirrored = found.points[1][trained.mirror] * found.points.new_tensor([-1.0, 1.0])
        points = (found.points[0] + mirrored) / 2
        spread = (found.spread[0].exp() + found.spread[1][trained.mirror].exp()) / 2
        scale = trained.starts.scale().to(found.starts)
        points, spread = frame.to_photo(points).cpu(), (spread * frame.side).cpu()
        beyond = (points < 0) | (points > points.new_tensor([photo.width, photo.height]))
        spread = torch.where(beyond.any(-1), UNSEEN * spread, spread)
        return EncodedFace(
            frame, labels.cpu(), points, spread,
            (found.starts[0] * scale).cpu(), (found.starts_spread[0].exp() * scale).cpu(),
            trained.triangles.cpu(), trained.barycentric.cpu(), trained.starts,
            None if self.tones is None else
            self._tone(crop, labels.cpu(), frame.inside(photo, PIXELS), found.starts[0].cpu()),
        )  # fmt: skip

    def _tone(self, crop: Tensor, labels: Tensor, inside: Tensor, starts: Tensor) -> Tone:
        """The skin's tone as both networks tell it."""
        assert self.tones is not None
        layout = self.trained.starts
        guess = (starts * layout.scale())[layout.slices()["tone"]]
        told = tone_of(self.tones, crop, labels, inside)
        both = (1 - GUESSED) * told.mean + GUESSED * Tone.of(guess.exp())
        usual = self.tones.tone_mean.cpu()
        spread = (STRETCH * told.spread).clamp_max(UNSURE)
        spread[1:] = spread[1:].clamp_min(HUE_UNSURE)
        return Tone(usual + STRETCH * (both - usual), spread)

    def landmarks(self, encoded: EncodedFace) -> Tensor:
        """MediaPipe's 478 landmarks [478,2], photo pixels, as means of the network's points."""
        near = encoded.points[self.trained.landmark_index.cpu()]
        return (near * self.trained.landmark_weight.cpu()[..., None]).sum(1)

    def settled(self, photo: Photo, frame: Frame, passes: int = 3) -> EncodedFace:
        """The face after looking again where its own landmarks are: for a rough frame."""
        for _ in range(passes - 1):
            frame = Frame.around_points(self.landmarks(self.encode(photo, frame))[:SKIN_POINTS])
        return self.encode(photo, frame)


@torch.no_grad()
def tone_of(
    network: ToneNetwork, crop: Tensor, labels: Tensor, inside: Tensor | None = None
) -> Tone:
    """What a crop [3,S,S] of sRGB and its labels' probabilities [C,h,w] say of the skin: the mean
    over the crop and its mirror image. `inside` [PIXELS,PIXELS]: see `tone_features`."""
    small, sure = (
        F.interpolate(value[None], (PIXELS, PIXELS), mode="area")[0] for value in (crop, labels)
    )
    linear = srgb_to_linear(small)
    features = torch.stack(
        [
            tone_features(linear, sure, inside),
            tone_features(
                linear.flip(-1), sure.flip(-1), None if inside is None else inside.flip(-1)
            ),
        ]
    )
    mean, sureness = network(features.to(network.usual))
    return Tone(mean.mean(0).cpu(), sureness.mean(0).exp().cpu())
