"""The reflectance generator: z -> w -> registered diffuse albedo, specular albedo, normals."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from fitme.models import weight_path
from fitme.models.stylegan2.config import MAX_RESOLUTION, GeneratorConfig
from fitme.models.stylegan2.mapping import Mapping
from fitme.models.stylegan2.maps import ReflectanceMaps
from fitme.models.stylegan2.synthesis import Noise, StyledConv, Synthesis, Window
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.files import atomic_write_bytes

_FORMAT = "fitme-reflectance-generator-1"
_STATISTICS = ("w_mean", "w_covariance")  # stay in float32 on disk


class ReflectanceGenerator(nn.Module):
    """Mapping and synthesis network with the statistics of W.

    On a CPU, `.to(memory_format=torch.channels_last)` saves a seventh to a quarter of the time of
    forward and backward to w (`benchmarks/generator_speed.py`); training gains nothing by it.
    """

    w_mean: Tensor  # [w_dim]
    w_covariance: Tensor  # [w_dim,w_dim]

    def __init__(self, config: GeneratorConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.mapping = Mapping(
                config.z_dim, config.w_dim, config.mapping_layers, config.mapping_rate
            )
            self.synthesis = Synthesis(config)
        self.register_buffer("w_mean", torch.zeros(config.w_dim))
        # Zero until measured.
        self.register_buffer("w_covariance", torch.zeros(config.w_dim, config.w_dim))
        self._whitening: Tensor | None = None

    @property
    def device(self) -> torch.device:
        return self.w_mean.device

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """z [B,z_dim] -> w [B,w_dim], drawn towards the mean where `truncation` < 1."""
        w = self.mapping(z)
        return w if truncation == 1.0 else self.w_mean + truncation * (w - self.w_mean)

    def photo_directions(self) -> Tensor:
        """[K,w_dim]: what one standard deviation of each component that photos taught is in W."""
        base, count = self.synthesis.base, self.config.photo_modes
        if base is None or not count:
            return self.w_mean.new_zeros(0, self.config.w_dim)
        rows = base.coefficients.weight[-count:] * base.coefficients.scale  # orthogonal
        return rows / rows.square().sum(1, keepdim=True)

    @torch.no_grad()
    def without_photo_modes(self) -> ReflectanceGenerator:
        """Without the components that photos taught, so that training can go on from it."""
        count = self.config.photo_modes
        if not count:
            return self
        low, components = self.config.base
        smaller = ReflectanceGenerator(
            replace(self.config, base=(low, components - count), photo_modes=0)
        )
        mine = self.state_dict()
        smaller.load_state_dict({
            name: mine[name][tuple(slice(n) for n in value.shape)]
            for name, value in smaller.state_dict().items()
        })  # fmt: skip
        directions = self.photo_directions()
        smaller.w_covariance.sub_(directions.T @ directions)
        return smaller.to(self.device).train(self.training)

    def broadcast(self, w: Tensor) -> Tensor:
        """w [B,w_dim] or W+ [B,w_count,w_dim] -> W+."""
        return w[:, None].expand(-1, self.config.w_count, -1) if w.ndim == 2 else w

    def signals(
        self,
        w: Tensor,
        resolution: int | None = None,
        *,
        noise: Noise = "const",
        window: Window | None = None,
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
    ) -> dict[int, Tensor]:
        """w [B,w_dim] or [B,w_count,w_dim] -> signals in (-1, 1) by resolution.

        See `Synthesis.forward` for the arguments and `maps` for the channels.
        """
        raw = self.synthesis(
            self.broadcast(w), resolution,
            noise=noise, window=window, dtype=dtype, generator=generator,
        )  # fmt: skip
        return {level: torch.tanh(value) for level, value in raw.items()}

    def synthesize(
        self,
        w: Tensor,
        resolution: int | None = None,
        *,
        noise: Noise = "const",
        window: Window | None = None,
        dtype: torch.dtype = torch.float32,
        generator: torch.Generator | None = None,
    ) -> ReflectanceMaps:
        """w [B,w_dim] or W+ [B,w_count,w_dim] -> maps of `resolution`, the full one if None.

        A lower resolution leaves out the layers above it: time falls about fourfold per step.
        """
        output = resolution or self.config.resolution
        signals = self.signals(
            w, output, noise=noise, window=window, dtype=dtype, generator=generator
        )
        return ReflectanceMaps.from_signal(signals[output])

    def noise(self, resolution: int | None = None) -> list[Tensor]:
        """Copies of the constant noise [1,1,R,R] of each convolution up to `resolution`."""
        limit = resolution or self.config.resolution
        layers = self.synthesis.convolutions()
        return [layer.noise.clone() for layer in layers if layer.resolution <= limit]

    def layers(self) -> list[StyledConv]:
        """Modulated convolutions, coarse to fine: what pivotal tuning chooses from."""
        return self.synthesis.convolutions()

    @torch.no_grad()
    def measure_w(self, generator: torch.Generator, samples: int = 20_000) -> None:
        """Set `w_mean` and `w_covariance` from samples of z ~ N(0, I); CPU `generator`."""
        total = torch.zeros(self.config.w_dim, dtype=torch.float64)
        square = torch.zeros(self.config.w_dim, self.config.w_dim, dtype=torch.float64)
        for start in range(0, samples, 1000):
            count = min(1000, samples - start)
            z = torch.randn(count, self.config.z_dim, generator=generator)
            w = self.mapping(z.to(self.device)).cpu().double()
            total += w.sum(0)
            square += w.T @ w
        mean = total / samples
        self.w_mean.copy_(mean)
        directions = self.photo_directions().detach().cpu().double()
        covariance = square / samples - torch.outer(mean, mean) + directions.T @ directions
        self.w_covariance.copy_(covariance)
        self._whitening = None

    def regularizer(self, w: Tensor) -> Tensor:
        """Mean squared Mahalanobis distance of w [...,w_dim] to the distribution of W: scalar.

        1 on average over samples, W+ included; needs `measure_w` (shipped weights have it).
        """
        if self._whitening is None or self._whitening.device != w.device:
            self._whitening = _whitening(self.w_covariance)
        return ((w - self.w_mean) @ self._whitening).square().sum(-1).mean()

    def save(self, path: str | Path, notes: MappingType[str, str] | None = None) -> None:
        """Write weights in half precision and the configuration; `notes` go to the metadata."""
        atomic_write_bytes(path, self.to_bytes(notes))

    def to_bytes(self, notes: MappingType[str, str] | None = None) -> bytes:
        """The safetensors file of `save`."""
        tensors = {
            name: value.detach().cpu().contiguous().to(
                torch.float32 if name in _STATISTICS else torch.float16
            )
            for name, value in self.state_dict().items()
        }  # fmt: skip
        bad = [name for name, value in tensors.items() if not value.isfinite().all()]
        if bad:
            raise ValueError(f"not finite in half precision: {', '.join(bad)}")
        metadata = {**(notes or {}), "format": _FORMAT, "config": self.config.to_json()}
        return safetensors.torch.save(tensors, metadata)

    @staticmethod
    def load(path: str | Path, device: torch.device | str = "cpu") -> ReflectanceGenerator:
        """Read what `save` wrote, as float32 in evaluation mode.

        Raises InputError for a file that is missing, damaged or something else.
        """
        try:
            with safetensors.safe_open(str(path), "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        except (OSError, safetensors.SafetensorError) as error:
            raise InputError(f"{show_path(path)} is no readable weight file ({error})") from error
        if metadata.get("format") != _FORMAT:
            raise InputError(f"{show_path(path)} is not a reflectance generator of this version")
        try:
            config = GeneratorConfig.from_json(metadata["config"])
            if config.resolution > MAX_RESOLUTION:
                raise ValueError(f"resolution {config.resolution} is above {MAX_RESOLUTION}")
            generator = ReflectanceGenerator(config)
            generator.load_state_dict(tensors, assign=True)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{show_path(path)} is damaged: {reason}") from error
        return generator.to(device).eval().requires_grad_(False)


def load_generator(
    path: str | Path | None = None, device: torch.device | str = "cpu"
) -> ReflectanceGenerator:
    """The shipped generator, or the one in `path`. Raises InputError."""
    return ReflectanceGenerator.load(path or weight_path("reflectance.safetensors"), device)


@torch.no_grad()
def _whitening(covariance: Tensor, floor: float = 0.01) -> Tensor:
    """A [w_dim,w_dim] such that |(w - mean) A|^2 is 1 on average over samples.

    `floor`, times the mean variance, is added to every variance: W has directions that no
    sample uses, and an inversion must be let a little way there.
    """
    variance, axes = torch.linalg.eigh(covariance.double())
    variance = variance.clamp_min(0)
    if not bool(variance.sum() > 0):
        raise ValueError("the statistics of W are not measured; call measure_w first")
    scale = torch.rsqrt(variance + floor * variance.mean())
    typical = (variance * scale.square()).sum()
    return (axes * (scale / typical.sqrt())).to(covariance.dtype)
