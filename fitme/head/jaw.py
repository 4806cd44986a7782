"""An open jaw that leaves the upper lip where it is, so that the upper teeth are seen.

The head model's own pulls the middle of the upper lip 2.5 mm down and the corners 2.5 mm inwards: a
round mouth without upper teeth. In 364 portraits the wider a mouth is open the nearer its upper lip
is to the nose and the wider it is. The lip is lifted a little instead and the corners go in by less
than half as much; `mouthClose`, which undoes an open jaw, takes both back.
"""

from __future__ import annotations

import torch

from fitme.head.curves import smoothstep
from fitme.head.lips import JAW, UPPER
from fitme.head.mend import Mend
from fitme.head.model import HeadModel
from fitme.head.parts import Role

CLOSE = "mouthClose"
LIFT_M = 0.0035  # of the upper lip's middle over the head model's, which comes down by 0.0025
STAYS_M = (0.0026, 0.0105)  # travel downwards: of the upper lip's middle, of the corners
NARROWS = 0.4  # of the corners' movement inwards that is left
REACH_M = (0.004, 0.016)  # from the lips: what moves with them, what stays


def jaw_opening(head: HeadModel) -> list[Mend]:
    """That of a head model, from its mean; none for one without lips or a jaw."""
    names = (JAW, CLOSE)
    if not set(names) <= set(head.expression_names) or "lips" not in head.regions:
        return []
    moved = head.expression[head.expression_index(JAW)]
    lips = head.regions["lips"] > 0.5
    down = -moved[:, 1]
    upper = lips & (down < UPPER * down[lips].amax()) if bool(lips.any()) else lips
    if not bool(upper.any()):
        return []
    soft = torch.zeros_like(down)
    for role in (Role.SKIN, Role.MOUTH):
        for part in head.parts_with(role):
            soft[head.part_vertices(part.name)] = 1
    near_upper, near = (
        soft * smoothstep(REACH_M[1], REACH_M[0], torch.cdist(head.mean, head.mean[own]).amin(1))
        for own in (upper, lips)
    )
    added = torch.zeros_like(moved)
    added[:, 0] = -(1 - NARROWS) * near * moved[:, 0]
    added[:, 1] = LIFT_M * near_upper * smoothstep(STAYS_M[1], STAYS_M[0], down)
    return [Mend.of(head, added, **{JAW: 1.0, CLOSE: -1.0})]
