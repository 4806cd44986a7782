"""Which deformations are likely: smooth random fields on the mean head, in whitened coordinates.

A Gaussian process in the manner of Lüthi et al., "Gaussian Process Morphable Models" (TPAMI 2018),
cut to the largest eigenvectors of its covariance. `models/train/deformation.py` makes the file and
says what its spreads rest on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fitme.detail.deformation import Deformation
from fitme.detail.surface import MapSurface
from fitme.head.model import HeadModel
from fitme.models import weight_path
from fitme.runtime.errors import ModelError, show_path

FIELDS_FILE = "deformation.safetensors"


@dataclass(frozen=True)
class DeformationFields:
    """Deformations of standard normal codes [1,M,3]: per field what it adds along the normal, to
    the person's left and upwards."""

    fields: Tensor  # [M,R,R] of unit variance or less, each even or odd under the mirror
    spread: Tensor  # [M,3] metres
    surface: MapSurface

    @staticmethod
    def load(head: HeadModel, path: Path | None = None) -> DeformationFields | None:
        """From the file that comes with fitme; None for another head than its own. Raises
        ModelError for a missing or damaged file."""
        path = weight_path(FIELDS_FILE) if path is None else path
        try:
            with safe_open(str(path), framework="pt") as file:
                made_for = (file.metadata() or {}).get("head")
                left, sign, spread = (
                    file.get_tensor(name).float() for name in ("left", "sign", "spread")
                )
            fields = torch.cat([left, sign[:, None, None] * left.flip(2)], 2)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ModelError(
                f"{show_path(path)}: no readable deformations ({error}); reinstall fitme"
            ) from error
        if made_for != head.fingerprint():
            return None
        surface = MapSurface.of(head, fields.shape[1])
        return DeformationFields(fields.to(head.device), spread.to(head.device), surface)

    def zeros(self) -> Tensor:
        """The code [1,M,3] of no deformation."""
        return self.spread.new_zeros(1, *self.spread.shape)

    def deformation(self, code: Tensor) -> Deformation:
        """The layer of a code [1,M,3]."""
        made = self.fields.flatten(1).T @ (code[0] * self.spread)
        return Deformation(made.reshape(*self.fields.shape[1:], 3), self.surface)
