"""Synthetic facial reflectance: registered diffuse albedo, specular albedo and normal maps.

    synthesizer = Synthesizer(load_head(), resolution=512)
    draw = synthesizer.draw(4, seed=0)
    draw.diffuse_albedo  # [4,512,512,3]

Nothing is read from disk but the head model. A picture is a function of the parameters and a
detail seed alone: device, batch and resolution do not change who is drawn, a smaller atlas is
close to the average of a larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.models.train import synth_hair as hair
from fitme.models.train.synth_anatomy import Anatomy, build_anatomy
from fitme.models.train.synth_atlas import normals_of
from fitme.models.train.synth_makeup import make_up
from fitme.models.train.synth_marks import add_marks
from fitme.models.train.synth_parameters import NAMES, Face, draw_parameters
from fitme.models.train.synth_pool import beard_pool, skin_pool
from fitme.models.train.synth_random import SolidNoise, Stream
from fitme.models.train.synth_relief import Relief, relief
from fitme.models.train.synth_skin import SkinTable
from fitme.models.train.synth_tone import regional_pigment, skin_colour

SKIN_F0 = 0.028  # refractive index 1.4
DIFFUSE_LIMITS = (0.004, 0.85)
SPECULAR_LIMITS = (0.016, 0.055)


@dataclass(frozen=True)
class Draw:
    """B faces as maps of R x R texels, row 0 at v = 0."""

    parameters: Tensor  # [B,P], see `Synthesizer.names`
    seed: Tensor  # [B] int64, of the detail
    diffuse_albedo: Tensor  # [B,R,R,3] linear
    specular_albedo: Tensor  # [B,R,R,1] reflectance at normal incidence, F0
    normal: Tensor  # [B,R,R,3] tangent space, unit, OpenGL Y+: +y is up in the image (smaller v)
    height: Tensor  # [B,R,R,1] mm over the smooth head


class Synthesizer:
    """Draws faces on the atlas of a head model.

    Args:
        head: the model whose part "head" has the atlas.
        resolution: texels along each side, 64 to 1024.
        device: where the maps are made; the fields of the atlas are prepared on the CPU.
    """

    names = NAMES

    def __init__(
        self, head: HeadModel, resolution: int = 512, device: torch.device | str = "cpu"
    ) -> None:
        if not 64 <= resolution <= 1024:
            raise ValueError(f"resolution: wanted 64 to 1024, got {resolution}")
        self.resolution, self.device = resolution, torch.device(device)
        head = head.to("cpu")
        self.anatomy: Anatomy = build_anatomy(head, resolution).to(device)
        self.beard_pool = beard_pool(head, self.anatomy.points.to("cpu")).to(device)
        self.skin_pool = skin_pool(head).to(device)
        self.table = SkinTable(device)

    def draw(self, batch: int, seed: int | torch.Generator = 0) -> Draw:
        """`batch` faces from the prior. An integer seed gives the same faces every time; a CPU
        generator goes on to new ones."""
        if isinstance(seed, torch.Generator):
            generator = seed
        else:
            generator = torch.Generator().manual_seed(seed)
        parameters = draw_parameters(batch, generator)
        details = torch.randint(2**62, (batch,), generator=generator)
        return self.render(parameters, details)

    @torch.no_grad()
    def render(self, parameters: Tensor, seed: int | Tensor = 0) -> Draw:
        """The faces of parameters [B,P] (normal ones are cut at +-2.5, unit ones to 0..1).

        `seed` fixes what the parameters leave open (each hair, pore, mole): an integer for all
        faces or [B] int64.
        """
        parameters = parameters.to(self.device)
        face = Face(parameters)
        seeds = torch.as_tensor(seed, dtype=torch.int64, device=self.device)
        seeds = seeds.expand(parameters.shape[0]).contiguous()
        stream, anatomy = Stream(seeds), self.anatomy
        noise = SolidNoise(stream, anatomy.atlas)

        skin = relief(face, anatomy, noise, stream)
        pigment = regional_pigment(face, anatomy, noise)
        add_marks(face, anatomy, self.skin_pool, stream, noise, pigment, skin)
        # A fold's skin is a little redder and darker of itself; its shadow is geometry's.
        pigment.blood += 0.45 * skin.groove.clamp_max(0.6) + 0.10 * skin.pit
        pigment.melanin += 0.22 * skin.groove.clamp_max(0.6) + 0.06 * skin.pit
        diffuse = skin_colour(face, anatomy, pigment, self.table)
        diffuse, painted = make_up(face, anatomy, noise, pigment.lip, diffuse)

        own, lighter = hair.hair_colour(face), hair.hair_colour(face, 0.25)
        layers = [
            (hair.scalp(face, anatomy, noise), lighter),
            (hair.beard(face, anatomy, self.beard_pool, stream, noise), lighter),
            (hair.lashes(face, anatomy, stream), 0.5 * own),
            (hair.brows(face, anatomy, stream), own),
        ]
        covered = torch.zeros_like(skin.pit)
        for layer, colour in layers:
            diffuse = layer.over(diffuse, colour)
            covered = torch.maximum(covered, 1 - torch.exp(-layer.depth))
        # Hair stands above the skin: a little relief, so that it does not shine like paint.
        height = skin.height + 0.05 * covered * smoothstep(-1.0, 1.0, anatomy.lid_distance)
        specular = self._specular(face, skin, pigment.lip, painted, covered, noise)
        return Draw(
            parameters, seeds, diffuse.clamp(*DIFFUSE_LIMITS), specular[..., None],
            normals_of(height, anatomy.atlas), height[..., None],
        )  # fmt: skip

    def _specular(
        self, face: Face, skin: Relief, lip: Tensor, painted: Tensor, covered: Tensor,
        noise: SolidNoise,
    ) -> Tensor:  # fmt: skip
        """F0 [B,R,R]: that of skin, raised by sebum in the T-zone and on wet borders, lowered in
        pores, folds and under hair (where little light gets out again)."""
        r, d = self.anatomy.regions, self.anatomy.lid_distance
        oily = (
            0.12 * r["forehead"] + 0.16 * r["nose_tip"] + 0.12 * r["nose"] + 0.08 * r["cheek"]
            + 0.06 * r["chin"] - 0.10 * r["neck"] - 0.12 * r["scalp"] - 0.10 * r["under_eye"]
            - 0.05 * r["ears"]
        )  # fmt: skip
        patches = noise.fractal("gloss", (18.0, 6.0, 1.6), 0.7)[..., 0]
        log = oily * (1 + 0.4 * face.image("oiliness")) + 0.10 * face.image("oiliness")
        log = log + 0.06 * patches - 0.3 * skin.pit - 0.6 * skin.groove.clamp_max(0.5)
        moist = (0.16 + 0.16 * face.image("lip_gloss") + 0.18 * painted) * lip
        wet = 0.35 * smoothstep(0.6, -0.4, d) * r["front"]
        log = log + moist + wet
        log = 0.6 * torch.tanh(log / 0.6)  # keeps the extremes within what skin shows
        value = SKIN_F0 * log.exp() * (1 - 0.30 * covered)
        return value.clamp(*SPECULAR_LIMITS)
