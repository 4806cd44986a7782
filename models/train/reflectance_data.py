"""Where training draws come from, behind one protocol, and what is done to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fitme.models.stylegan2 import ReflectanceMaps, Window, mirror_signal


class DataSource(Protocol):
    """Draws registered reflectance maps together with the parameters they were made from.

    Parameters must be independent of each other (see `reflectance_prior`). The same generator
    state gives the same draw.
    """

    parameter_count: int

    def parameters(self, count: int, generator: torch.Generator) -> Tensor:
        """[count,P] from the prior, without maps; CPU generator and result."""

    def draw(
        self, batch: int, resolution: int, generator: torch.Generator
    ) -> tuple[Tensor, ReflectanceMaps]:
        """(parameters [B,P], maps [B,R,R,.]) on the training device; CPU generator."""

    def mirror_parameters(self, parameters: Tensor) -> Tensor:
        """[B,P] of the draws turned left to right."""


class ToySource:
    """Coloured discs on a plain ground: quick, for tests and for trying the harness.

    P = 8: ground colour (3), disc x, y, radius, disc darkness, oiliness.
    """

    parameter_count = 8

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device

    def parameters(self, count: int, generator: torch.Generator) -> Tensor:
        unit = torch.rand(count, 4, generator=generator)
        normal = torch.randn(count, 4, generator=generator).clamp(-2.5, 2.5)
        return torch.cat([unit, normal], 1)

    def mirror_parameters(self, parameters: Tensor) -> Tensor:
        return parameters * torch.where(torch.arange(8) == 4, -1.0, 1.0)  # the disc's x

    def draw(
        self, batch: int, resolution: int, generator: torch.Generator
    ) -> tuple[Tensor, ReflectanceMaps]:
        p = self.parameters(batch, generator)
        at = (torch.arange(resolution) + 0.5) / resolution
        image = p[:, :, None, None]
        x = at[None, None, :] - (0.5 + 0.08 * image[:, 4])
        y = at[None, :, None] - (0.5 + 0.08 * image[:, 5])
        radius = 0.15 + 0.1 * image[:, 3]
        height = torch.exp(-(x * x + y * y) / radius**2)  # [B,R,R]
        dark = 0.5 + 0.15 * image[:, 6]
        diffuse = (0.2 + 0.6 * image[:, :3]) * (1 - dark * height)[:, None]
        specular = (0.03 * torch.exp(0.2 * image[:, 7]))[:, None] * (1 + height)[:, None]
        slope = 0.15 * height / radius**2
        normal = torch.stack([slope * x, -slope * y, torch.ones_like(slope)], -1)
        maps = ReflectanceMaps(
            diffuse.movedim(1, -1).to(self.device),
            specular.movedim(1, -1).to(self.device),
            torch.nn.functional.normalize(normal, dim=-1).to(self.device),
        )
        return p.to(self.device), maps


class SynthesizerSource:
    """`fitme.models.train.synthesizer.Synthesizer`, one per resolution, made when first used."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        from fitme.models.train.synth_parameters import COUNT

        self.device = device
        self.parameter_count = COUNT
        self._by_resolution: dict[int, object] = {}

    def parameters(self, count: int, generator: torch.Generator) -> Tensor:
        from fitme.models.train.synth_parameters import draw_parameters

        return draw_parameters(count, generator)

    def mirror_parameters(self, parameters: Tensor) -> Tensor:
        from fitme.models.train.synth_parameters import NAMES

        sign = torch.ones(len(NAMES))
        sign[NAMES.index("brow_asymmetry")] = -1  # the only one with a side
        return parameters * sign.to(parameters)

    def draw(
        self, batch: int, resolution: int, generator: torch.Generator
    ) -> tuple[Tensor, ReflectanceMaps]:
        from fitme.head.model import load_head
        from fitme.models.train.synthesizer import Synthesizer

        synthesizer = self._by_resolution.get(resolution)
        if not isinstance(synthesizer, Synthesizer):
            synthesizer = Synthesizer(load_head(), resolution, self.device)
            self._by_resolution = {resolution: synthesizer}  # the last one's fields are large
        draw = synthesizer.draw(batch, generator)
        maps = ReflectanceMaps(draw.diffuse_albedo, draw.specular_albedo, draw.normal)
        return draw.parameters.to(self.device), maps


def named_seed(text: str) -> int:
    """A seed that depends on nothing but the text: what is drawn, for what, at which step."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "little")


def open_source(name: str, device: torch.device | str) -> DataSource:
    """ "synth" or "toy"."""
    if name == "toy":
        return ToySource(device)
    if name == "synth":
        return SynthesizerSource(device)
    raise ValueError(f"data source must be synth or toy, got {name!r}")


def random_window(resolution: int, size: int, generator: torch.Generator) -> Window | None:
    """A crop of `size` anywhere in the atlas; None where it is the whole map."""
    if size >= resolution:
        return None
    top, left = torch.randint(0, resolution - size + 1, (2,), generator=generator).tolist()
    return Window(top, left, size, full=min(size, 256))


def crop(signal: Tensor, window: Window | None) -> Tensor:
    """The window of a whole signal [B,C,R,R]."""
    if window is None:
        return signal
    rows = slice(window.top, window.top + window.size)
    return signal[:, :, rows, window.left : window.left + window.size]


def extent_of(window: Window | None, resolution: int, batch: int, device: torch.device) -> Tensor:
    """(left, top, side) [B,3] of a window as fractions of the atlas, for the discriminator."""
    box = (0.0, 0.0, 1.0)
    if window is not None:
        box = (window.left / resolution, window.top / resolution, window.size / resolution)
    return torch.tensor([box], device=device).expand(batch, 3)


@dataclass(frozen=True)
class Augmentation:
    """What the discriminator is shown. `probability` is of the colour changes (0 = none).

    The atlas is symmetric about its vertical middle and asymmetries of faces have no side, so
    mirroring is no leak and is always on. Colour changes are the ones that keep a face a face,
    with a probability well below one as in StyleGAN2-ADA (arXiv 2006.06676). The probability is
    not adapted: draws are endless, so the discriminator cannot learn them by heart.
    """

    probability: float = 0.0
    brightness: float = 0.1  # of diffuse signals
    contrast: float = 0.15
    gloss: float = 0.15  # of the specular signal

    def __call__(
        self, signal: Tensor, extent: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """signal [B,6,R,R], extent [B,3] -> the same, changed; `generator` on their device."""
        batch, device = signal.shape[0], signal.device

        def draw(normal: bool = False) -> Tensor:
            sampler = torch.randn if normal else torch.rand
            return sampler(batch, 1, 1, 1, generator=generator, device=device)

        flip = draw() < 0.5
        signal = torch.where(flip, mirror_signal(signal), signal)
        left, top, side = extent.unbind(1)
        mirrored = torch.where(flip.flatten(), 1 - left - side, left)
        extent = torch.stack([mirrored, top, side], 1)
        if self.probability > 0:
            diffuse, specular, slopes = signal.split([3, 1, 2], 1)
            on = [(draw() < self.probability).to(signal.dtype) for _ in range(3)]
            diffuse = diffuse + on[0] * self.brightness * draw(True)
            middle = diffuse.mean((1, 2, 3), keepdim=True)
            scale = torch.exp2(on[1] * self.contrast * draw(True))
            diffuse = middle + (diffuse - middle) * scale
            specular = specular + on[2] * self.gloss * draw(True)
            signal = torch.cat([diffuse, specular, slopes], 1)
        return signal, extent
