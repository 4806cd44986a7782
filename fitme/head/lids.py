"""Upper lids that come down just to the lower ones, whatever the person's eyes are like.

A blink of the head model moves every upper lid by the same offsets, and on the mean head 3 to 4 mm
too far and as much in front of the lower lid: the shut eye has a step where people have a line. Per
person the offsets are scaled along the eye so that the lids meet, and its margin is laid back onto
the lower one. What is done stays linear in the weight of the blink, as engines want it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.columns import Arc, lowest, smoothed
from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.runtime.constants import constant_of
from fitme.runtime.kept import kept_with

BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
LOOKS = ("eyeLookDownLeft", "eyeLookDownRight")
COLUMNS = 25  # along an eye, at which its lids are measured
UPPER_M, TRAVEL_M = 0.001, 0.0025  # down: what belongs to the upper lid; where it is measured
WITHIN_M = (0.013, 0.003)  # from the eye's middle: lower lids lie so near, and so little above it
# Of the shut lids, in the middle and at the corners: nothing may show between them.
OVERLAP_M = (0.0004, 0.0008)
CORNER = 0.3  # of an eye's length, in which the corners' is reached
ARC = 4  # degree of the line in which lids meet: an arc that runs out flat at the inner corner
# Skin that would hang below that line ends on it, all of what goes so far down; between the corners
# and so far beyond them.
HANGS_M, BEYOND_M = (0.0004, 0.0015), 0.003
THICK_M = 0.0002  # by which the upper margin's middle stands out before the lower lid's top
SCALE = (0.45, 1.5)  # of a blink's offsets, at least and at most
# Of the margin's middle before the eyeball, likewise; at the corners it may lie behind it.
CLEAR_M = (-0.0005, -0.004)
CORNEA_M, CORNEA_WIDE_M = 0.0019, 0.008  # its height over the ball and its half width
# Skin that lies so far before the eyeball at rest, not at all and wholly, stays so far before it.
FREE_M, BEFORE_M = (0.0003, 0.0012), 0.0005
STEPS = (0.5, 0.75, 1.0)  # of a movement, at which it does
LOOKS_DOWN_M = 0.0064  # the cornea's way when the eye looks 25 degrees down
ON_EDGE = 1e-3  # weight of a vertex in all columns from which it is one of the edge
MOST_M = 0.004  # by which skin is moved
ROUNDS = 3  # of measuring and scaling
PULL_M = (-0.0035, 0.001)  # of the margin, along the view


@dataclass(frozen=True)
class LidSeam:
    """Where one eye's lids meet; C columns along it, N vertices that its blink moves."""

    blink: int  # index of the expression
    vertices: Tensor  # [N] int64
    offsets: Tensor  # [N,3] of the head model's own blink, metres
    near: Tensor  # [N,C] how much of each column's change a vertex takes
    down: Tensor  # [N] in 0..1, travel over the most
    margin: tuple[Tensor, Tensor]  # vertices [M] and their weights [C,M]: the upper lid's edge
    above: Tensor  # [N] 0 on that edge, 1 elsewhere
    ridge: tuple[Tensor, Tensor]  # of the lower lid's top
    ring: Tensor  # [R] vertices whose mean is the eyeball's middle
    front: int  # the vertex of its cornea that is farthest out
    look: int | None  # index of the expression that looks down
    looking: Tensor  # [N,3] its offsets

    def correction(self, rest: Tensor) -> Tensor:
        """What is added to `offsets`, [N,3], for a person's vertices at rest [V,3]."""
        own = torch.zeros_like(rest)
        own[self.vertices] = self.offsets
        (upper, weights), (lower, tops) = self.margin, self.ridge
        ridge = tops @ (rest + own)[lower]
        rest_edge = weights @ rest[upper]
        travel = (weights @ own[upper])[:, 1].clamp_max(-TRAVEL_M)
        scale = torch.ones_like(travel)
        line = Arc.through(ridge, ARC)
        for _ in range(ROUNDS):
            own[self.vertices] = self.offsets * (self.near @ scale)[:, None]
            edge = weights @ (rest + own)[upper]
            below = _meeting(line, edge[:, 0])
            wanted = line.held(edge[:, 0], scale + (below - edge[:, 1]) / travel)
            # Rather too far than not shut.
            wanted = wanted.clamp(*SCALE)
            scale = torch.maximum(smoothed(wanted, -travel), wanted)
        pull = (THICK_M - (edge[:, 2] - ridge[:, 2])).clamp(*PULL_M)
        # Half shut, when the eyeball is farthest out, the margin is still in front of it.
        half = 0.5 * (edge + rest_edge)
        pull = torch.maximum(
            pull, 2 * (self.eyeball(rest, half) + _along(CLEAR_M, half) - half[:, 2])
        )
        pull = smoothed(pull, -travel)
        moved = self.offsets * (self.near @ scale - 1)[:, None]
        # All of it at the edge, of which less goes down at the corners.
        down = torch.zeros_like(rest[:, 0])
        down[self.vertices] = self.down
        edge_down = (weights @ down[upper]).clamp_min(0.1)
        moved[:, 2] += (self.down / (self.near @ edge_down)).clamp_max(1) * (self.near @ pull)
        # The edge lies on the lower lid: what moves it farther out opens a slit beside it.
        moved[:, 2] += self.above * self.before_eyeball(rest, self.offsets + moved)
        moved[:, 1] += self._hanging(rest, line, self.offsets + moved)
        return moved

    def _hanging(self, rest: Tensor, line: Arc, offsets: Tensor) -> Tensor:
        """How far up [N] what offsets [N,3] bring below the line in which lids meet has to go."""
        points = rest[self.vertices] + offsets
        hangs = (_meeting(line, points[:, 0]) - points[:, 1]).clamp_min(0)
        hangs = hangs * smoothstep(*HANGS_M, -offsets[:, 1])
        return hangs * smoothstep(BEYOND_M, 0.0, line.outside(points[:, 0]))

    def look_correction(self, rest: Tensor) -> Tensor:
        """What is added to `looking`, [N,3]: a lid that follows the eye stays before its cornea."""
        moved = torch.zeros_like(self.looking)
        moved[:, 2] = self.before_eyeball(rest, self.looking, LOOKS_DOWN_M)
        return moved

    def before_eyeball(self, rest: Tensor, offsets: Tensor, sink: float = 0.0) -> Tensor:
        """How much farther out [N] skin has to move than `offsets` [N,3] not to cut through the
        eyeball, whose cornea goes down by as much as `sink`, metres."""
        at_rest = rest[self.vertices]
        free = at_rest[:, 2] - self.eyeball(rest, at_rest)
        needed, gap = torch.zeros_like(free), free.clamp_max(BEFORE_M)
        for step in STEPS:
            points = at_rest + step * offsets
            surface = self.eyeball(rest, points, sink * step)
            needed = torch.maximum(needed, (surface + gap - points[:, 2]) / step)
        return needed.clamp_max(MOST_M) * smoothstep(*FREE_M, free)

    def reach(self, rest: Tensor) -> float:
        """How far a whole blink of a person with vertices at rest [V,3] goes over the head model's
        own, in the middle of the eye."""
        weights, upper = self.margin[1], self.margin[0]
        own, more = torch.zeros_like(rest), torch.zeros_like(rest)
        own[self.vertices], more[self.vertices] = self.offsets, self.correction(rest)
        middle = slice(COLUMNS // 3, -(COLUMNS // 3))
        travel, added = ((weights @ field[upper])[middle, 1].sum() for field in (own, more))
        return 1 + float(added / travel)

    def eyeball(self, rest: Tensor, points: Tensor, sink: float = 0.0) -> Tensor:
        """How far out the eyeball of vertices at rest [V,3] is behind points [C,3], metres [C],
        wherever on its way down by `sink` metres the cornea may be."""
        centre = rest[self.ring].mean(0)
        away = points[:, :2] - centre[:2]
        aside = away.square().sum(-1)
        cornea = aside
        if sink > 0:
            cornea = away[:, 0].square() + (away[:, 1] - away[:, 1].clamp(-sink, 0)).square()
        bulge = CORNEA_M * (1 - cornea / CORNEA_WIDE_M**2).clamp_min(0)
        radius = rest[self.front, 2] - centre[2] - CORNEA_M + bulge
        return centre[2] + (radius.square() - aside).clamp_min(0).sqrt()


def lid_seams(head: HeadModel) -> tuple[LidSeam, ...]:
    """Where the lids of a head model's eyes meet, from its mean, looked for once; none for one
    without blinks or eyeballs."""
    return kept_with(head, lid_seams, lambda: _seams(head))


def _seams(head: HeadModel) -> tuple[LidSeam, ...]:
    known = [name for name in BLINKS if name in head.expression_names]
    if len(known) < len(BLINKS) or len(head.eye_ring) < len(BLINKS):
        return ()
    centres = head.eye_centres(head.mean[None])[0]
    found = [_seam(head, side, centres[side]) for side in range(len(known))]
    return tuple(seam for seam in found if seam is not None)


def _seam(head: HeadModel, side: int, centre: Tensor) -> LidSeam | None:
    """One eye's, whose middle is `centre` [3]; None where its blink shuts nothing."""
    blink, rest = head.expression_index(BLINKS[side]), head.mean
    offsets = head.expression[blink]
    shut = rest + offsets
    upper = offsets[:, 1] < -UPPER_M
    far = offsets[:, 1] < -TRAVEL_M
    if not bool(far.any()):
        return None
    flat = (rest[:, :2] - centre[:2]).norm(dim=-1)
    skin = torch.zeros_like(upper)
    skin[head.part_vertices(head.skin.name)] = True
    lower = skin & (offsets[:, 1] > -1e-4) & (flat < WITHIN_M[0])
    lower &= (rest[:, 1] < centre[1] + WITHIN_M[1]) & (rest[:, 2] > centre[2])
    if not bool(lower.any()):
        return None
    left, right = shut[far, 0].amin(), shut[far, 0].amax()
    share = torch.linspace(0.0, 1.0, COLUMNS).to(rest)
    columns = left + (right - left) * share
    margin, ridge = upper.nonzero()[:, 0], lower.nonzero()[:, 0]
    look = head.expression_index(LOOKS[side]) if LOOKS[side] in head.expression_names else None
    looking = torch.zeros_like(offsets) if look is None else head.expression[look]
    moved = ((offsets.abs() + looking.abs()).amax(-1) > 0).nonzero()[:, 0]
    place = ((rest[moved, 0] - left) / (right - left)).clamp(0, 1) * (COLUMNS - 1)
    index = torch.arange(COLUMNS, device=rest.device)
    near = (1 - (place[:, None] - index).abs()).clamp_min(0)
    travel = (-offsets[moved, 1]).clamp_min(0)
    edge = lowest(shut[margin], columns, -1)
    on_edge = margin[edge.sum(0) > ON_EDGE]
    above = 1 - torch.isin(moved, on_edge).to(rest)
    return LidSeam(
        blink, moved, offsets[moved], near, travel / travel.amax(), (margin, edge), above,
        (ridge, lowest(shut[ridge], columns, 1)), head.eye_ring[side], _front(head, side), look,
        looking[moved],
    )  # fmt: skip


def _front(head: HeadModel, side: int) -> int:
    """The vertex of an eyeball that is farthest out on the mean head."""
    eye = next(part for part in head.parts_with(Role.EYE) if part.side == side)
    index = head.part_vertices(eye.name)
    return int(index[head.mean[index, 2].argmax()])


def _meeting(line: Arc, x: Tensor) -> Tensor:
    """Heights [N] at x [N], to which the upper lid goes when the lower one's top is a line."""
    corner = (1 + line.outside(x) / (CORNER * (line.right - line.left))).clamp(0, 1)
    return line.height(x) - (OVERLAP_M[0] + (OVERLAP_M[1] - OVERLAP_M[0]) * corner)


def _shares(count: int) -> Tensor:
    """Even numbers from 0 to 1, [count]."""
    return torch.linspace(0.0, 1.0, count)


def _along(values: tuple[float, float], points: Tensor) -> Tensor:
    """Values of the middle and of the corners at columns [C,3], [C]."""
    share = constant_of(_shares, len(points), like=points)
    corner = 1 - (torch.minimum(share, 1 - share) / CORNER).clamp_max(1)
    return values[0] + (values[1] - values[0]) * corner
