"""Train the network that tells how light a skin is, on synthetic photos and a finished encoder.

    python -m fitme.models.train.encoder.tone ENCODER PHOTOS --out models/weights/tone.safetensors
        [--rated RATINGS --portraits FOLDER]

The synthetic photos are exposed so that a white card in the face's place has about the same
brightness. Cameras also expose for the face, or for the whole picture: each crop is learned from
three times, as it is and in both other ways. Real portraits rated by eye make a part of what is
learned from, see `fitme.models.train.encoder.rated`.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import load_head
from fitme.image.color import individual_typology_angle, srgb_to_linear
from fitme.models.encoder.tone import ToneNetwork, save_tone
from fitme.models.encoder.weights import TrainedEncoder, load_encoder
from fitme.models.train.encoder.data import Examples, Flips, PhotoSet
from fitme.models.train.encoder.rated import Rated, look_at_rated, usual_tone
from fitme.models.train.encoder.truth import Mirror
from fitme.models.train.photos.points import choose_points
from fitme.segment.labels import Label
from fitme.segment.tone import (
    AREAS,
    GRID,
    OF_AREA,
    PIXELS,
    QUANTILES,
    SIZE,
    Tone,
    tone_features,
)
from fitme.segment.tone import (
    DARKEST as BLACK,
)

EXPOSURES = ("as taken", "for the face", "for the picture")
HIGHLIGHT = (0.6, 0.95)  # linear value of the face's brightest fiftieth
MIDDLE_GRAY = 0.18  # of the whole picture
STOPS = 0.5  # deviation from it
GAIN = (0.35, 6.0)  # a photo is not made darker or brighter than this
CLIPPED_GAIN = 0.85  # nor darker than this where the face is clipped: clipped is clipped
CAST = 0.04  # deviation of the log colour, warm to cold
AT_ONCE = 25  # photos
DARKEST = 0.005  # albedo of skins
NOISE = 0.15  # on features, of their spread
# What cameras and editors do to photos: the log of contrast and of saturation beside it, mean and
# deviation. Skin varies 1.6 in real photos (log, 5 to 95 %), 1.1 in synthetic ones.
CONTRAST, SATURATION = (0.1, 0.15), (0.1, 0.3)
REAL_CONTRAST, REAL_SATURATION = (
    (0.0, 0.12),
    (0.0, 0.2),
)  # of portraits, which went through a camera
DROPPED = 0.2  # of the areas of a picture, as if it did not show them
BATCH, RATE, DECAY = 128, 1.5e-3, 3e-2
RATED = 0.25  # of a batch; with 0.5 made people of six tones were told worse by 2.5 degrees


@dataclass(frozen=True)
class Faces:
    """N crops in one exposure each."""

    features: Tensor  # [N,SIZE]
    exposure: Tensor  # [N] int64 in EXPOSURES
    albedo: Tensor  # [N,3] linear, of the cheeks
    shard: Tensor  # [N] int64

    def part(self, chosen: Tensor) -> Faces:
        return Faces(**{name: value[chosen] for name, value in vars(self).items()})


def exposed(linear: Tensor, labels: Tensor, how: int, draws: torch.Generator) -> Tensor:
    """A crop [3,n,n] in one of EXPOSURES; labels [C,n,n]."""
    skin = labels[Label.SKIN] > 0.8
    if how == 0 or int(skin.sum()) < 30:
        return linear
    brightest = linear.amax(0)[skin]
    if how == 1:
        low, high = HIGHLIGHT
        wanted = low + (high - low) * float(torch.rand((), generator=draws))
        gain = wanted / float(brightest.quantile(0.98).clamp_min(0.02))
    else:
        stops = STOPS * float(torch.randn((), generator=draws).clamp(-2, 2))
        gain = MIDDLE_GRAY * 2**stops / float(linear.mean().clamp_min(0.01))
    clipped = float((brightest > 0.97).float().mean()) > 0.05
    gain = min(max(gain, CLIPPED_GAIN if clipped else GAIN[0]), GAIN[1])
    warm = CAST * torch.randn((), generator=draws) * torch.tensor([1.0, 0.1, -1.0])
    return (linear * gain * warm.exp()[:, None, None]).clamp(0, 1)


@torch.no_grad()
def look(trained: TrainedEncoder, shards: list[Path], draws: torch.Generator) -> Faces:
    """The middle of each photo of some shards in all exposures."""
    flips = Flips(choose_points(load_head()).mirror, Mirror.of(load_head()))
    rows: list[tuple[Tensor, int, Tensor, int]] = []
    for number, shard in enumerate(shards):
        photos = PhotoSet([shard], trained.starts, flips)
        for index in torch.arange(len(photos)).split(AT_ONCE):
            size = trained.network.config.size
            albedo = photos.tensors["tone"][index]
            _look(trained, photos.middles(index, size), albedo, number, draws, rows)
        print(f"{number + 1} of {len(shards)} shards", flush=True)
    features, exposure, tones, owner = zip(*rows, strict=True)
    return Faces(
        torch.stack(features), torch.tensor(exposure), torch.stack(tones), torch.tensor(owner)
    )


def _look(
    trained: TrainedEncoder, crops: Examples, albedo: Tensor, shard: int, draws: torch.Generator,
    rows: list[tuple[Tensor, int, Tensor, int]],
) -> None:  # fmt: skip
    side = (PIXELS, PIXELS)
    labels = trained.network(crops.crops).labels.softmax(1)
    labels = F.interpolate(labels, side, mode="area")
    linear = srgb_to_linear(F.interpolate(crops.crops, side, mode="area"))
    for picture, sure, skin in zip(linear, labels, albedo, strict=True):
        for how in range(len(EXPOSURES)):
            seen = tone_features(exposed(picture, sure, how, draws), sure)
            rows.append((seen, how, skin, shard))


def standardised(network: ToneNetwork, faces: Faces, rated: Rated | None = None) -> None:
    """Set what the network takes for usual."""
    network.usual[:] = torch.nanmedian(faces.features, 0).values
    features = faces.features if rated is None else torch.cat([faces.features, rated.features])
    missing = features.isnan()
    filled = torch.where(missing, network.usual, features)
    joined = torch.cat([filled, missing.to(filled)], 1)
    network.middle[:], network.scale[:] = joined.mean(0), joined.std(0).clamp_min(0.05)
    tone = Tone.of(faces.albedo.clamp_min(DARKEST))
    network.tone_mean[:], network.tone_scale[:] = tone.mean(0), tone.std(0)


def without_some(features: Tensor) -> Tensor:
    """Features [N,SIZE], in each some areas as if they were not there: none may be relied on."""
    hidden = torch.rand(len(features), len(AREAS)) < DROPPED
    hidden[:, 0] = False  # there is no face without skin
    changed = features.clone()
    areas = changed[:, : len(AREAS) * OF_AREA].view(len(features), len(AREAS), OF_AREA)
    areas[hidden] = torch.nan
    areas[..., 0][hidden] = 0
    return changed


def graded(
    features: Tensor, by_contrast: tuple[float, float] = CONTRAST,
    by_saturation: tuple[float, float] = SATURATION,
) -> Tensor:  # fmt: skip
    """Features [N,SIZE] as if the photos had been given more or less contrast and saturation."""
    changed = features.clone()
    mean, deviation = by_contrast
    contrast = (mean + deviation * torch.randn(len(features), 1)).exp()
    mean, deviation = by_saturation
    saturation = contrast * (mean + deviation * torch.randn(len(features), 1)).exp()
    middle = math.log(MIDDLE_GRAY)

    def brightness(values: Tensor) -> Tensor:
        return ((values - middle) * contrast + middle).clamp(math.log(BLACK), 0)

    ends = len(AREAS) * OF_AREA
    for start in range(0, ends, OF_AREA):
        hue = start + 1 + len(QUANTILES)
        changed[:, start + 1 : hue] = brightness(features[:, start + 1 : hue])
        changed[:, hue : start + OF_AREA] *= saturation
    whole = slice(ends, ends + len(QUANTILES))
    changed[:, whole] = brightness(features[:, whole])
    changed[:, -GRID * GRID :] *= contrast
    return changed


def train(
    faces: Faces, checked: Faces, epochs: int, hidden: int, seed: int, rated: Rated | None = None
) -> ToneNetwork:
    """A network that tells tones and how sure it is of them; how sure is set right by how far off
    it was on `checked`. RATED of each batch is of `rated`."""
    torch.manual_seed(seed)
    network = ToneNetwork(SIZE, hidden)
    standardised(network, faces, rated)
    truth = Tone.of(faces.albedo.clamp_min(DARKEST))
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    real = 0 if rated is None else round(RATED * BATCH)
    steps = epochs * len(truth) // (BATCH - real)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / steps) + 1e-5
        index = torch.randint(len(truth), (BATCH - real,))
        seen, tone = graded(faces.features[index]), truth[index]
        if rated is not None:
            chosen = torch.multinomial(rated.weight, real, replacement=True)
            portraits = graded(rated.features[chosen], REAL_CONTRAST, REAL_SATURATION)
            seen, tone = torch.cat([seen, portraits]), torch.cat([tone, rated.tone[chosen]])
        seen = network.prepared(without_some(seen))
        mean, sure = network.told(seen + NOISE * torch.randn_like(seen))
        miss = (mean - tone) / sure.exp()
        loss = (F.huber_loss(miss, torch.zeros_like(miss), delta=2.0) + sure).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval().requires_grad_(False)
    mean, sure = network(checked.features)
    miss = (mean - Tone.of(checked.albedo.clamp_min(DARKEST))) / sure.exp()
    network.layers[-1].bias[3:] += miss.square().mean(0).sqrt().log()
    return network


@torch.no_grad()
def report(network: ToneNetwork, checked: Faces) -> None:
    """Share of the variance told, and typology angles missed, by exposure."""
    mean, _ = network(checked.features)
    truth = Tone.of(checked.albedo.clamp_min(DARKEST))
    found = Tone(mean, mean).albedo()
    off = individual_typology_angle(found) - individual_typology_angle(checked.albedo)
    for how, name in enumerate(EXPOSURES):
        rows = checked.exposure == how
        varies = (truth[rows] - network.tone_mean).square().mean(0)
        told = 1 - (mean - truth)[rows].square().mean(0) / varies
        shares = ", ".join(f"{float(value):.2f}" for value in told)
        print(
            f"{name:16s} told {shares}; degrees off: median {float(off[rows].abs().median()):.1f}, "
            f"mean {float(off[rows].mean()):.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("photos", type=Path, help="folder of shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rated", type=Path, help="JSON: names of portraits, degrees")
    parser.add_argument("--portraits", type=Path, help="folder of these portraits, JPEG")
    parser.add_argument("--checked", type=int, default=8, help="shards, the last ones, to check on")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if (args.rated is None) != (args.portraits is None):
        parser.error("--rated and --portraits belong together")
    torch.set_num_threads(args.threads)
    shards = sorted(args.photos.glob("*.npz"))
    draws = torch.Generator().manual_seed(args.seed)
    trained = load_encoder(args.encoder)
    faces = look(trained, shards, draws)
    unseen = faces.shard >= len(shards) - args.checked
    known, rated = faces.part(~unseen), None
    if args.rated:
        usual = usual_tone(known.albedo.clamp_min(DARKEST))
        rated = look_at_rated(trained, args.rated, args.portraits, usual, draws)
    network = train(known, faces.part(unseen), args.epochs, args.hidden, args.seed, rated)
    report(network, faces.part(unseen))
    save_tone(network, args.out)


if __name__ == "__main__":
    main()
