"""The network that tells how light a skin is, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from fitme.models import weight_path
from fitme.models.encoder.stored import stored
from fitme.runtime.files import atomic_write_bytes

FORMAT = "fitme-tone-1"
FILE = "tone.safetensors"
SURENESS = (-3.0, 1.0)  # log deviations, in standard deviations of the skins learned from


class ToneNetwork(nn.Module):
    """Features [B,F] with gaps -> mean and log deviation [B,3] each; see `fitme.segment.tone`."""

    usual: Tensor  # [F] of what is not shown
    middle: Tensor  # [2F] of features, and of which are shown
    scale: Tensor
    tone_mean: Tensor  # [3] of the skins learned from
    tone_scale: Tensor

    def __init__(self, features: int, hidden: int = 64, dropped: float = 0.3) -> None:
        super().__init__()
        self.features, self.hidden = features, hidden
        for name, size in (
            ("usual", features), ("middle", 2 * features), ("scale", 2 * features),
            ("tone_mean", 3), ("tone_scale", 3),
        ):  # fmt: skip
            self.register_buffer(name, torch.zeros(size))
        self.layers = nn.Sequential(
            nn.Linear(2 * features, hidden), nn.SiLU(), nn.Dropout(dropped),
            nn.Linear(hidden, hidden), nn.SiLU(), nn.Dropout(dropped), nn.Linear(hidden, 6),
        )  # fmt: skip

    def prepared(self, features: Tensor) -> Tensor:
        """[B,2F] of about unit spread, without gaps."""
        missing = features.isnan()
        filled = torch.where(missing, self.usual, features)
        joined = torch.cat([filled, missing.to(filled)], 1)
        return ((joined - self.middle) / self.scale).clamp(-4, 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.told(self.prepared(features))

    def told(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """The same of what `prepared` gives."""
        mean, sure = self.layers(prepared).chunk(2, 1)
        scale = self.tone_scale
        return mean * scale + self.tone_mean, sure.clamp(*SURENESS) + scale.log()


def save_tone(network: ToneNetwork, path: Path) -> None:
    """Write a network, whole or not at all. Raises OutputError."""
    kept = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    config = {"features": network.features, "hidden": network.hidden}
    atomic_write_bytes(path, save(kept, {"format": FORMAT, "config": json.dumps(config)}))


def load_tone(path: Path | None = None, device: torch.device | str = "cpu") -> ToneNetwork:
    """The network that comes with the package, or that of a file.

    Raises ModelError for a file that is missing or damaged.
    """
    with stored(path or weight_path(FILE), FORMAT, "network", device) as (metadata, tensors):
        network = ToneNetwork(**json.loads(metadata["config"]))
        network.load_state_dict(tensors)
    return network.to(device).eval().requires_grad_(False)
