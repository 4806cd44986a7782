"""Real photos without labels: what else is known of them, and how the network agrees with itself.

    python -m fitme.models.train.encoder.real PORTRAITS ... --out runs/real.npz

Kept per photo: a crop, MediaPipe's landmarks, and its person mask (networks of its wheel). In
training the moving average looks at a plain crop, and the network at one that is cut, turned,
mirrored and recoloured has to say the same (Tarvainen and Valpola, "Mean teachers are better role
models", NeurIPS 2017).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.image.photo import load_photo
from fitme.landmarks.face import LANDMARK_MIRROR
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.person_mask import PersonMask
from fitme.models.encoder.network import Encoded, Encoder
from fitme.models.train.encoder.cuts import (
    between,
    cut_pixels,
    grid_of,
    middle_cuts,
    moved,
    random_cuts,
)
from fitme.models.train.encoder.recolor import recolored
from fitme.models.train.photos.pictures import packed_jpeg, unpacked
from fitme.runtime.errors import FitmeError
from fitme.segment.frame import Frame
from fitme.segment.labels import Label

SIDE_PX = 320  # of a kept crop, which shows 1.25 times what the network sees
WIDER = 1.25
CERTAIN = 0.75  # probability from which the average's label is taken over
SLACK = 0.012  # of the crop's side: MediaPipe's points mean slightly other places
SURE_MASK = (0.1, 0.9)  # of MediaPipe's person mask


@dataclass(frozen=True)
class RealPhotos:
    """M photos, their landmarks and person masks."""

    photos: list[np.ndarray]  # JPEG
    masks: np.ndarray  # [M,SIDE_PX/2,SIDE_PX/2] uint8
    landmarks: np.ndarray  # [M,478,2] pixels of the crop

    @staticmethod
    def load(path: Path) -> RealPhotos:
        with np.load(path) as kept:
            pieces = np.split(kept["photo"], kept["photo.ends"][:-1])
            return RealPhotos(pieces, kept["masks"], kept["landmarks"])

    def __len__(self) -> int:
        return len(self.photos)


@dataclass(frozen=True)
class RealSet:
    """The same, unpacked on a device."""

    photos: Tensor  # [M,3,SIDE_PX,SIDE_PX] uint8
    masks: Tensor  # [M,SIDE_PX/2,SIDE_PX/2] uint8
    landmarks: Tensor  # [M,478,2] places of the kept crop
    landmark_mirror: Tensor  # [478] int64

    @staticmethod
    def of(real: RealPhotos, device: torch.device | str = "cpu") -> RealSet:
        photos = np.stack([unpacked(photo) for photo in real.photos]).transpose(0, 3, 1, 2)
        return RealSet(
            torch.from_numpy(photos.copy()).to(device),
            torch.from_numpy(real.masks).to(device),
            torch.from_numpy(real.landmarks / SIDE_PX - 0.5).float().to(device),
            torch.tensor(LANDMARK_MIRROR).to(device),
        )


@dataclass(frozen=True)
class RealBatch:
    """B photos: as they are for the average, changed for the network."""

    plain: Tensor  # [B,3,S,S]
    changed: Tensor  # [B,3,S,S]
    matrices: Tensor  # [B,2,3] from places of the plain crop to those of the changed one
    mirrored: Tensor  # [B] bool: the changed crop is mirrored before all else
    person: Tensor  # [B,S/2,S/2] of the changed crop, 0..1
    landmarks: Tensor  # [B,478,2] places in the changed crop


def real_batch(real: RealSet, size: int, batch: int, draws: torch.Generator) -> RealBatch:
    """A random batch; `draws` is a generator of the CPU."""
    device = real.photos.device
    index = torch.randint(len(real.photos), (batch,), generator=draws).to(device)
    still = middle_cuts(batch, 1 / WIDER).to(device)
    changed = random_cuts(batch, 1 / WIDER, draws).to(device)
    always = torch.ones_like(changed.black)
    still, changed = replace(still, black=always), replace(changed, black=always)
    flags = changed.mirrored[:, None, None]
    landmarks = real.landmarks[index]
    landmarks = torch.where(flags, landmarks[:, real.landmark_mirror], landmarks)
    return RealBatch(
        cut_pixels(real.photos[index], still, size),
        recolored(cut_pixels(real.photos[index], changed, size), draws),
        between(still.matrix, changed.matrix),
        changed.mirrored,
        cut_pixels(real.masks[index][:, None], changed, size // 2)[:, 0],
        moved(changed.matrix, landmarks),
    )


def agreement(
    network: Encoder, average: Encoder, batch: RealBatch, mirror: Tensor,
    tied: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:  # fmt: skip
    """Losses by name: labels and points as the average sees them in the plain crop, the person as
    MediaPipe's mask says, landmarks about where MediaPipe says. mirror [N] of the points; tied are
    indices and weights [478,M] of the landmarks among the points."""
    with torch.no_grad():
        known = average(batch.plain)
    found = network(batch.changed)
    return {
        "real labels": _labels(found, known, batch),
        "real points": _points(found, known, batch, mirror),
        "real person": _person(found, batch),
        "real landmarks": _landmarks(found, batch, tied),
    }


def _labels(found: Encoded, known: Encoded, batch: RealBatch) -> Tensor:
    probability = known.labels.softmax(1)
    grid = grid_of(batch.matrices, probability.shape[-1])
    target = F.grid_sample(probability, grid, padding_mode="zeros", align_corners=False)
    best, label = target.max(1)
    loss = F.cross_entropy(found.labels, label, reduction="none")
    certain = (best > CERTAIN).float()
    return (loss * certain).sum() / certain.sum().clamp_min(1)


def _points(found: Encoded, known: Encoded, batch: RealBatch, mirror: Tensor) -> Tensor:
    points = moved(batch.matrices, known.points)
    spread = known.spread
    turned = batch.mirrored[:, None]
    points = torch.where(turned[..., None], points[:, mirror], points)
    spread = torch.where(turned, spread[:, mirror], spread)
    miss = (found.points - points).square().sum(-1).add(1e-8).sqrt()
    weight = (-spread).exp() / (-spread).exp().mean()
    return (weight * miss).mean()


def _person(found: Encoded, batch: RealBatch) -> Tensor:
    background = found.labels.softmax(1)[:, Label.BACKGROUND].clamp(1e-4, 1 - 1e-4)
    person = batch.person > SURE_MASK[1]
    nobody = batch.person < SURE_MASK[0]
    loss = -torch.where(person, (1 - background).log(), background.log())
    sure = (person | nobody).float()
    return (loss * sure).sum() / sure.sum().clamp_min(1)


def _landmarks(found: Encoded, batch: RealBatch, tied: tuple[Tensor, Tensor]) -> Tensor:
    index, weight = tied
    own = (found.points[:, index] * weight[None, ..., None]).sum(2)
    miss = (own - batch.landmarks).square().sum(-1).add(1e-8).sqrt()
    return F.relu(miss - SLACK).mean()


def collect(paths: Sequence[Path]) -> RealPhotos:
    """Crops of all photos in which MediaPipe finds a face."""
    provider, person = MediaPipeLandmarks(), PersonMask()
    photos, masks, landmarks = [], [], []
    for path in paths:
        try:
            photo = load_photo(path)
            faces = provider.detect(photo)
        except FitmeError as problem:
            print(problem, flush=True)
            continue
        if not faces:
            continue
        inner = Frame.around(faces[0].box)
        side = round(WIDER * inner.side)
        shift = (side - inner.side) // 2
        frame = Frame(inner.left - shift, inner.top - shift, side)
        pixels = (frame.cut(photo, SIDE_PX).permute(1, 2, 0) * 255).round().byte().numpy()
        mask = person(torch.from_numpy(pixels).float() / 255).numpy()
        small = cv2.resize(mask, (SIDE_PX // 2,) * 2, interpolation=cv2.INTER_AREA)
        photos.append(packed_jpeg(pixels, 95))
        masks.append((small.clip(0, 1) * 255).astype(np.uint8))
        places = frame.from_photo(faces[0].points) + 0.5
        landmarks.append((places * SIDE_PX).numpy().astype(np.float32))
    return RealPhotos(photos, np.stack(masks), np.stack(landmarks))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folders of JPEG photos")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = [path for folder in args.folders for path in sorted(folder.glob("*.jpg"))]
    real = collect(paths)
    arrays: dict[str, Any] = {
        "photo.ends": np.cumsum([len(data) for data in real.photos]),
        "photo": np.concatenate(real.photos),
        "masks": real.masks,
        "landmarks": real.landmarks,
    }
    np.savez(args.out, **arrays)
    print(f"{len(real)} of {len(paths)} photos")


if __name__ == "__main__":
    main()
