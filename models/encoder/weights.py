"""The encoder's file: half-precision weights, and what its outputs mean, in one safetensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from fitme.models import weight_path
from fitme.models.encoder.network import Encoder, EncoderConfig
from fitme.models.encoder.starts import StartLayout
from fitme.models.encoder.stored import stored
from fitme.runtime.files import atomic_write_bytes

FORMAT = "fitme-encoder-1"
FILE = "encoder.safetensors"


@dataclass(frozen=True)
class TrainedEncoder:
    """A network, and where its N landmarks lie on the head's template."""

    network: Encoder
    triangles: Tensor  # [N] int64 of the template
    barycentric: Tensor  # [N,3]
    mirror: Tensor  # [N] int64, each point's mirror image
    starts: StartLayout
    landmark_index: Tensor  # [478,M] points whose mean, weighted, is each MediaPipe landmark
    landmark_weight: Tensor  # [478,M]


def save_encoder(trained: TrainedEncoder, path: Path) -> None:
    """Write in half precision."""
    tensors = {
        f"network.{name}": value.half() if value.is_floating_point() else value
        for name, value in trained.network.state_dict().items()
    }
    tensors |= {
        "points.triangles": trained.triangles.int(),
        "points.barycentric": trained.barycentric.float(),
        "points.mirror": trained.mirror.int(),
        "landmarks.index": trained.landmark_index.int(),
        "landmarks.weight": trained.landmark_weight.float(),
    }
    kept = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(trained.network.config.to_dict()),
        "starts": json.dumps(asdict(trained.starts)),
    }
    atomic_write_bytes(path, save(kept, metadata))


def load_encoder(path: Path | None = None, device: torch.device | str = "cpu") -> TrainedEncoder:
    """The encoder that comes with the package, or that of a file; in single precision, ready.

    Raises ModelError for a file that is missing or damaged.
    """
    with stored(path or weight_path(FILE), FORMAT, "encoder", device) as (metadata, tensors):
        config = json.loads(metadata["config"])
        config["channels"] = tuple(config["channels"])
        network = Encoder(EncoderConfig(**config))
        state = {
            name.removeprefix("network."): value.float() if value.is_floating_point() else value
            for name, value in tensors.items()
            if name.startswith("network.")
        }
        network.load_state_dict(state)
        trained = TrainedEncoder(
            network.to(device).eval().requires_grad_(False),
            tensors["points.triangles"].long(),
            tensors["points.barycentric"],
            tensors["points.mirror"].long(),
            StartLayout(**json.loads(metadata["starts"])),
            tensors["landmarks.index"].long(),
            tensors["landmarks.weight"],
        )
    return trained
