"""Soft masks of the skin's regions in the head's atlas: cheeks, lips, lids, beard, scalp."""

from __future__ import annotations

import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.landmarks.face import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from fitme.reflectance.atlas import bake_vertex_field, resized
from fitme.render import get_backend

SKIN_ROUGHNESS = 0.46
LIP_ROUGHNESS = 0.36
# Of skin that turns away from the front: jaw, neck, ears. Neck, shoulders and down hide most of the
# surround that it reflects grazingly; with SKIN_ROUGHNESS a white line ran along jaws.
ASIDE_ROUGHNESS, ASIDE = 0.64, (0.62, 0.15)  # and cosines to the front of neither and of all
JAW = 0.02  # metres below the mouth, from which the face's skin belongs to the jaw
REGIONS = ("lips", "brows", "nostrils", "face")
# Heights and half widths on the neutral mean head, metres, that split the face.
BARE_WIDTH, FLANK_WIDTH, SIDE_WIDTH = 0.040, 0.040, 0.058
BELOW, ABOVE = 0.033, 0.022  # metres from the eyes' height, between which glasses sit
BRIDGE = (0.008, 0.010)  # metres: half width and height
BESIDE, WITHIN = 0.018, 0.046  # metres from the middle: beyond the nose, not yet the temples
CROWN = 0.020  # metres above the frontal face: behind the hairline
LASHES = (0.0075, 0.0105)  # likewise: lashes and liner of the lower lid
LIDS = (0.012, 0.017)  # metres from the line between the corners of an eye: lids, lashes, make-up


class AtlasRegions:
    """Soft masks of the template's regions in the head's atlas, rasterised once."""

    def __init__(self, head: HeadModel, size: int = 512) -> None:
        self.size = size
        self._roughness: dict[int, Tensor] = {}
        self._rest = bake_vertex_field(head, head.mean, size)  # metres
        self._forward = bake_vertex_field(head, forward(head)[:, None], size)[..., 0]
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
    def lashes(self) -> Tensor:
        """`lids` without the skin below the eyes that no lashes reach, which folds in a smile,
        [size,size] in 0..1."""
        if self._corners is None:
            return torch.zeros_like(self.lids)
        found = []
        for first, second in self._corners:
            distance = distance_to_segment(self._rest, first, second)
            below = smoothstep(0.0, -0.003, self._rest[..., 1] - 0.5 * (first + second)[1])
            far = smoothstep(LASHES[0], LASHES[1], distance)
            beside = (self._rest[..., 0] * first[0]) > 0  # the eye on this side
            found.append(below * far * beside)
        return self.lids * (1 - torch.stack(found).amax(0))

    @cached_property
    def right_lids(self) -> Tensor:
        """The person's right ones of `lids`, [size,size] in 0..1."""
        return self.lids * (self._rest[..., 0] < 0)

    @cached_property
    def left_lids(self) -> Tensor:
        """The person's left ones of `lids`, [size,size] in 0..1."""
        return self.lids * (self._rest[..., 0] > 0)

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
    def has_cheeks(self) -> bool:
        """Whether `bare` is anything."""
        return bool(self.bare.any())

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

    @cached_property
    def _aside(self) -> Tensor:
        """How far the skin of jaw, neck, ears and scalp turns from the front on the mean head,
        [size,size] in 0..1."""
        _, mouth = self._heights
        jaw = smoothstep(mouth, mouth - JAW, self._rest[..., 1]) * float(self._divided)
        return smoothstep(*ASIDE, self._forward) * torch.maximum(jaw, 1 - self.masks["face"])

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
        lips, aside = (
            resized(mask[None, ..., None], resolution) for mask in (self.masks["lips"], self._aside)
        )
        rough = SKIN_ROUGHNESS + (ASIDE_ROUGHNESS - SKIN_ROUGHNESS) * aside
        rough = torch.lerp(rough, rough.new_tensor(LIP_ROUGHNESS), lips)
        self._roughness[resolution] = rough
        return rough


def forward(head: HeadModel) -> Tensor:
    """Cosine [V] of the mean head's normals to the front."""
    backend = get_backend(None, head.device)
    normals = backend.vertex_normals(head.mean[None], head.triangles.int())[0]
    return F.normalize(normals, dim=-1)[:, 2]


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
