"""Light: an order-2 spherical-harmonic environment plus directional and point lights.

Spherical harmonics are the real, orthonormal ones in the order
(1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2) of Ramamoorthi and Hanrahan, "An Efficient
Representation for Irradiance Environment Maps", SIGGRAPH 2001; axes are the world's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Y0 = 0.5 / math.sqrt(math.pi)
Y1 = math.sqrt(3.0 / (4.0 * math.pi))
Y2 = math.sqrt(15.0 / (4.0 * math.pi))
Y2_0 = math.sqrt(5.0 / (16.0 * math.pi))
Y2_2 = math.sqrt(15.0 / (16.0 * math.pi))
BANDS = (0, 1, 1, 1, 2, 2, 2, 2, 2)
COSINE = (1.0, 2.0 / 3.0, 0.25)  # A_l / pi with A = (pi, 2 pi / 3, pi / 4): the cosine lobe

PRESETS = ("ambient", "studio", "side", "top", "rim", "sunset")


def sh_basis(direction: Tensor) -> Tensor:
    """Unit vectors [...,3] -> the nine basis functions [...,9]."""
    x, y, z = direction.unbind(-1)
    values = [
        torch.full_like(x, Y0),
        Y1 * y,
        Y1 * z,
        Y1 * x,
        Y2 * x * y,
        Y2 * y * z,
        Y2_0 * (3.0 * z * z - 1.0),
        Y2 * x * z,
        Y2_2 * (x * x - y * y),
    ]
    return torch.stack(values, dim=-1)


def band_scale(per_band: tuple[float, float, float], like: Tensor) -> Tensor:
    """One factor per band -> one per coefficient [9]. Made once: to bring it to a GPU waits."""
    return _band_scale(per_band, like.dtype, like.device)


@functools.lru_cache(maxsize=16)
def _band_scale(
    per_band: tuple[float, float, float], dtype: torch.dtype, device: torch.device
) -> Tensor:
    with torch.inference_mode(False):  # a tensor of inference mode could not be trained with
        return torch.tensor([per_band[band] for band in BANDS], dtype=dtype, device=device)


def sh_radiance(sh: Tensor, direction: Tensor) -> Tensor:
    """Radiance [...,3] that arrives from `direction` [...,3]; sh [...,9,3] broadcasts."""
    return (sh_basis(direction)[..., None, :] @ sh)[..., 0, :]


def sh_diffuse(sh: Tensor, normal: Tensor) -> Tensor:
    """What a white Lambertian with `normal` [...,3] reflects under sh [...,9,3]: irradiance
    over pi, i.e. the radiance convolved with the clamped cosine."""
    return sh_radiance(sh * band_scale(COSINE, sh)[:, None], normal)


@dataclass(frozen=True)
class Light:
    """The light of B images. Everything in world space, linear RGB."""

    sh: Tensor  # [B,9,3] incoming radiance
    directions: Tensor  # [B,L,3] towards the light; L may be 0
    colors: Tensor  # [B,L,3] what a white Lambertian that faces it reflects (irradiance / pi)
    positions: Tensor | None = None  # [B,P,3] point lights, metres
    intensities: Tensor | None = None  # [B,P,3] as colors, for a surface at one metre
    # of the first directional lights, how many were estimated with the shadows that they cast
    casts: int = 0

    def __post_init__(self) -> None:
        if self.sh.ndim != 3 or self.sh.shape[1:] != (9, 3):
            raise ValueError(f"sh: wanted [B,9,3], got {list(self.sh.shape)}")
        _check_pair("directions", self.directions, "colors", self.colors)
        if (self.positions is None) != (self.intensities is None):
            raise ValueError("positions and intensities go together")
        if self.positions is not None and self.intensities is not None:
            _check_pair("positions", self.positions, "intensities", self.intensities)

    @property
    def batch(self) -> int:
        return self.sh.shape[0]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(sh, unit directions, colors, positions, intensities), points empty when absent."""
        empty = self.sh.new_zeros(self.batch, 0, 3)
        positions = empty if self.positions is None else self.positions
        intensities = empty if self.intensities is None else self.intensities
        return self.sh, F.normalize(self.directions, dim=-1), self.colors, positions, intensities

    def expand(self, batch: int) -> Light:
        """The same light for every one of `batch` images."""
        if self.batch == batch:
            return self
        if self.batch != 1:
            raise ValueError(f"light has batch {self.batch}, wanted 1 or {batch}")
        return self._map(lambda value: value.expand(batch, -1, -1))

    def to(self, device: torch.device | str) -> Light:
        return self._map(lambda value: value.to(device))

    def _map(self, change: Any) -> Light:
        optional = lambda value: None if value is None else change(value)  # noqa: E731
        return Light(
            change(self.sh),
            change(self.directions),
            change(self.colors),
            optional(self.positions),
            optional(self.intensities),
            self.casts,
        )

    def rotated(self, rotation: Tensor, about: Tensor | None = None) -> Light:
        """Turn the whole light by `rotation` [3,3] or [B,3,3] about a world point [3], by default
        the origin (only point lights depend on it)."""
        rotation = rotation.to(self.sh)
        if rotation.ndim == 2:
            rotation = rotation[None]
        rotation = rotation.expand(self.batch, 3, 3)
        turn = rotation.transpose(1, 2)
        positions = self.positions
        if positions is not None:
            centre = positions.new_zeros(3) if about is None else about.to(positions)
            positions = (positions - centre) @ turn + centre
        sh = sh_rotation(rotation) @ self.sh
        return replace(self, sh=sh, directions=self.directions @ turn, positions=positions)

    def total(self) -> Tensor:
        """[B,3] mean radiance plus all directional lights: what lights the head, roughly."""
        total = self.sh[:, 0] * Y0 + self.colors.sum(1)
        return total if self.intensities is None else total + self.intensities.sum(1)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        names = ("sh", "directions", "colors", "positions", "intensities")
        values = {name: getattr(self, name) for name in names}
        tensors = {
            name: value.detach().cpu().tolist()
            for name, value in values.items()
            if value is not None
        }
        return tensors | ({"casts": self.casts} if self.casts else {})

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Light:
        """The inverse of `to_dict`; checks shapes and finiteness."""
        sh = _read(data, "sh", (9, 3))
        read = [_read(data, name, (-1, 3), len(sh)) for name in ("directions", "colors")]
        casts = data.get("casts", 0)
        if type(casts) is not int or not 0 <= casts <= read[0].shape[1]:
            raise ValueError(f"light: casts is {casts!r}, wanted a number of directional lights")
        if data.get("positions") is None:
            return Light(sh, read[0], read[1], casts=casts)
        points = [_read(data, name, (-1, 3), len(sh)) for name in ("positions", "intensities")]
        return Light(sh, read[0], read[1], points[0], points[1], casts)

    @staticmethod
    def ambient(rgb: tuple[float, float, float] | float = 1.0) -> Light:
        """The same radiance from everywhere."""
        color = torch.tensor([rgb] * 3 if isinstance(rgb, int | float) else rgb).float()
        sh = torch.zeros(1, 9, 3)
        sh[0, 0] = color / Y0
        return Light(sh, torch.zeros(1, 0, 3), torch.zeros(1, 0, 3))

    @staticmethod
    def preset(name: str) -> Light:
        """One of PRESETS; the face looks along +Z, +Y is up, +X is the subject's left."""
        if name not in PRESETS:
            raise ValueError(f"unknown light preset {name!r}; choose one of {', '.join(PRESETS)}")
        ambient, gradient, lights = _PRESETS[name]
        base = Light.ambient(ambient)
        sh = base.sh.clone()
        sh[0, 1] = torch.tensor(gradient) / Y1  # brighter from above by this radiance
        directions = torch.tensor([item[0] for item in lights]).reshape(1, -1, 3)
        colors = torch.tensor([item[1] for item in lights]).reshape(1, -1, 3)
        return Light(sh, F.normalize(directions, dim=-1), colors)


