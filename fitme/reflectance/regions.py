"""Reflectance of the head before any texture is known: a mean face times a few tone numbers.

The skin is a Beer-Lambert slab, ln albedo = ln base - melanin * a_m - haemoglobin * a_h. The
absorption of melanin falls as wavelength^-3.33 (Jacques 1998, "Skin optics"); that of
haemoglobin peaks in green and blue and nearly vanishes in red (Prahl's tables). Lips, brows and
lashes are offsets along the same axes in soft region masks of the template. Eyes and mouth get
small drawn textures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.landmarks.face import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from fitme.reflectance.mouth import mouth_materials
from fitme.render import Material, get_backend

# Per linear RGB channel (about 610, 545, 465 nm).
MELANIN = (0.405, 0.59, 1.0)
HAEMOGLOBIN = (0.06, 1.0, 0.72)
BASE = (0.83, 0.76, 0.68)  # linear albedo of skin without either
SKIN_F0 = 0.028  # reflectance at normal incidence, refractive index 1.4


@dataclass(frozen=True)
class Tone:
    """Low-dimensional tone of B people, each [B, 1]; standard normal units around a medium skin."""

    melanin: Tensor
    haemoglobin: Tensor
    lips: Tensor  # how much redder the lips are
    brows: Tensor  # how dark the brows are
    iris: Tensor  # 0 light blue .. 1 dark brown, through a sigmoid

    @staticmethod
    def zeros(batch: int = 1, device: torch.device | str = "cpu") -> Tone:
        """The medium tone."""
        return Tone(*(torch.zeros(batch, 1, device=device) for _ in fields(Tone)))

    def stacked(self) -> Tensor:
        """[B, 5] in field order."""
        return torch.cat([getattr(self, item.name) for item in fields(self)], dim=1)

    @staticmethod
    def unstacked(values: Tensor) -> Tone:
        """From [B, 5]."""
        return Tone(*values.split(1, dim=1))

    def regularizer(self) -> Tensor:
        """Mean square: the tone is standard normal a priori."""
        return self.stacked().square().mean()


def skin_albedo(melanin: Tensor, haemoglobin: Tensor) -> Tensor:
    """Linear RGB albedo [..., 3] from standard-normal melanin and haemoglobin [..., 1].

    Melanin is log-normal, so that +2 is a very dark skin and -2 a very light one.
    """
    m = 0.55 * torch.exp(0.82 * melanin)
    h = 0.42 * torch.exp(0.45 * haemoglobin)
    log = torch.log(m.new_tensor(BASE)) - m * m.new_tensor(MELANIN) - h * m.new_tensor(HAEMOGLOBIN)
    return log.exp()


SKIN_ROUGHNESS = 0.46
LIP_ROUGHNESS = 0.36
REGIONS = ("lips", "brows", "nostrils", "face")
# Heights and half widths on the neutral mean head, metres, that split the face.
BARE_WIDTH, FLANK_WIDTH, SIDE_WIDTH = 0.040, 0.040, 0.058
BELOW, ABOVE = 0.033, 0.022  # metres from the eyes' height, between which glasses sit
BRIDGE = (0.008, 0.010)  # metres: half width and height
BESIDE, WITHIN = 0.018, 0.046  # metres from the middle: beyond the nose, not yet the temples
CROWN = 0.020  # metres above the frontal face: behind the hairline
LIDS = (0.012, 0.017)  # metres from the line between the corners of an eye: lids, lashes, make-up


class AtlasRegions:
    """Soft masks of the template's regions in the head's atlas, rasterised once."""

    def __init__(self, head: HeadModel, size: int = 512) -> None:
        self.size = size
        self._roughness: dict[int, Tensor] = {}
        self._rest = bake_vertex_field(head, head.mean, size)  # metres
        self._corners = eye_corners(head)
        present = [name for name in REGIONS if name in head.regions]
        zero = torch.zeros(size, size, device=head.device)
        self.masks: dict[str, Tensor] = dict.fromkeys(REGIONS, zero)
        if present:
            fields = torch.stack([head.regions[name] for name in present], -1)
            baked = bake_vertex_field(head, fields, size)
            self.masks |= {name: baked[..., k] for k, name in enumerate(present)}

    def __getitem__(self, name: str) -> Tensor:
        """[size,size] in 0..1."""
        return self.masks[name]

    @cached_property
    def marked(self) -> Tensor:
        """Brows and lips, [size,size] in 0..1."""
        return (self.masks["brows"] + self.masks["lips"]).clamp(0, 1)

    @property
    def brows(self) -> Tensor:
        """[size,size] in 0..1."""
        return self.masks["brows"]

    @property
    def lips(self) -> Tensor:
        """[size,size] in 0..1."""
        return self.masks["lips"]

    @cached_property
    def painted(self) -> Tensor:
        """Lips and lids, which make-up may give any colour, [size,size] in 0..1."""
        return torch.maximum(self.masks["lips"], self.lids)

    @cached_property
    def lids(self) -> Tensor:
        """Around the eyes as far as lashes and liner reach, [size,size] in 0..1; nowhere on a head
        without landmarks."""
        if self._corners is None:
            return torch.zeros_like(self.masks["lips"])
        distance = [
            distance_to_segment(self._rest, first, second) for first, second in self._corners
        ]
        nearest = torch.stack(distance).amin(0)
        return ((LIDS[1] - nearest) / (LIDS[1] - LIDS[0])).clamp(0, 1)

    @cached_property
    def marked_or_lids(self) -> Tensor:
        """What may differ from skin without being something else, [size,size] in 0..1."""
        return torch.maximum(self.marked, self.lids)

    @cached_property
    def bare(self) -> Tensor:
        """Cheeks and nose, the skin that hair and beards cover least, [size,size] in 0..1."""
        eyes, mouth = self._heights
        between = (self._rest[..., 1] < eyes) & (self._rest[..., 1] > 0.65 * mouth + 0.35 * eyes)
        core = between & (self._rest[..., 0].abs() < BARE_WIDTH)
        return self._divided_skin * core * (1 - self.masks["lips"]) * (1 - self.masks["brows"])

    @cached_property
    def overhung(self) -> Tensor:
        """Forehead, temples and outer cheeks above the mouth, which hair of the head may hang over,
        [size,size] in 0..1."""
        eyes, mouth = self._heights
        above = (self._rest[..., 1] - eyes - 0.012) / 0.006
        aside = (self._rest[..., 0].abs() - SIDE_WIDTH) / 0.006
        aside = aside.clamp(0, 1) * ((self._rest[..., 1] - mouth) / 0.01).clamp(0, 1)
        return (
            self._divided_skin * torch.maximum(above, aside).clamp(0, 1) * (1 - self.masks["brows"])
        )

    @cached_property
    def spectacles(self) -> Tensor:
        """Skin between brows and cheekbones without lids, which rims of glasses run over,
        [size,size] in 0..1."""
        eyes, _ = self._heights
        height = self._rest[..., 1] - eyes
        band = (height > -BELOW) & (height < ABOVE)
        return self._divided_skin * band * (1 - self.marked_or_lids)

    @cached_property
    def cheekbones(self) -> Tensor:
        """The part of `spectacles` below the eyes and beside the nose, [size,size] in 0..1."""
        eyes, _ = self._heights
        below = self._rest[..., 1] - eyes < -0.1 * BELOW
        aside = self._rest[..., 0].abs()
        return self.spectacles * below * (aside > BESIDE) * (aside < WITHIN)

    @cached_property
    def bridge(self) -> Tensor:
        """The part of `spectacles` between the eyes, [size,size] in 0..1."""
        eyes, _ = self._heights
        level = (self._rest[..., 1] - eyes).abs() < BRIDGE[1]
        return self.spectacles * level * (self._rest[..., 0].abs() < BRIDGE[0])

    @cached_property
    def flanks(self) -> Tensor:
        """Cheeks and jaw away from nose and mouth, which long hair may hang over, [size,size] in
        0..1."""
        eyes, _ = self._heights
        aside = ((self._rest[..., 0].abs() - FLANK_WIDTH) / 0.006).clamp(0, 1)
        return self._divided_skin * aside * ((eyes - self._rest[..., 1]) / 0.01).clamp(0, 1)

    @cached_property
    def beard(self) -> Tensor:
        """Upper lip and chin, [size,size] in 0..1."""
        eyes, mouth = self._heights
        below = self._rest[..., 1] < 0.75 * mouth + 0.25 * eyes
        core = below & (self._rest[..., 0].abs() < BARE_WIDTH)
        return self._divided_skin * core * (1 - self.masks["lips"])

    @cached_property
    def scalp(self) -> Tensor:
        """The head above the frontal face, [size,size] in 0..1; nowhere on a head without one."""
        above = ((self._rest[..., 1] - self._top + 0.004) / 0.004).clamp(0, 1)
        return above * (1 - self.masks["face"])

    @cached_property
    def crown(self) -> Tensor:
        """The top of the head behind the hairline of all who are not bald, [size,size] in 0..1."""
        return self.scalp * ((self._rest[..., 1] - self._top - CROWN) / 0.004).clamp(0, 1)

    @cached_property
    def _top(self) -> float:
        """Height of the frontal face's upper end on the mean head, metres; infinite without a
        face, so that nothing lies above it."""
        face = self._rest[..., 1][self.masks["face"] > 0.5]
        return float(face.amax()) if len(face) else math.inf

    @cached_property
    def _heights(self) -> tuple[float, float]:
        """Of the eyes and of the mouth on the mean head, metres; 0 where it has none."""
        if not self._divided:
            return 0.0, 0.0
        brows, lips = ((self.masks[name] > 0.5) for name in ("brows", "lips"))
        brow, mouth = (float(self._rest[..., 1][at].mean()) for at in (brows, lips))
        return brow - 0.2 * (brow - mouth), mouth

    @cached_property
    def _divided(self) -> bool:
        """Whether the head has brows and lips, which tell where on the face a texel lies."""
        return all(bool((self.masks[name] > 0.5).any()) for name in ("brows", "lips"))

    @property
    def _divided_skin(self) -> Tensor:
        """`skin`, nowhere on a head whose face cannot be divided; [size,size] in 0..1."""
        return self.skin if self._divided else torch.zeros_like(self.skin)

    @cached_property
    def skin(self) -> Tensor:
        """Frontal face without nostrils, [size,size] in 0..1."""
        return self.masks["face"] * (1 - self.masks["nostrils"])

    def roughness(self, resolution: int) -> Tensor:
        """Perceptual roughness [1,R,R,1]: lips are smoother than skin. Kept, as every step of a fit
        asks for the same."""
        if resolution in self._roughness:
            return self._roughness[resolution]
        lips = F.interpolate(
            self.masks["lips"][None, None], (resolution, resolution), mode="bilinear",
            antialias=True,
        )  # fmt: skip
        rough = SKIN_ROUGHNESS + (LIP_ROUGHNESS - SKIN_ROUGHNESS) * lips.movedim(1, -1)
        self._roughness[resolution] = rough
        return rough


def eye_corners(head: HeadModel) -> Tensor | None:
    """Outer and inner corner of the right and the left eye of the mean head, [2,2,3], metres; None
    where its landmarks are not those of `fitme.landmarks.face`."""
    corners = torch.tensor((RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS), device=head.device)
    if len(head.landmark_triangles) <= int(corners.max()):
        return None
    return head.landmarks(head.mean[None])[0, corners]


def distance_to_segment(points: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of points [...,3] to the line between two points [3], [...]."""
    along = second - first
    share = ((points - first) @ along / along.square().sum()).clamp(0, 1)
    return (points - first - share[..., None] * along).norm(dim=-1)


