"""A pool of skins, drawn once and combined anew with shapes, lights and lenses.

Half are samples of the reflectance generator, whose place in W is known, half draws of the
synthesizer, which has marks, make-up and tones that the generator's samples show more rarely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.image.color import linear_to_srgb, luminance, srgb_to_linear
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.models.train.photos.packing import write_arrays
from fitme.models.train.synth_parameters import NAMES, draw_parameters
from fitme.models.train.synthesizer import Synthesizer
from fitme.reflectance.atlas import bake_vertex_field
from fitme.reflectance.generated import WCode
from fitme.reflectance.regions import AtlasRegions
from fitme.segment.labels import Label

TEXELS = 256  # a face is about 120 pixels high in a synthetic photo
SPREAD = 1.15  # of codes of W, so that rare people are in the pool
F0_SCALE = 2000.0  # specular albedo to 8 bits: 0.1275 at most
BROW_DARKER, BROW_REACH = 0.80, 0.15  # luminance against the skin around; soft mask of the region
SCALP_DARKER = 0.55  # a painted scalp darker than this share of the cheeks is cropped hair
BEARD_DARKER = 0.45  # likewise of the beard's place
STUBBLE = 0.62  # parameter "beard" of the synthesizer beyond which hairs hide the skin


@dataclass(frozen=True)
class Skin:
    """One skin, ready to be drawn."""

    maps: ReflectanceMaps  # [1,R,R,.]
    labels: np.ndarray  # [R,R] uint8, see `Label`
    code: np.ndarray | None  # [D] of W where it is a sample of the generator
    tone: np.ndarray  # [3] mean linear albedo of the cheeks


class SkinPool:
    """Skins kept in a folder as 8-bit maps, one file each, drawn when first asked for."""

    def __init__(
        self, folder: Path, head: HeadModel, generator: ReflectanceGenerator, size: int
    ) -> None:
        self.folder, self.size = folder, size
        self.head, self.generator = head, generator
        self.codes = WCode(generator)
        self.labeller = SkinLabels(head, AtlasRegions(head, TEXELS))
        self._synthesizer: Synthesizer | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, index: int) -> Skin:
        """Skin `index`; the same one on every machine. Raises IndexError beyond the pool."""
        if not 0 <= index < self.size:
            raise IndexError(f"skin {index} of {self.size}")
        path = self.folder / f"{index:05d}.npz"
        if not path.exists():
            self._draw(index, path)
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in kept.files}
        shown = torch.from_numpy(arrays["diffuse"]).float() / 255
        normal = torch.from_numpy(arrays["normal"]).float() / 127.5 - 1
        maps = ReflectanceMaps(
            srgb_to_linear(shown)[None],
            torch.from_numpy(arrays["specular"]).float()[None, ..., None] / F0_SCALE,
            F.normalize(normal, dim=-1)[None],
        )
        code = arrays["code"] if len(arrays["code"]) else None
        return Skin(maps, arrays["labels"], code, arrays["tone"])

    @torch.no_grad()
    def _draw(self, index: int, path: Path) -> None:
        draws = torch.Generator().manual_seed(31_000_000 + index)
        code = torch.zeros(0)
        bearded = 0.0
        if index % 2 == 0:
            code = SPREAD * torch.randn(1, self.codes.size, generator=draws)
            w = self.generator.broadcast(self.codes.w(code))
            maps = ReflectanceMaps.from_signal(self.generator.signals(w, TEXELS)[TEXELS])
        else:
            if self._synthesizer is None:
                self._synthesizer = Synthesizer(self.head, TEXELS)
            parameters = draw_parameters(1, draws)
            hair = NAMES.index("scalp_hair")
            parameters[:, hair] *= float(torch.rand((), generator=draws) < 0.3)
            bearded = float(parameters[0, NAMES.index("beard")])
            bearded *= float(parameters[0, NAMES.index("masculine")] > 0.5)
            details = torch.randint(2**62, (1,), generator=draws)
            draw = self._synthesizer.render(parameters, details)
            maps = ReflectanceMaps(draw.diffuse_albedo, draw.specular_albedo, draw.normal)
        albedo = maps.diffuse_albedo[0]
        bare = self.labeller.regions.bare[..., None]
        tone = (albedo * bare).sum((0, 1)) / bare.sum()
        write_arrays(
            path,
            compressed=True,
            diffuse=_bytes(linear_to_srgb(albedo.clamp(0, 1)) * 255),
            specular=_bytes(maps.specular_albedo[0, ..., 0] * F0_SCALE),
            normal=_bytes((maps.normal[0] + 1) * 127.5),
            labels=self.labeller(albedo, bearded > STUBBLE),
            code=code.reshape(-1).numpy(),
            tone=tone.numpy(),
        )


class SkinLabels:
    """What each texel of a painted skin is."""

    def __init__(self, head: HeadModel, regions: AtlasRegions) -> None:
        self.regions = regions
        names = ("ears", "neck", "lips", "brows", "scalp", "mouth_inside", "face")
        fields = torch.stack([head.regions[name] for name in names], -1)
        baked = bake_vertex_field(head, fields, regions.size)
        self.fields = dict(zip(names, baked.unbind(-1), strict=True))

    def __call__(self, albedo: Tensor, bearded: bool) -> np.ndarray:
        """[R,R] uint8 of a diffuse albedo [R,R,3]; `bearded`: painted hairs hide the skin."""
        fields, regions = self.fields, self.regions
        shade = luminance(albedo)
        bare = float((shade * regions.bare).sum() / regions.bare.sum())
        labels = torch.full_like(shade, float(Label.SKIN))
        labels[fields["neck"] > 0.5] = Label.NECK
        labels[fields["ears"] > 0.5] = Label.EARS
        scalp = torch.maximum(regions.scalp, fields["scalp"] * (1 - fields["face"])) > 0.5
        around = _blurred(shade, math.ceil(regions.size / 24))
        labels[scalp & (around < SCALP_DARKER * bare)] = Label.HAIR
        if bearded:
            beard = (regions.beard > 0.3) | (regions.flanks > 0.5)
            labels[beard & (shade < BEARD_DARKER * bare)] = Label.BEARD
        brows = (fields["brows"] > BROW_REACH) & (shade < BROW_DARKER * torch.maximum(
            around, torch.full_like(around, 0.75 * bare)
        ))  # fmt: skip
        labels[brows] = Label.BROWS
        labels[fields["lips"] > 0.5] = Label.LIPS
        labels[fields["mouth_inside"] > 0.5] = Label.MOUTH
        return labels.to(torch.uint8).numpy()


def _blurred(image: Tensor, radius: int) -> Tensor:
    """Mean over a square of 2 radius + 1 texels, [R,R]."""
    padded = F.pad(image[None, None], (radius,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * radius + 1, 1)[0, 0]


def _bytes(values: Tensor) -> np.ndarray:
    return values.round().clamp(0, 255).to(torch.uint8).numpy()
