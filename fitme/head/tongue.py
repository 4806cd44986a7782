"""A tongue that keeps below the upper teeth."""

from __future__ import annotations

import torch

from fitme.head.curves import smoothstep
from fitme.head.mend import Mend
from fitme.head.model import HeadModel

LOWER_M = 0.0022  # than the head model's own
TONGUE = (0.1, 0.5)  # of its region: what stays with the gums, what goes down


def lower_tongue(head: HeadModel) -> list[Mend]:
    """For a head model with a tongue; none for one without."""
    tongue = head.regions.get("tongue")
    if tongue is None:
        return []
    down = torch.zeros_like(head.mean)
    down[:, 1] = -smoothstep(*TONGUE, tongue)
    if "tongueOut" not in head.expression_names:
        return []
    return [Mend.of(head, down * LOWER_M, tongueOut=1.0)]
