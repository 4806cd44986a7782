"""Lips that roll in before the teeth and not through them.

The head model's rolled lips go up to 6 mm into the teeth. What would come nearer to the arch than a
lip is thick is pressed together before it, in its order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.mend import Mend
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.head.teeth import ARCH_Z

ROLLS = ("mouthRollLower", "mouthRollUpper")
CLEAR_M = 0.0042  # of lips before the teeth: identities differ from the mean
SOFT_M = 0.0008  # over which they are pressed together
ORDER = 0.2  # of their depths that is left there: what lies behind stays behind
BESIDE = 0.06  # radians around the arch, in which teeth count
BEHIND_M = (0.003, 0.0005)  # from the teeth at rest: what stays inside, what is pressed
TRAVEL_M = (0.0002, 0.0015)  # of a vertex that rolls


def rolled_lips(head: HeadModel) -> list[Mend]:
    """Those of a head model, from its mean; none for one without teeth."""
    teeth = head.vertices_with((Role.TEETH,))
    if not len(teeth) or "lips" not in head.regions:
        return []
    turn, arch = _around(head.mean[teeth])
    soft = head.vertices_with((Role.SKIN, Role.MOUTH))
    found = []
    for name in ROLLS:
        if name not in head.expression_names:
            continue
        offsets = head.expression[head.expression_index(name)]
        moving = soft[offsets[soft].norm(dim=-1) > TRAVEL_M[0]]
        rest, rolled = head.mean[moving], head.mean[moving] + offsets[moving]
        at, radius = _around(rolled)
        near = (at[:, None] - turn).abs() < BESIDE
        teeth_at = torch.where(near, arch, arch.new_zeros(())).amax(1)
        front = teeth_at + CLEAR_M
        deep = radius - front
        pressed = front + ORDER * deep + (1 - ORDER) * SOFT_M * F.softplus(deep / SOFT_M)
        share = smoothstep(*TRAVEL_M, offsets[moving].norm(dim=-1))
        share = share * smoothstep(-BEHIND_M[0], -BEHIND_M[1], _around(rest)[1] - teeth_at)
        out = torch.stack([at.sin(), torch.zeros_like(at), at.cos()], -1)
        added = torch.zeros_like(offsets)
        added[moving] = (share * (pressed - radius))[:, None] * out
        found.append(Mend.of(head, added, **{name: 1.0}))
    return found


def _around(points: Tensor) -> tuple[Tensor, Tensor]:
    """Angle from straight ahead around the middle of the arches, radians, and distance from it,
    metres, of points [N,3]."""
    x, z = points[:, 0], points[:, 2] - ARCH_Z
    return torch.atan2(x, z), torch.hypot(x, z)
