"""The skin of upper lids, which an open eye hides and a blink draws out.

A photo of open eyes shows a lid under its lashes, its liner and the shadow of the brow, and on few
texels: a blink stretches them over the whole lid. What of the lid is not skin therefore becomes
part of the moving folds (`Wrinkles`): on an open eye it is there as the photo shows it, and as the
lid's skin is drawn out by a blink it gives way to skin as that around the lid, with a line of
lashes at its edge. Photos of shut eyes show the skin itself, and keep it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.detail.wrinkles import DEEPEST, STRAIN_TEXELS, Wrinkles, baked_strain
from fitme.fit.session import Session
from fitme.fit.state import FitState
from fitme.head.curves import smoothstep
from fitme.head.geometry import Geometry
from fitme.head.lids import lid_seams
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import bake_vertex_field, resized
from fitme.reflectance.grain import grain
from fitme.reflectance.means import box_mean, window_mean

TEXELS = 512  # at which lids are measured
LID = (0.02, 0.13)  # travel of a blink over the most, from brow bone to lid
ABOVE = (0.004, 0.02)  # likewise: how far lashes reach over the skin above a lid
LASH = (0.12, 0.3)  # log: by how much they, or a crease's rim, differ from it
DONOR = (0.004, 0.06)  # likewise: skin whose colour the lid has
EDGE_TEXELS = 5  # of TEXELS: over which skin above a lid goes over into what is taken from it
NEAR_TEXELS = 14  # of TEXELS: how far that colour is carried, about 9 mm, three times over
DARK = 0.35  # log: donors that differ so much from the rest are make-up, lashes or shadow
LASHES_M = (0.0005, 0.0019)  # from the lid's edge: all lashes, none
LASH_LINE = (-0.9, -1.0, -1.0)  # log colour of lashes at a shut lid's edge over its skin
EARLY = 2.4  # amount of a whole blink: lids are skin when it is half done
LEAST = 0.12  # strain, below which a blink says nothing
LARGEST = 4.0  # log, of what is taken from a lid or put on it
AT_REST = 1.5  # log, of what a half-shut lid's change adds to the open one
FINE = 0.35  # of detail too fine for the folds' maps that stays on a lid
TINT = (0.96, 0.91, 0.91)  # of thin skin over vessels
GRAIN_M, GRAIN = 0.0018, 0.045  # size and log contrast of a lid's fine lines
RIM_M = (0.0003, 0.0012)  # from the lower lid's top: its wet rim, its skin
RIM_TINT, WET = (0.85, 0.64, 0.62), 0.6  # of the rim over skin, and how much of it is drawn
# Log albedo over the skin around: a lid and what lies so near its opening is no lighter. Whites and
# wet corners of a photo fall on it, and at rest what a half-shut lid's lashes were darker by.
LIGHTEST, CORNERS_M = 0.2, (0.004, 0.0015)
FLAT = 0.6  # of a lid's normals: its relief in the photo was lashes


@torch.no_grad()
def draw_lids(
    session: Session, state: FitState, maps: ReflectanceMaps, wrinkles: Wrinkles | None
) -> tuple[ReflectanceMaps, Wrinkles | None]:
    """Maps [1,R,R,.] and folds whose lids are skin when they shut; without folds always."""
    head, geometry = session.head, state.geometry(session.head)
    if not lid_seams(head):
        return maps, wrinkles
    texels = maps.diffuse_albedo.shape[1]
    side = TEXELS if wrinkles is None else wrinkles.compressed.shape[1]
    travel, edge, shut, rim = _lids(geometry)
    lid = smoothstep(*LID, travel)
    painted = resized(maps.diffuse_albedo, TEXELS).clamp_min(1e-3).log()[0]
    skin = _skin(session, painted, travel)
    skin = skin + painted.new_tensor(TINT).log()
    lines = shut * shut.new_tensor((0.4, 1.0, 1.0))  # lines run along the lid
    skin = skin + GRAIN * grain(lines, GRAIN_M, 2)[..., None]
    change = (skin - painted).clamp(-LARGEST, LARGEST)
    # Above the lid what differs from skin gives way: lashes before it, the crease and its rim.
    above = smoothstep(*ABOVE, travel) * (1 - _wide(session.regions.brows))
    above = above * smoothstep(*LASH, _near(change.mean(-1).abs()))
    bare = torch.maximum(lid, above)
    lash = 1 - smoothstep(*LASHES_M, edge)
    change = change + lash[..., None] * lash.new_tensor(LASH_LINE)
    change = change * bare[..., None]
    wide = resized(lid[None, ..., None], texels)
    fine = maps.diffuse_albedo.clamp_min(1e-3).log()
    fine = fine - resized(resized(fine, side), texels)
    margin = torch.maximum(smoothstep(*ABOVE, travel), smoothstep(*CORNERS_M, rim))

    def no_lighter(albedo: Tensor) -> Tensor:
        most = resized((skin + LIGHTEST)[None], texels).exp()
        capped = torch.minimum(albedo, most)
        return torch.lerp(albedo, capped, resized(margin[None, ..., None], texels))

    wet = WET * (1 - smoothstep(*RIM_M, rim)) * (1 - lid)
    wet = wet[..., None] * (skin + skin.new_tensor(RIM_TINT).log() - painted).clamp(-1, 1)
    albedo = maps.diffuse_albedo * (-(1 - FINE) * wide * fine).exp()
    albedo = albedo * resized(wet[None], texels).exp()
    flat = torch.zeros_like(maps.normal)
    flat[..., 2] = 1
    normal = F.normalize(torch.lerp(maps.normal, flat, FLAT * wide), dim=-1)
    if wrinkles is None:
        albedo = no_lighter(albedo * resized(change[None], texels).exp())
        return replace(maps, diffuse_albedo=albedo.clamp(0.002, 0.9), normal=normal), None
    moving = replace(wrinkles, fold=_folds(geometry, wrinkles, bare))
    neutral, posed = geometry.vertices(), state.posed(head)
    before, after = (
        resized(folds.amount(head, neutral, posed).clamp_min(0).mean(0)[None, ..., None], side)
        for folds in (wrinkles, moving)
    )
    amount = resized(after, TEXELS)[0]
    # Lids that are more than half drawn out in the photo show skin themselves.
    left = (1 - amount / DEEPEST).clamp(1e-3, 1)
    shade = change * torch.minimum(1 / left, 4 * left) / DEEPEST
    shade = resized(shade[None], side)
    shade = torch.lerp(wrinkles.shade, shade, resized(bare[None, ..., None], side))
    at_rest = wrinkles.shade * before - shade * after  # the photo's own render stays
    at_rest = resized(at_rest.clamp(-AT_REST, AT_REST), texels).exp()
    albedo = no_lighter(albedo * at_rest).clamp(0.002, 0.9)
    return replace(maps, diffuse_albedo=albedo, normal=normal), replace(moving, shade=shade)


def _lids(geometry: Geometry) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How far a blink draws each texel down over the most [r,r], its distance to the upper lid's
    edge when shut, metres [r,r], its place then [r,r,3], and its distance to the lower lid's top
    [r,r]."""
    head, rest = geometry.head, geometry.vertices()[0]
    offsets = geometry.expression_offsets()
    shut, down = rest.clone(), torch.zeros_like(rest[:, 0])
    edge = rim = torch.ones_like(down)
    for seam in lid_seams(head):
        moved = offsets[seam.blink]
        shut += moved
        down = torch.maximum(down, -moved[:, 1] / (-moved[:, 1]).amax())
        upper, weights = seam.margin
        line = weights @ (rest + moved)[upper]
        edge = torch.minimum(edge, _to_line(rest + moved, line))
        lower, tops = seam.ridge
        rim = torch.minimum(rim, _to_line(rest, tops @ rest[lower]))
    fields = torch.cat([torch.stack([down, edge, rim], -1), shut], -1)
    baked = bake_vertex_field(head, fields, TEXELS)
    return baked[..., 0].clamp_min(0), baked[..., 1], baked[..., 3:], baked[..., 2]


