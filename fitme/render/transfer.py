"""How much of a light's harmonics reaches each vertex: soft shadows that cost nothing per pixel.

Precomputed radiance transfer (Sloan, Kautz and Snyder, SIGGRAPH 2002), as the ratio of what a white
vertex reflects with and without what lies in the way: the shading itself keeps its own normals,
which maps bend.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from fitme.render.light import Y0

# Of the light's mean: where less arrives than this, a quotient of two small numbers says nothing,
# and the visibility goes over to that of light from everywhere.
FEW = 0.15
MOST = 1.3  # harmonics ring: a little more than all the light is let pass


def visibility(transfer: Tensor, sh: Tensor) -> Tensor:
    """[B,V]: share of the light sh [B,9,3] that reaches vertices with a `Mesh.transfer` [2,V,9];
    the same for all three colours."""
    gray = sh.mean(-1)
    mean = F.relu(gray[:, :1]) * Y0
    blocked, unblocked = (F.relu(gray @ side.T) for side in transfer)
    few = FEW * mean + 1e-6
    everywhere = transfer[0, :, 0] / transfer[1, :, 0].clamp_min(1e-6)
    return ((blocked + few * everywhere) / (unblocked + few)).clamp_max(MOST)