class MeanReflectance:
    """Builds the materials of all parts of a head from a `Tone`; masks are rasterised once."""

    def __init__(self, head: HeadModel, size: int = 512) -> None:
        self.head, self.size = head, size
        regions = AtlasRegions(head, size)
        self.masks = {name: regions[name][..., None] for name in REGIONS}

    def head_material(self, tone: Tone) -> Material:
        """Material of the part "head": maps [B, size, size, C], flat tangent normals."""
        lips, brows = self.masks["lips"][None], self.masks["brows"][None]

        def wide(value: Tensor) -> Tensor:
            return value[:, None, None, :]

        melanin = wide(tone.melanin) - 0.25 * lips
        redness = 1.9 + 0.6 * wide(tone.lips)
        albedo = skin_albedo(melanin, wide(tone.haemoglobin) + redness * lips)
        brow = brows * torch.sigmoid(wide(tone.brows) + 0.4)
        hair = albedo.new_tensor((0.10, 0.07, 0.05)) * wide(0.35 + torch.sigmoid(-tone.melanin))
        albedo = torch.lerp(albedo, torch.minimum(hair, albedo), 0.8 * brow)
        specular = torch.full_like(albedo[..., :1], SKIN_F0)
        roughness = (0.46 - 0.10 * lips).expand_as(specular)
        return Material(albedo, specular, None, roughness)

    def materials(self, tone: Tone, eye_size: int = 256) -> list[Material]:
        """One material per part of the head, in `part_names` order."""
        return part_materials(
            self.head, self.head_material(tone), eye_material(tone.iris, eye_size)
        )


