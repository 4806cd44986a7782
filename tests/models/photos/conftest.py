"""A few heads that differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitme.head.model import HeadModel, load_head
from fitme.models.train.photos.prop import Array


@pytest.fixture(scope="session")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="session")
def heads(head: HeadModel) -> list[Array]:
    """Vertices [V,3] of four identities, the last two far from the mean, with a smile."""
    draw = torch.Generator().manual_seed(5)
    spread = torch.tensor([0.5, 0.8, 1.2, 1.5])[:, None]
    identity = spread * torch.randn(4, head.identity.shape[0], generator=draw)
    expression = torch.zeros(4, len(head.expression_names))
    for name in ("mouthSmileLeft", "mouthSmileRight"):
        expression[2:, head.expression_index(name)] = 0.7
    return list(np.asarray(head.shape(identity, expression)))