def _to_line(points: Tensor, line: Tensor) -> Tensor:
    """Distances [V] of points [V,3] to a line through points [C,3]."""
    first, along = line[:-1], line[1:] - line[:-1]
    apart = points[:, None] - first
    share = (apart * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)
    return (apart - share.clamp(0, 1)[..., None] * along).norm(dim=-1).amin(1)


def _near(values: Tensor) -> Tensor:
    """Values [r,r], averaged over about three millimetres: no skin ends in an edge."""
    values = values[None, None]
    for _ in range(2):
        values = window_mean(values, EDGE_TEXELS, EDGE_TEXELS)
    return values[0, 0]


def _wide(mask: Tensor) -> Tensor:
    """A mask of the atlas at TEXELS."""
    return F.interpolate(mask[None, None], (TEXELS, TEXELS), mode="bilinear")[0, 0]


def _skin(session: Session, painted: Tensor, travel: Tensor) -> Tensor:
    """Smooth log albedo [r,r,3] of the skin around the lids, carried over them; painted [r,r,3]."""
    regions = session.regions
    donor = smoothstep(0.0, DONOR[0], travel) * (1 - smoothstep(*DONOR, travel))
    donor = donor * _wide(regions.lids) * (1 - _wide(regions.brows))
    known = painted[donor > 0.5]
    if not len(known):
        return painted
    middle = known.mean(-1).median()
    unlike = (painted.mean(-1) - middle).abs() / DARK
    weight = donor / (1 + unlike**4) + 1e-6 * _wide(regions.lids)
    both = torch.cat([painted * weight[..., None], weight[..., None]], -1).movedim(-1, 0)[:, None]
    for _ in range(3):
        both = box_mean(both, NEAR_TEXELS)
    mean = both[:, 0].movedim(0, -1)
    return mean[..., :3] / mean[..., 3:].clamp_min(1e-9)


def _folds(geometry: Geometry, wrinkles: Wrinkles, lid: Tensor) -> Tensor:
    """`Wrinkles.fold` with amounts of EARLY on the lids [R,R] at a whole blink."""
    head = geometry.head
    index = [seam.blink for seam in lid_seams(head)]
    strain = baked_strain(head, geometry.strain_of(index), STRAIN_TEXELS).sum(0)
    square = strain.square().sum(-1, keepdim=True)
    drawn = EARLY * strain / (square + LEAST**2)
    near = F.adaptive_max_pool2d(lid[None], STRAIN_TEXELS)
    near = (F.max_pool2d(near, 3, 1, 1) > 0.05)[..., None]
    return torch.where(near, drawn[None], wrinkles.fold)
