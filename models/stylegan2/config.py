"""Sizes of generator and discriminator, their presets, and what the branches stand for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

#: The modalities and their channels in signal space (`fitme.models.stylegan2.maps`).
MODALITIES: tuple[tuple[str, int], ...] = (
    ("diffuse_albedo", 3),
    ("specular_albedo", 1),
    ("normal", 2),
)
BRANCHES = len(MODALITIES)
SIGNAL_CHANNELS = sum(channels for _, channels in MODALITIES)
MAX_RESOLUTION = 2048


@dataclass(frozen=True)
class GeneratorConfig:
    """Channels are those of the trunk; each branch owns a third of them."""

    channels: tuple[int, ...]  # at 4, 8, 16, ... up to the resolution; multiples of 3
    z_dim: int = 160  # parameters of the training draw plus free dimensions
    w_dim: int = 512
    mapping_layers: int = 4
    mapping_rate: float = 0.01  # learning-rate multiplier of the mapping network
    #: Learned position features at each resolution, multiples of 3, at most `channels`; () = none.
    position: tuple[int, ...] = ()
    #: (resolution, components) of the linear base (`synthesis.LinearBase`); (0, 0) = none.
    base: tuple[int, int] = (0, 0)
    #: Last of the base's components that photos taught (`fitme.models.train.reflectance_real`):
    #: directions of W of their own, which the mapping network does not draw.
    photo_modes: int = 0

    def __post_init__(self) -> None:
        if not 2 <= len(self.channels) <= 10:
            raise ValueError(f"2 to 10 resolutions are supported, got {len(self.channels)}")
        if any(not 0 < c <= 1024 or c % BRANCHES for c in self.channels):
            raise ValueError(f"channels must be multiples of {BRANCHES}, got {self.channels}")
        positions = self.position
        if len(positions) > len(self.channels) or any(
            p < 0 or p > c or p % BRANCHES for p, c in zip(positions, self.channels, strict=False)
        ):
            raise ValueError(f"position must be multiples of {BRANCHES} up to the channels, "
                             f"got {positions}")  # fmt: skip
        if self.base != (0, 0) and (self.base[0] not in self.resolutions or self.base[1] < 1):
            raise ValueError(f"base must be (resolution, components), got {self.base}")
        if not 0 <= self.photo_modes <= self.base[1]:
            raise ValueError(f"photo_modes must be 0 to {self.base[1]}, got {self.photo_modes}")
        if not (0 < self.z_dim <= 4096 and 0 < self.w_dim <= 4096):
            raise ValueError(f"z_dim {self.z_dim} and w_dim {self.w_dim} must be 1 to 4096")
        if not 0 < self.mapping_layers <= 16:
            raise ValueError(f"mapping_layers must be 1 to 16, got {self.mapping_layers}")

    @property
    def resolution(self) -> int:
        return 4 << (len(self.channels) - 1)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """(4, 8, ..., resolution)."""
        return tuple(4 << level for level in range(len(self.channels)))

    @property
    def w_count(self) -> int:
        """Vectors in W+: one per convolution and one for the last output layer."""
        return 2 * len(self.channels)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> GeneratorConfig:
        """Raises ValueError for anything but a valid configuration."""
        try:
            fields: dict[str, Any] = json.loads(text)
            channels = tuple(int(c) for c in fields.pop("channels"))
            position = tuple(int(c) for c in fields.pop("position", ()))
            low, components = (int(c) for c in fields.pop("base", (0, 0)))
            return GeneratorConfig(
                channels=channels, position=position, base=(low, components), **fields
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"bad generator configuration: {error}") from error


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Input resolution follows from the number of branch levels: join * 2 ** levels."""

    branch_channels: tuple[int, ...]  # of one branch, from the input's resolution down to 2 join
    joint_channels: int = 256  # from the join on
    join: int = 8  # resolution at which the branches are concatenated
    stddev_group: int = 4

    @property
    def resolution(self) -> int:
        return self.join << len(self.branch_channels)


GENERATORS: dict[str, GeneratorConfig] = {
    "tiny": GeneratorConfig(
        (24, 24, 24, 12), z_dim=16, w_dim=24, mapping_layers=2, position=(0, 0, 6, 6), base=(16, 6)
    ),
    # Multiples of 24 so that each branch is a multiple of 8, the width of AVX2.
    # The linear base carries most of what differs between people and the position features what
    # is always at the same place of the atlas, both nearly free: the convolutions can be narrow.
    "cpu": GeneratorConfig(
        (192, 192, 144, 96, 72, 48, 24, 24, 24),
        position=(0, 0, 0, 0, 72, 48, 24, 12),
        base=(128, 64),
    ),
    "gpu": GeneratorConfig(
        (384, 384, 384, 384, 288, 144, 72, 48, 24),
        mapping_layers=6,
        position=(0, 0, 0, 0, 96, 72, 24, 12),
        base=(128, 96),
    ),
}

#: Channels of one branch by resolution. Discriminators of one network agree below the smaller
#: one's resolution, so that a larger one can take over what a smaller one learned.
_BRANCH_CHANNELS: dict[str, dict[int, int]] = {
    "tiny": {32: 8, 16: 8},
    "cpu": {512: 16, 256: 16, 128: 24, 64: 48, 32: 64, 16: 96},
    "gpu": {512: 24, 256: 32, 128: 48, 64: 96, 32: 128, 16: 160},
}


def discriminator_config(network: str, resolution: int) -> DiscriminatorConfig:
    """The discriminator that goes with GENERATORS[network], for inputs of `resolution`."""
    table = _BRANCH_CHANNELS[network]
    if resolution not in table:
        raise ValueError(f"resolution must be one of {sorted(table)}, got {resolution}")
    channels = tuple(count for size, count in table.items() if size <= resolution)
    return DiscriminatorConfig(channels, joint_channels=24 if network == "tiny" else 256)
