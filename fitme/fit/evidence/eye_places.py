"""Where photos show eyes: the iris as a circle in its own plane, and the lids around it.

Landmarks tell a place to about a tenth of the iris' radius. From there it is shifted and scaled
until the edge of the iris lies on an edge of the photo, dark within and light beside it, as
Daugman's integro-differential operator does it (IEEE PAMI 1993), between the lids only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.fit.visibility import sample
from fitme.head.openings import LOWER, UPPER, height_of
from fitme.reflectance.eyes import IRIS_SHARE, eye_radius

#: Landmarks of the irises, the middle first, by an eye's side: of the left eye, of the right.
IRISES = (tuple(range(473, 478)), tuple(range(468, 473)))
NEAR = 1.5  # of the radius: pixels from which an eye's place is taken
FEW = 12  # pixels of an eye below which it says nothing
ANGLES, RINGS = 64, 8  # samples around and across an edge
INSIDE, BESIDE = (0.80, 0.95), (1.06, 1.24)  # of the radius, compared to find the edge
SHIFTS, SCALES = (-0.2, -0.1, 0.0, 0.1, 0.2), (0.9, 1.0, 1.1)
# Of the log contrast, that a shift by a fifth of the radius or a tenth more size costs.
PRIOR = 0.25
GLARE = 0.5  # linear: brighter pixels are lights, whatever they cover
# Of the radius, from the lids' edges as landmarks have them: lashes and their shadow, wet rims.
LASHES, RIM = 0.22, 0.10
SIZE = (0.75, 1.33)  # of the head's iris: landmarks that tell another size are not believed
OFF = 1.0  # of the radius: farther from the head's eye, landmarks are of something else


@dataclass(frozen=True)
class PlacedEye:
    """One eye in one crop: pixels = middle + (uv - 0.5) @ matrix."""

    middle: Tensor  # [2]
    matrix: Tensor  # [2,2]

    @property
    def radius(self) -> float:
        """Pixels, of the iris."""
        return IRIS_SHARE * float(torch.linalg.svdvals(self.matrix)[0])

    def pixels(self, radius: Tensor, angle: Tensor) -> Tensor:
        """Of points at radii [...], of the iris', and angles [...], [...,2]."""
        flat = torch.stack([angle.cos(), angle.sin()], -1) * (IRIS_SHARE * radius)[..., None]
        return self.middle + flat @ self.matrix

    def moved(self, shift: Tensor, scale: float) -> PlacedEye:
        """Shifted [2] by radii of the iris, and larger by `scale`."""
        return PlacedEye(self.middle + (IRIS_SHARE * shift) @ self.matrix, self.matrix * scale)


@dataclass(frozen=True)
class Lids:
    """The edges of one eye's lids in one crop: points [K,2] from corner to corner."""

    upper: Tensor
    lower: Tensor

    @staticmethod
    def of(points: Tensor, side: int) -> Lids:
        """Of landmarks [478,2], in pixels."""
        return Lids(points[list(UPPER[side])], points[list(LOWER[side])])

    def between(self, pixels: Tensor, radius: float) -> Tensor:
        """[...] bool: which pixels [...,2] lie so far from both lids that neither lashes nor a wet
        rim cover them; `radius` of the iris."""
        along = F.normalize(self.upper[-1] - self.upper[0], dim=0)
        turned = torch.stack([along, torch.stack([-along[1], along[0]])], 1)  # x, down
        flat = (pixels @ turned).reshape(-1, 2)
        top, bottom = (height_of(edge @ turned, flat[:, 0]) for edge in (self.upper, self.lower))
        open_here = (flat[:, 1] > top + LASHES * radius) & (flat[:, 1] < bottom - RIM * radius)
        ends = (self.upper @ turned)[[0, -1], 0]
        open_here &= (flat[:, 0] > ends[0]) & (flat[:, 0] < ends[1])
        return open_here.reshape(pixels.shape[:-1])


def placed(uv: Tensor, own: Tensor) -> PlacedEye | None:
    """Where an eye [n,n] lies whose texture coordinates are [n,n,2]; None where it is hardly
    seen."""
    near = own & (eye_radius(uv) < NEAR * IRIS_SHARE)
    if int(near.sum()) < FEW:
        return None
    rows, columns = near.nonzero().unbind(1)
    pixels = torch.stack([columns, rows], -1).to(uv) + 0.5
    flat = torch.cat([uv[near] - 0.5, torch.ones_like(pixels[:, :1])], 1).double()
    solved = torch.linalg.lstsq(flat, pixels.double()).solution.to(uv)
    return PlacedEye(solved[2], solved[:2])


def seen_eye(eye: PlacedEye, photo: Tensor, points: Tensor, drawn: Tensor, side: int) -> PlacedEye:
    """The eye as a photo [n,n,3] shows it: points [478,2] are its landmarks and `drawn` [478,2]
    those of the head, all in pixels; `side` as `Part` has it."""
    (middle, size), (own, own_size) = (_iris(marks, side) for marks in (points, drawn))
    scale = size / max(own_size, 1e-6)
    if SIZE[0] < scale < SIZE[1] and float((middle - own).norm()) < OFF * eye.radius:
        eye = PlacedEye(eye.middle + middle - own, eye.matrix * scale)
    return _on_edge(eye, photo, Lids.of(points, side))


def _iris(points: Tensor, side: int) -> tuple[Tensor, float]:
    """Middle [2] and radius that landmarks [478,2] give an iris."""
    middle, *around = points[list(IRISES[side])]
    return middle, float((torch.stack(around) - middle).norm(dim=-1).mean())


def _on_edge(eye: PlacedEye, photo: Tensor, lids: Lids) -> PlacedEye:
    """The eye where its iris' edge is clearest."""
    grey = photo.mean(-1, keepdim=True).clamp(0.01, GLARE).log()
    tries = torch.cartesian_prod(*(photo.new_tensor(v) for v in (SCALES, SHIFTS, SHIFTS)))
    scale, shift = tries[:, :1], tries[:, 1:]
    angle = torch.arange(ANGLES).to(photo) * (2 * torch.pi / ANGLES)
    means = []
    for rings in (INSIDE, BESIDE):
        radius = torch.linspace(*rings, RINGS).to(photo)[:, None].expand(-1, ANGLES)
        flat = torch.stack([angle.cos(), angle.sin()], -1) * radius[..., None]
        flat = flat.flatten(0, 1) * scale[:, None] + shift[:, None]  # [tries,samples,2]
        pixels = eye.middle + (IRIS_SHARE * flat) @ eye.matrix
        seen = lids.between(pixels, eye.radius).float()
        values = sample(grey[None], pixels[None])[0, ..., 0]
        left = (angle.cos() < 0).expand(RINGS, -1).flatten().float()
        half = seen[:, None] * torch.stack([left, 1 - left])
        means.append(((half * values[:, None]).sum(-1) / half.sum(-1).clamp_min(1), half.sum(-1)))
    step = (means[1][0] - means[0][0]) * (torch.minimum(means[0][1], means[1][1]) > 0)
    clear = step.amin(-1) + step.mean(-1)  # that of the less clear side counts more
    cost = (shift / 0.2).square().sum(-1) + ((scale[:, 0] - 1) / 0.1).square()
    best = int((clear - PRIOR * cost).argmax())
    return eye.moved(shift[best], float(scale[best]))
