"""MediaPipe's landmarks as weighted means of the encoder's points."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.models.train.photos.points import Points

NEAREST = 6  # points that a landmark is the mean of
DAMPING = 1e-7  # square metres: keeps weights small where the points say the same


def tied_to_points(head: HeadModel, points: Points) -> tuple[Tensor, Tensor]:
    """Indices [478,NEAREST] and weights [478,NEAREST], which sum to 1, that give the head's
    landmarks best over all its components (least squares)."""
    stack = torch.cat([head.mean[None], head.mean + head.identity, head.mean + head.expression])
    wanted, known = head.landmarks(stack), points.on(head, stack)  # [S,478,3], [S,N,3]
    index = torch.cdist(wanted[0], known[0]).topk(NEAREST, largest=False).indices
    weights = []
    for landmark, near in enumerate(index):
        basis = known[:, near].permute(0, 2, 1).reshape(-1, NEAREST).double()
        target = wanted[:, landmark].reshape(-1).double()
        # Weights that sum to one: the others against the nearest.
        first, rest = basis[:, :1], basis[:, 1:] - basis[:, :1]
        normal = rest.T @ rest + len(stack) * DAMPING * torch.eye(NEAREST - 1).double()
        solved = torch.linalg.solve(normal, rest.T @ (target - first[:, 0]))
        weights.append(torch.cat([1 - solved.sum(0, keepdim=True), solved]))
    return index, torch.stack(weights).float()