def part_materials(head: HeadModel, skin: Material, eyes: Material) -> list[Material]:
    """One material per part of the head, in `part_names` order; drawn ones inside the mouth."""
    inner = mouth_materials(str(head.device))
    return [
        skin if name == "head" else eyes if name.startswith("eye_") else
        inner.get(name, inner["mouth"])
        for name in head.part_names
    ]  # fmt: skip


def material_to(material: Material, device: torch.device | str) -> Material:
    """The same material with its maps on `device`."""
    moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(material).items()}
    return Material(**moved)


IRIS_SHARE = 0.0720  # iris radius in the eye's tile: 22.5 of 150 degrees times 0.48
PUPIL_SHARE = 0.0290


def eye_material(iris: Tensor, size: int = 256, gain: Tensor | None = None) -> Material:
    """Material of an eyeball: sclera, limbal ring, iris, pupil; [B, size, size, C].

    `iris` [B, 1] runs from light blue (negative) to dark brown (positive); `gain` [B, 2, 3] is
    added to the log albedo of iris and sclera. The tile has the front pole in its centre and the
    polar angle as radius (`models/train/interior.py`).
    """
    axis = (torch.arange(size, device=iris.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    radius = eye_radius(torch.stack([x, y], -1) + 0.5)[None, ..., None]
    angle = torch.atan2(y, x)[None, ..., None]
    soft = 1.2 / size

    def disc(share: float) -> Tensor:
        return torch.sigmoid((share - radius) / soft)

    light, dark = iris.new_tensor((0.22, 0.30, 0.36)), iris.new_tensor((0.060, 0.030, 0.014))
    amount = torch.sigmoid(iris + 1)[:, None, None, :]  # most eyes are brown
    fibres = 1 + 0.18 * torch.sin(angle * 23 + 2 * torch.sin(angle * 7)) * torch.cos(angle * 41)
    colour = torch.lerp(light.log(), dark.log(), amount).exp() * fibres  # through hazel
    colour = colour * (1 - 0.6 * torch.sigmoid((radius - 0.86 * IRIS_SHARE) / (1.5 * soft)))
    rim = torch.clamp((radius - IRIS_SHARE) / 0.12, 0, 1)
    sclera = iris.new_tensor((0.62, 0.56, 0.52)) - rim * iris.new_tensor((0.06, 0.14, 0.14))
    if gain is not None:
        of_iris, of_sclera = gain[:, None, None].exp().unbind(3)
        colour, sclera = colour * of_iris, sclera * of_sclera
    albedo = torch.lerp(sclera.expand(len(iris), size, size, 3), colour, disc(IRIS_SHARE))
    albedo = albedo * (1 - 0.97 * disc(PUPIL_SHARE))
    specular = torch.full_like(albedo[..., :1], 0.025)
    return Material(albedo, specular, None, 0.08)


def eye_radius(uv: Tensor) -> Tensor:
    """How far from the front pole texture coordinates [...,2] of an eye lie, [...]."""
    return (uv - 0.5).norm(dim=-1)


def bake_vertex_field(head: HeadModel, values: Tensor, size: int, part: str = "head") -> Tensor:
    """Rasterise a per-vertex field [V, C] into a part's tile, [size, size, C].

    Texels that no triangle covers (the eye and mouth holes) take the nearest covered value.
    """
    backend = get_backend(None, head.device)
    index = head.part_names.index(part)
    chosen = head.part == index
    uv_triangles, triangles = head.uv_triangles[chosen], head.triangles[chosen]
    corner_uv = head.uv[uv_triangles].reshape(-1, 2)
    corner = torch.arange(len(corner_uv), device=head.device, dtype=torch.int32).reshape(-1, 3)
    clip = torch.cat(
        [corner_uv * 2 - 1, corner_uv.new_tensor([0.0, 1.0]).expand(len(corner_uv), 2)], 1
    )
    rast, _ = backend.rasterize(clip[None], corner, (size, size))
    corner_values = values[triangles].reshape(-1, values.shape[-1])[None].contiguous()
    image, _ = backend.interpolate(corner_values, rast, corner)
    covered = (rast[..., 3:] > 0).float()
    return fill_holes(image * covered, covered)[0]


def ambient_visibility(head: HeadModel, size: int) -> Tensor:
    """How much of the surround each texel sees, [size,size] in 0..1; 1 where the head has no
    occlusion."""
    if head.occlusion is None:
        return torch.ones(size, size, device=head.device)
    return bake_vertex_field(head, head.occlusion[:, None], size)[..., 0]


def fill_holes(image: Tensor, covered: Tensor) -> Tensor:
    """Grow covered values [B, H, W, C] into uncovered texels by repeated averaging."""
    image, covered = image.permute(0, 3, 1, 2), covered.permute(0, 3, 1, 2)
    for _ in range(2 + int(math.log2(image.shape[-1])) * 24):
        if covered.min() > 0:
            break
        weight = F.avg_pool2d(covered, 3, 1, 1, count_include_pad=False)
        mean = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False) / weight.clamp_min(1e-6)
        grown = (weight > 0).float()
        image = torch.where(covered > 0, image, mean * grown)
        covered = torch.maximum(covered, grown)
    return image.permute(0, 2, 3, 1)
