"""Real photos without labels: what else is known of them, and how the network agrees with itself.

    python -m fitme.models.train.encoder.real PORTRAITS ... --out runs/real.npz

Kept per photo: a crop, MediaPipe's landmarks, and its person mask (both come in its wheel). In
training the moving average looks at a plain crop, and the network at one that is cut, turned,
mirrored and recoloured has to say the same (Tarvainen and Valpola, "Mean teachers are better role
models", NeurIPS 2017).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
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
from fitme.models.encoder.network import Encoded, Encoder
from fitme.models.train.encoder.data import cut_matrix, random_cut, recolored_pixels
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
class RealBatch:
    """B photos: as they are for the average, changed for the network."""

    plain: Tensor  # [B,3,S,S]
    changed: Tensor  # [B,3,S,S]
    matrices: Tensor  # [B,2,3] from places of the plain crop to those of the changed one
    mirrored: Tensor  # [B] bool: the changed crop is mirrored before all else
    person: Tensor  # [B,S/2,S/2] of the changed crop, 0..1
    landmarks: Tensor  # [B,478,2] places in the changed crop


def real_batch(real: RealPhotos, size: int, batch: int, rng: np.random.Generator) -> RealBatch:
    """A random batch."""
    rows: list[tuple[Any, ...]] = []
    for index in rng.integers(0, len(real), batch):
        photo = unpacked(real.photos[index])
        still = cut_matrix(SIDE_PX, size, 1 / WIDER)
        moved = random_cut(rng, SIDE_PX, size, 1 / WIDER)
        flip = bool(rng.random() < 0.5)
        mirror = np.array([[-1.0, 0, SIDE_PX - 1], [0, 1, 0], [0, 0, 1]]) if flip else np.eye(3)
        moved = moved @ mirror
        plain = cv2.warpAffine(photo, still, (size, size), borderMode=cv2.BORDER_CONSTANT)
        changed = cv2.warpAffine(photo, moved, (size, size), borderMode=cv2.BORDER_CONSTANT)
        mask = cv2.resize(real.masks[index], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_LINEAR)
        mask = cv2.warpAffine(mask, moved, (size, size), borderMode=cv2.BORDER_CONSTANT)
        mask = cv2.resize(mask, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
        points = (real.landmarks[index] - 0.5) @ moved[:, :2].T + moved[:, 2]
        rows.append((plain, changed, _places(still, moved, size), flip, mask,
                     (points + 0.5) / size - 0.5))  # fmt: skip
    plain, changed, matrices, flips, masks, places = map(list, zip(*rows, strict=True))

    def pixels(pictures: list[Any]) -> Tensor:
        stack = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        return stack.contiguous(memory_format=torch.channels_last)

    return RealBatch(
        pixels(plain), recolored_pixels(pixels(changed), rng),
        torch.from_numpy(np.stack(matrices)).float(), torch.tensor(flips),
        torch.from_numpy(np.stack(masks)).float() / 255,
        torch.from_numpy(np.stack(places)).float(),
    )  # fmt: skip


def _places(still: np.ndarray, moved: np.ndarray, size: int) -> np.ndarray:
    """[2,3]: places of one crop to those of the other, from matrices of pixel centres."""

    def full(matrix: np.ndarray) -> np.ndarray:
        return np.concatenate([matrix, [[0, 0, 1]]])

    # places p = (pixel + 0.5) / size - 0.5
    to_pixel = np.array([[size, 0, size / 2 - 0.5], [0, size, size / 2 - 0.5], [0, 0, 1.0]])
    between = full(moved) @ np.linalg.inv(full(still))
    return (np.linalg.inv(to_pixel) @ between @ to_pixel)[:2]


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
    height, width = probability.shape[-2:]
    inverse = torch.linalg.inv(_square(batch.matrices))[:, :2]
    # affine_grid works in -1..1, which is twice a place; the shift doubles with it.
    theta = torch.cat([inverse[:, :, :2], 2 * inverse[:, :, 2:]], -1)
    grid = F.affine_grid(theta, [len(theta), 1, height, width], align_corners=False)
    target = F.grid_sample(probability, grid, padding_mode="zeros", align_corners=False)
    best, label = target.max(1)
    loss = F.cross_entropy(found.labels, label, reduction="none")
    certain = (best > CERTAIN).float()
    return (loss * certain).sum() / certain.sum().clamp_min(1)


def _points(found: Encoded, known: Encoded, batch: RealBatch, mirror: Tensor) -> Tensor:
    points = known.points @ batch.matrices[:, :, :2].mT + batch.matrices[:, None, :, 2]
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
    order = torch.arange(own.shape[1]).expand(len(own), -1)
    flipped = torch.tensor(LANDMARK_MIRROR).expand(len(own), -1)
    order = torch.where(batch.mirrored[:, None], flipped, order)
    seen = batch.landmarks.gather(1, order[..., None].expand(-1, -1, 2))
    miss = (own - seen).square().sum(-1).add(1e-8).sqrt()
    return F.relu(miss - SLACK).mean()


def _square(matrices: Tensor) -> Tensor:
    last = matrices.new_tensor([[0.0, 0.0, 1.0]]).expand(len(matrices), 1, 3)
    return torch.cat([matrices, last], 1)


def collect(paths: Sequence[Path]) -> RealPhotos:
    """Crops of all photos in which MediaPipe finds a face."""
    from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

    provider, selfie = MediaPipeLandmarks(), SelfieSegmentation(model_selection=0)
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
        mask = selfie.process(np.ascontiguousarray(pixels)).segmentation_mask
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
    np.savez(
        args.out, **{"photo.ends": np.cumsum([len(data) for data in real.photos])},
        photo=np.concatenate(real.photos), masks=real.masks, landmarks=real.landmarks,
    )  # fmt: skip
    print(f"{len(real)} of {len(paths)} photos")


if __name__ == "__main__":
    main()