_RGB = tuple[float, float, float]
_PRESETS: dict[str, tuple[_RGB, _RGB, list[tuple[_RGB, _RGB]]]] = {
    # name: ambient, its gradient towards +Y, [(direction, color)]
    "ambient": ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), []),
    # A softbox 45 degrees to the side and 30 above, a soft fill beside the camera, an edge from
    # behind. Exposed as for a portrait: in the middle of a face a white card reflects 1.1 (1.35 at
    # most), so that an albedo of 0.5 is shown as 0.76 in sRGB and the lightest skin does not clip.
    "studio": (
        (0.42, 0.42, 0.42),
        (0.10, 0.10, 0.10),
        [
            ((-0.7, 0.58, 0.7), (1.00, 0.97, 0.93)),
            ((0.8, 0.1, 0.9), (0.40, 0.40, 0.41)),
            ((0.6, 0.6, -1.0), (0.45, 0.45, 0.46)),
        ],
    ),
    "side": ((0.15, 0.15, 0.16), (0.0, 0.0, 0.0), [((1.0, 0.15, 0.35), (1.00, 0.97, 0.93))]),
    "top": ((0.22, 0.22, 0.24), (0.10, 0.10, 0.10), [((0.0, 1.0, 0.35), (0.95, 0.95, 0.95))]),
    "rim": (
        (0.12, 0.12, 0.13),
        (0.0, 0.0, 0.0),
        [
            ((0.9, 0.4, -0.7), (1.10, 1.08, 1.00)),
            ((-0.9, 0.4, -0.7), (0.80, 0.90, 1.10)),
            ((0.0, 0.2, 1.0), (0.18, 0.18, 0.18)),
        ],
    ),
    "sunset": ((0.26, 0.26, 0.36), (0.06, 0.08, 0.14), [((-1.0, 0.22, 0.45), (1.30, 0.72, 0.36))]),
}


