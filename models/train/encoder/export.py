"""Write the weights of a training run as the file that the program loads.

python -m fitme.models.train.encoder.export runs/encoder --out models/weights/encoder.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from fitme.head.model import load_head
from fitme.models.encoder.network import Encoder, EncoderConfig
from fitme.models.encoder.starts import CODE, StartLayout
from fitme.models.encoder.weights import TrainedEncoder, save_encoder
from fitme.models.train.checkpoint import list_checkpoints, load_checkpoint
from fitme.models.train.encoder.tied import tied_to_points
from fitme.models.train.photos.points import COUNT, choose_points
from fitme.segment.labels import Label


def trained_encoder(run: Path) -> TrainedEncoder:
    """The moving average of a run's newest checkpoint. Raises FileNotFoundError without one."""
    found = list_checkpoints(run / "checkpoints")
    if not found:
        raise FileNotFoundError(f"{run} has no checkpoint")
    tensors, _ = load_checkpoint(found[-1])
    head = load_head()
    layout = StartLayout(len(head.identity), len(head.expression_names), CODE)
    network = Encoder(EncoderConfig(len(Label), COUNT, layout.size))
    network.load_state_dict(
        {k.removeprefix("avg."): v for k, v in tensors.items() if k.startswith("avg.")}
    )
    points = choose_points(head)
    return TrainedEncoder(
        network.eval().requires_grad_(False), points.triangles, points.barycentric, points.mirror,
        layout, *tied_to_points(head, points),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    save_encoder(trained_encoder(args.run), args.out)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
