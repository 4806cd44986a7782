"""The middle band of a person's shape: a smooth map of offsets on top of the head model's
components (HRN, Lei et al., "A Hierarchical Representation Network for Accurate and Detailed Face
Reconstruction from In-The-Wild Images", arXiv 2302.14434, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from fitme.detail.surface import MapSurface
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel

LARGEST_TEXELS = 256  # of a file
FORMAT = "fitme-deformation-1"


@dataclass(frozen=True)
class Deformation:
    """A layer: the map moves the skin of every pose by the same offsets."""

    map: Tensor  # [R,R,3] metres along the frames of `surface`
    surface: MapSurface

    @staticmethod
    def none(head: HeadModel, texels: int = 64) -> Deformation:
        """One that changes nothing."""
        return Deformation(head.mean.new_zeros(texels, texels, 3), MapSurface.of(head, texels))

    def offsets(self, head: HeadModel, expression: Tensor) -> Tensor:
        """[P,V,3] metres; the same for all expressions [P,E]."""
        return self.surface.moved(self.map).expand(len(expression), -1, -1)

    def parameters(self) -> dict[str, Tensor]:
        """The map by its name."""
        return {"map": self.map}

    def to(self, device: torch.device | str) -> Deformation:
        """The same layer on another device."""
        return Deformation(self.map.to(device), self.surface.to(device))

    def data(self) -> bytes:
        """Its file: the map as safetensors in half precision."""
        stored = self.map.detach().half().cpu().contiguous()
        return save({"map": stored}, metadata={"format": FORMAT})

    @staticmethod
    def from_data(data: bytes, head: HeadModel) -> Deformation:
        """What `data` made. Raises ValueError for other bytes."""
        try:
            tensors = load(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a safetensors file: {error}") from error
        stored = tensors.get("map")
        if stored is None or stored.dtype is not torch.half:
            raise ValueError("it holds no map in half precision")
        side = stored.shape[0] if stored.ndim else 0
        if tuple(stored.shape) != (side, side, 3) or not 0 < side <= LARGEST_TEXELS:
            raise ValueError(f"its map has shape {list(stored.shape)}")
        if not bool(stored.isfinite().all()):
            raise ValueError("its map has numbers that are not finite")
        surface = MapSurface.of(head, side)
        return Deformation(stored.float().to(head.device), surface)


def as_stored(geometry: Geometry) -> Geometry:
    """A shape as its files give it back: deformations to half precision, 1 micrometre at 1 mm."""
    layers = tuple(
        Deformation(layer.map.half().float(), layer.surface)
        if isinstance(layer, Deformation)
        else layer
        for layer in geometry.layers
    )
    return replace(geometry, layers=layers)