def fibonacci_sphere(count: int) -> Tensor:
    """[count,3] nearly even unit vectors."""
    index = torch.arange(count, dtype=torch.float64) + 0.5
    z = 1.0 - 2.0 * index / count
    angle = math.pi * (1.0 + math.sqrt(5.0)) * index
    radius = (1.0 - z * z).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=-1).float()


def sh_rotation(rotation: Tensor) -> Tensor:
    """[B,3,3] -> [B,9,9] that turns coefficients, so that the turned light in direction R d is
    the old one in direction d. Found by least squares on fixed directions; exact, as each
    band is closed under rotation."""
    probes = fibonacci_sphere(32).to(rotation)
    basis = sh_basis(probes)  # [K,9]
    turned = sh_basis(probes @ rotation)  # basis at R^T d, [B,K,9]
    return torch.linalg.pinv(basis) @ turned


def _check_pair(name: str, first: Tensor, other: str, second: Tensor) -> None:
    if first.ndim != 3 or first.shape[-1] != 3 or first.shape != second.shape:
        raise ValueError(
            f"{name} and {other}: wanted [B,L,3] both, got {list(first.shape)} "
            f"and {list(second.shape)}"
        )


def _read(data: Mapping[str, Any], key: str, tail: tuple[int, int], batch: int = -1) -> Tensor:
    try:
        value = torch.tensor(data[key], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"light: {key} is missing or not a table of numbers") from error
    if value.numel() == 0 and tail[0] == -1:
        value = value.reshape(max(batch, 1), 0, 3)
    wanted = value.ndim == 3 and value.shape[2] == tail[1] and tail[0] in (-1, value.shape[1])
    if not wanted or (batch >= 0 and value.shape[0] != batch):
        raise ValueError(f"light: {key} has shape {list(value.shape)}")
    if not torch.isfinite(value).all():
        raise ValueError(f"light: {key} has values that are not finite")
    return value
