"""The stages after alignment: light -> invert -> tune, all through the renderer.

FitMe (arXiv 2305.09641, section 3.3): inversion in W together with shape, camera and light, then
pivotal tuning (Roich et al., arXiv 2106.05744) of the generator with W held. Coarse to fine in
texels and pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.avatar.model import head_mesh
from fitme.fit import losses
from fitme.fit.align import OPENINGS
from fitme.fit.descent import History, Losses, descend
from fitme.fit.evidence.covered import FacePixels, covers
from fitme.fit.evidence.eyes import eye_gain, light_tint
from fitme.fit.evidence.scalp import log_mean, scalp_loss, scalp_tone
from fitme.fit.evidence.visibility import pixels_of, texel_weights
from fitme.fit.observation import Crops, Observation, crop_size, cut, masks_of
from fitme.fit.settings import FitPreset
from fitme.fit.stages.refine import mean_within, refine
from fitme.fit.state import FitState
from fitme.head.model import HeadModel
from fitme.learned import LearnedLosses, LearnedTarget
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.reflectance.generated import WCode, generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import RenderOutput, render
from fitme.render.camera import Camera
from fitme.render.light import Y0
from fitme.runtime.progress import Progress

EYE_TEXELS = 64
EYE_PIXELS = 1024  # side of the crops in which the eyes' colours are looked up
REGION_TEXELS = 256
HAIR_PIXELS = 256  # side of the crops in which hair is looked for
CHIN = 152  # landmark
LIGHT_RATES = {"grey": 0.05, "tint": 0.02, "code": 0.08, "iris": 0.1}
BRIGHTER = 0.1  # display units: so much lighter than expected, brows and lids are hair or rims
DOUBTED = (0.25, 0.65)  # mean trust around brows, lips and lids at which they count not, or fully
AROUND = 10 / 256  # of the crop: skin that tells of brows, lips and lids

Stage = Callable[[FitState, Sequence[Observation]], History]


class Fitter:
    """Runs the stages for one head model and generator."""

    def __init__(
        self, head: HeadModel, generator: ReflectanceGenerator, preset: FitPreset,
        progress: Progress, learned: LearnedLosses | None = None,
    ) -> None:  # fmt: skip
        self.head, self.generator, self.preset, self.progress = head, generator, preset, progress
        self.learned = learned or LearnedLosses()
        self.regions = AtlasRegions(head, REGION_TEXELS)
        self.codes = WCode(generator)
        names = head.part_names
        eyeball = [float(name in ("eye_L", "eye_R")) for name in names]
        self.eyeball = torch.tensor(eyeball, device=head.device)

    def start(self, observations: Sequence[Observation], identity: Tensor) -> FitState:
        """The state from aligned photos and a first identity [1,K]."""
        state = FitState.start(observations, identity, self.codes)
        if self.preset.mask:
            state.trusted = self.uncovered(state, observations)
        return state

    def stages(self) -> list[tuple[str, Stage]]:
        """The stages in their order, by name; each changes the state and returns its losses."""
        stages: list[tuple[str, Stage]] = [("light", self._light), ("invert", self._invert)]
        return [*stages, ("tune", self._tune)] if self.preset.tune_steps else stages

    @torch.no_grad()
    def maps(
        self, state: FitState, observations: Sequence[Observation], size: int
    ) -> ReflectanceMaps:
        """The person's maps of `size` texels, after the stages."""
        highest = self.generator.config.resolution
        texels = min(1 << max(6, (size - 1).bit_length()), highest)
        maps = self.maps_of(self.w(state), texels)
        if self.preset.refine:
            relief = self.preset.relief and self.preset.normals
            maps = refine(
                maps, self.head, self.regions, state, observations, state.trusted, relief
            )  # fmt: skip
        return maps if texels == size else resized(maps, size)

    @torch.no_grad()
    def colour_eyes(self, state: FitState, observations: Sequence[Observation]) -> None:
        """Iris and sclera as the photos show them, after the stages."""
        out, crops, seen = self._eyes_seen(state, observations)
        state.eyes = eye_gain(out, crops, seen)

    @torch.no_grad()
    def balance(self, state: FitState, observations: Sequence[Observation]) -> None:
        """The lights' colours by the whites of the eyes."""
        state.white += light_tint(*self._eyes_seen(state, observations))
        state.tint += state.white

    def _eyes_seen(
        self, state: FitState, observations: Sequence[Observation]
    ) -> tuple[RenderOutput, Crops, Tensor]:
        """Picture and crops at full size, and where the crops [P,n,n] show eyes."""
        size = crop_size(observations, EYE_PIXELS)
        out, crops = self.view(state, observations, size, EYE_PIXELS // 4)
        return out, crops, self.eyes(out) * masks_of(state.trusted, crops.size)

    def view(
        self, state: FitState, observations: Sequence[Observation], size: int,
        eye_texels: int = EYE_TEXELS,
    ) -> tuple[RenderOutput, Crops]:  # fmt: skip
        """Pictures of the state beside the photos' crops of `size` pixels; the skin is coarse."""
        crops = cut(observations, size, self.head.device)
        camera = crops.camera(state.rotation, state.translation)
        maps = self.maps_of(self.codes.w(state.code), EYE_TEXELS)
        return self.picture(state, state.posed(self.head), camera, maps, eye_texels), crops

    def still(
        self, state: FitState, observations: Sequence[Observation]
    ) -> tuple[Crops, Callable[[], RenderOutput]]:
        """Crops for the light, and what renders the state beside them with the geometry it has
        now."""
        crops = cut(observations, self.preset.light_pixels, self.head.device)
        camera = crops.camera(state.rotation, state.translation)
        vertices = state.posed(self.head)

        def picture() -> RenderOutput:
            maps = self.maps_of(self.codes.w(state.code), self.preset.light_texels)
            return self.picture(state, vertices, camera, maps)

        return crops, picture

    # Stages

    def _light(self, state: FitState, observations: Sequence[Observation]) -> History:
        """Light and the generator's tone at low resolution; geometry stays as aligned."""
        preset = self.preset
        crops, picture = self.still(state, observations)
        trusted = masks_of(state.trusted, crops.size)

        def evaluate(step: int) -> Losses:
            if preset.whites and step == preset.light_steps // 2:
                self.balance(state, observations)
            return self.appearance(picture(), crops, trusted) | self.priors(state)

        history = descend(
            "light", state.tensors(), LIGHT_RATES, preset.light_steps, evaluate, self.progress
        )  # fmt: skip
        self.place_lamp(state, preset.lamp_share)
        return history

    @staticmethod
    def place_lamp(state: FitState, share: float) -> None:
        """Turn a share of the first harmonics into a directional light, which has a highlight."""
        first = state.grey[:, [3, 1, 2]]  # along x, y, z
        state.lamp += share * first * (Y0 / 0.5)
        state.grey[:, 1:4] *= 1 - share

    def _invert(self, state: FitState, observations: Sequence[Observation]) -> History:
        """W, shape, pose and light together; from half way with a mask of what is not skin."""
        preset = self.preset
        size = crop_size(observations, preset.invert_pixels)
        crops = cut(observations, size, self.head.device)
        bare = masks_of(state.trusted, size)
        trusted = bare
        observed = torch.stack([seen.face.points for seen in observations]).to(crops.pixels)
        scale = crops.pixels.new_tensor([float(seen.face.scale) for seen in observations])
        target = self.learned_target(observations, crops)
        areas = torch.stack([self.regions.crown, self.regions.bare])
        crown, cheeks = F.adaptive_avg_pool2d(areas, preset.invert_texels)
        contrast = self.scalp_contrast(state, observations)

        def evaluate(step: int) -> Losses:
            nonlocal trusted
            maps = self.maps_of(self.codes.w(state.code), preset.invert_texels)
            camera = crops.camera(state.rotation, state.translation)
            vertices = state.posed(self.head)
            out = self.picture(state, vertices, camera, maps)
            if preset.mask and step in (preset.invert_steps // 2, preset.invert_steps - 1):
                trusted = self.trust(out, crops) * bare
            photo = seen_points(state, vertices, self.head, crops)
            terms = self.appearance(out, crops, trusted, target=target) | self.priors(state)
            terms["landmark"] = preset.landmark * losses.landmarks(
                photo, observed, scale, self.head.landmark_weight, preset.landmark_sigma
            )
            if contrast is not None:
                terms["scalp"] = preset.scalp * scalp_loss(
                    maps.diffuse_albedo, crown, cheeks, contrast
                )
            terms["opening"] = preset.opening * losses.openings(
                photo, observed, scale, OPENINGS, preset.opening_sigma
            )
            return terms

        rates = {
            "code": 0.05, "iris": 0.05, "grey": 0.02, "tint": 0.01, "color": 0.005, "lamp": 0.02,
            "identity": preset.shape_rate, "expression": 0.01, "rotation": 0.002,
            "translation": 0.0006,
        }  # fmt: skip
        history = descend(
            "invert", state.tensors(), rates, preset.invert_steps, evaluate, self.progress
        )  # fmt: skip
        state.trusted = trusted.detach()
        return history

    def _tune(self, state: FitState, observations: Sequence[Observation]) -> History:
        """Pivotal tuning: the generator's middle layers, where texels were seen; or W+ instead."""
        preset = self.preset
        crops = cut(observations, crop_size(observations, preset.tune_pixels), self.head.device)
        trusted = masks_of(state.trusted, crops.size)
        vertices = state.posed(self.head)
        camera = crops.camera(state.rotation, state.translation)
        texels = preset.tune_texels
        if preset.wplus:
            state.layers = state.layers.expand(-1, self.generator.config.w_count, -1).clone()
        with torch.no_grad():
            pivot = self._signal(self.w(state), texels)
            seen = texel_weights(self.head, vertices, camera, trusted, texels).amax(0)
            seen = seen * F.interpolate(self.regions.skin[None, None], (texels, texels))[0, 0]
        unseen = (1 - seen) * seen.flip(-1)
        target = self.learned_target(observations, crops)
        colourful = (~crops.gray).to(trusted)[:, None, None]
        coarse = F.avg_pool2d(pivot, 8)
        marks = self.regions.marked[None]  # make-up has any hue
        bare = 1 - F.adaptive_avg_pool2d(marks, coarse.shape[-1])[0]
        away = F.avg_pool2d((1 - seen)[None, None], 8)[0, 0]

        def evaluate(_: int) -> Losses:
            signal = self._signal(self.w(state), texels)
            maps = self.used(ReflectanceMaps.from_signal(signal))
            out = self.picture(state, vertices, camera, maps)
            terms = self.appearance(out, crops, trusted, preset.tune_scale, target)
            terms["chromaticity"] = preset.chromaticity * losses.chromaticity(
                out.color, crops.pixels, self.skin(out) * trusted * colourful
            )
            terms["mirror"] = preset.mirror * losses.mirror_difference(signal, unseen)
            moved = F.avg_pool2d(signal, 8) - coarse
            terms["pivot"] = preset.pivot * (moved.abs().mean(1) * (0.1 + away)).mean()
            hue = moved[:, :3] - moved[:, :3].mean(1, keepdim=True)
            terms["hue"] = preset.hue * (hue.abs().mean(1) * bare).mean()
            return terms

        layers = [
            parameter
            for layer in self.generator.layers()
            if 32 <= layer.resolution <= texels
            for parameter in [layer.weight, layer.position]
            if parameter is not None
        ]
        learned = {"layers": preset.wplus_rate} if preset.wplus else {"generator": preset.tune_rate}
        return descend(
            "tune", {"generator": layers, **state.tensors()},
            {**learned, "grey": 0.005, "lamp": 0.005}, preset.tune_steps, evaluate, self.progress,
        )  # fmt: skip

    # Pieces

    def w(self, state: FitState) -> Tensor:
        """The person's w, or W+ after tuning it: [1,w_count,w_dim]."""
        return self.generator.broadcast(self.codes.w(state.code)) + state.layers

    def _signal(self, w: Tensor, texels: int) -> Tensor:
        return self.generator.signals(w, texels)[texels]

    def maps_of(self, w: Tensor, texels: int) -> ReflectanceMaps:
        return self.used(ReflectanceMaps.from_signal(self._signal(w, texels)))

    def used(self, maps: ReflectanceMaps) -> ReflectanceMaps:
        """The maps without what the preset leaves out."""
        if not self.preset.specular:
            maps = replace(maps, specular_albedo=torch.zeros_like(maps.specular_albedo))
        if not self.preset.normals:
            flat = torch.zeros_like(maps.normal)
            flat[..., 2] = 1
            maps = replace(maps, normal=flat)
        return maps

    def picture(
        self, state: FitState, vertices: Tensor, camera: Camera, maps: ReflectanceMaps,
        eye_texels: int = EYE_TEXELS,
    ) -> RenderOutput:  # fmt: skip
        materials = generated_materials(self.head, self.regions, maps, state.iris, eye_texels)
        return render(head_mesh(self.head, vertices), materials, camera, state.light())

    def learned_target(
        self, observations: Sequence[Observation], crops: Crops
    ) -> LearnedTarget | None:
        """What the crops look like to the networks that are there, if any are."""
        if not self.learned:
            return None
        points = torch.stack([seen.face.points for seen in observations]).to(crops.pixels)
        return self.learned.target(crops.display.clamp(0, 1), crops.from_photo(points))

    def appearance(
        self, out: RenderOutput, crops: Crops, trusted: Tensor | None, scale: float | None = None,
        target: LearnedTarget | None = None,
    ) -> Losses:  # fmt: skip
        """Colour, structure and learned features where the face is and the photo is trusted."""
        preset = self.preset
        weight = self.skin(out)
        if trusted is not None:
            weight = weight * trusted
        seen = losses.display(out.color, crops.gray)
        wanted = crops.display
        bend = scale or preset.photometric_scale
        terms = {
            "photometric": preset.photometric * losses.photometric(seen, wanted, weight, bend),
            "structure": preset.structure * losses.structure(seen, wanted, weight),
        }
        if target is not None:
            found = self.learned.terms(seen.clamp(0, 1), target, weight.clamp(0, 1))
            scales = {"lpips": preset.lpips, "identity": preset.recognition}
            for name, value in found.items():  # "identity" is the shape prior's name here
                terms["recognition" if name == "identity" else name] = scales[name] * value
        return terms

    def priors(self, state: FitState) -> Losses:
        preset, strength = self.preset, state.strength()
        bands = state.grey[:, 1:]
        return {
            "code": preset.code * state.code.square().mean(),
            "iris": preset.iris * state.iris.square().mean(),
            "identity": preset.identity * state.identity.square().mean(),
            "expression": preset.expression * losses.expression_prior(state.expression),
            "tint": preset.tint * losses.tint_prior(state.tint - state.white),
            "strength": preset.strength * losses.strength_prior(strength),
            "smooth": preset.smooth * losses.smooth_prior(bands, strength),
            "color": preset.color * losses.smooth_prior(state.color, strength),
            "lamp": preset.lamp * (state.lamp.square().sum(-1) / strength.square()).mean(),
        }

    def skin(self, out: RenderOutput) -> Tensor:
        """Weight of each pixel [P,n,n]: the frontal face, half for the eyes, none elsewhere."""
        return pixels_of(out, self.regions.skin) + 0.5 * self.eyes(out)

    def eyes(self, out: RenderOutput) -> Tensor:
        """[P,n,n]: 1 on the eyeballs."""
        return out.image(self.eyeball[out.part_points][:, None])[..., 0]

    @torch.no_grad()
    def trust(self, out: RenderOutput, crops: Crops) -> Tensor:
        """[P,n,n] in 0..1: how likely each pixel shows skin that the model can explain.

        The difference to the render, smoothed, against its own spread in the face: hair, glasses,
        hands and hard shadows stand out. Brows, lips and lids, which may be painted, are trusted at
        least as the skin around them is.
        """
        seen = losses.display(out.color, crops.gray)
        wanted = crops.display
        inside = self.skin(out)
        marked = self.marks(out, (wanted - seen).mean(-1))
        miss = (seen - wanted).square().sum(-1).sqrt()
        plain = 1 - marked
        kernel = max(3, crops.size // 48 | 1)  # as wide as a fringe's strand
        near, share = (
            F.avg_pool2d(values[:, None], kernel, 1, kernel // 2, count_include_pad=False)[:, 0]
            for values in (miss * plain, plain)
        )
        near = torch.where(share > 0.05, near / share.clamp_min(0.05), miss)
        trusted, reach = [], AROUND * crops.size
        for part, within, mark in zip(near, inside, marked, strict=True):
            values = part[within > 0.5]
            middle = values.median() if len(values) else part.new_tensor(0.1)
            limit = (3.5 * middle).clamp(0.12, 0.30)
            own = torch.sigmoid((limit - part) / (0.15 * limit))
            around = mean_within(own[None, :, :, None], (within * (1 - mark))[None], reach)
            around = ((around[0, ..., 0] - DOUBTED[0]) / (DOUBTED[1] - DOUBTED[0])).clamp(0, 1)
            trusted.append(torch.maximum(own, mark * around))
        return torch.stack(trusted)

    def marks(self, out: RenderOutput, brighter: Tensor) -> Tensor:
        """[P,n,n] in 0..1: brows, lips, lids and eyes; brows and lids only where the photo is not
        `brighter` [P,n,n], display units, than the render, which is hair or a rim's glint."""
        free = pixels_of(out, self.regions["lips"]) + self.eyes(out)
        dark = torch.sigmoid((BRIGHTER - brighter) / (0.3 * BRIGHTER))
        marked = pixels_of(out, self.regions.marked_or_lids) * torch.maximum(dark, free)
        return (marked + free).clamp(0, 1)

    @torch.no_grad()
    def scalp_contrast(self, state: FitState, observations: Sequence[Observation]) -> Tensor | None:
        """[3]: log albedo of the top of the head over that of the cheeks, see
        `fitme.fit.evidence.scalp`; None where the photos hardly show it, 0 where the
        head is to be bald."""
        if not self.preset.hair:
            return state.tint.new_zeros(3)
        out, crops = self.view(state, observations, HAIR_PIXELS)
        tone = scalp_tone(out, crops, pixels_of(out, self.regions.crown))
        if tone is None:
            return None
        own = self.maps_of(self.codes.w(state.code), REGION_TEXELS).diffuse_albedo
        return tone - log_mean(own, self.regions.bare)

    @torch.no_grad()
    def uncovered(self, state: FitState, observations: Sequence[Observation]) -> Tensor:
        """[P,n,n] in 0..1: 0 where hair hangs over the face, see `covered.uncovered`."""
        out, crops = self.view(state, observations, HAIR_PIXELS)
        names = FacePixels.AREAS
        masks = torch.stack([pixels_of(out, getattr(self.regions, k)) for k in names], 1)
        inside = out.image((out.part_points == 0)[:, None].to(masks))[..., 0]
        points = torch.stack([seen.face.points for seen in observations]).to(crops.pixels)
        chins = crops.from_photo(points)[:, CHIN, 1].tolist()
        found = [
            covers(seen, FacePixels(**dict(zip(names, own, strict=True)), head=whole, chin=chin))
            for seen, own, whole, chin in zip(crops.display, masks, inside, chins, strict=True)
        ]
        for seen, one in zip(observations, found, strict=True):
            for note in one.notes:
                self.progress.note(f"{seen.photo.path}: {note}")
        return torch.stack([one.free for one in found])


def seen_points(state: FitState, vertices: Tensor, head: HeadModel, crops: Crops) -> Tensor:
    """The head's landmarks [P,N,2] in photo pixels."""
    points = crops.camera(state.rotation, state.translation).project(head.landmarks(vertices))
    return crops.in_photo(points)


def resized(maps: ReflectanceMaps, size: int) -> ReflectanceMaps:
    """Maps of another side; normals are made unit again."""

    def change(image: Tensor) -> Tensor:
        image = image.movedim(-1, 1)
        image = F.interpolate(image, (size, size), mode="bilinear", antialias=True)
        return image.movedim(1, -1)

    return ReflectanceMaps(
        change(maps.diffuse_albedo), change(maps.specular_albedo),
        F.normalize(change(maps.normal), dim=-1),
    )  # fmt: skip
