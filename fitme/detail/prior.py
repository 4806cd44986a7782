"""The folds that expressions usually make, for where no photo shows any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from fitme.models import weight_path
from fitme.runtime.errors import ModelError, show_path

FORMAT = "fitme-wrinkles-1"
NAMES = ("compressed_mm", "angle", "complete")


@dataclass(frozen=True)
class UsualFolds:
    """See `fitme.models.train.wrinkles`. E examples."""

    compressed: Tensor  # [E,R,R] metres that fully compressed skin of a face of 70 is displaced
    angle: Tensor  # [r,r] radians in (u, v), across the folds
    complete: Tensor  # [r,r] compression across them at which they are complete


def load_usual_folds(path: Path | None = None, device: torch.device | str = "cpu") -> UsualFolds:
    """The folds that come with fitme, or those of a file. Raises ModelError for no such file."""
    path = path or weight_path("wrinkles.safetensors")
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            height, angle, complete = (file.get_tensor(name).float() for name in NAMES)
    except Exception as error:
        raise ModelError(
            f"{show_path(path)}: no readable file of folds ({error}); reinstall fitme"
        ) from error
    return UsualFolds((height * 1e-3).to(device), angle.to(device), complete.to(device))
