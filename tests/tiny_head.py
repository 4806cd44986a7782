"""A head of three octahedra and a collar, for tests that need a `HeadModel` of known numbers."""

from __future__ import annotations

import torch

from fitme.head.model import HeadModel

OCTAHEDRON = torch.tensor(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=torch.float32
)
FACES = torch.tensor(
    [[4, 0, 2], [4, 2, 1], [4, 1, 3], [4, 3, 0], [5, 2, 0], [5, 1, 2], [5, 3, 1], [5, 0, 3]]
)
EYES = torch.tensor([[0.03, 0.02, 0.07], [-0.03, 0.02, 0.07]])


def tiny_head() -> HeadModel:
    """22 vertices, 28 triangles, 2 identity modes, expressions "jawOpen" and "smile"."""
    skull = OCTAHEDRON * torch.tensor([0.08, 0.12, 0.1])
    collar = torch.tensor([[0.05, -0.18, 0.05], [-0.05, -0.18, 0.05], [0.0, -0.18, -0.05],
                           [0.0, -0.19, 0.0]])  # fmt: skip
    eyes = [OCTAHEDRON * 0.012 + centre for centre in EYES]
    mean = torch.cat([skull, collar, *eyes])
    collar_faces = torch.tensor([[6, 7, 9], [7, 8, 9], [8, 6, 9], [6, 8, 7]])
    triangles = torch.cat([FACES, collar_faces, FACES + 10, FACES + 16])
    draw = torch.Generator().manual_seed(7)
    smile = torch.zeros(22, 3)
    smile[4] = torch.tensor([0.0, 0.01, 0.0])
    jaw = torch.zeros(22, 3)
    jaw[3] = torch.tensor([0.0, -0.02, 0.0])
    partner = torch.tensor([1, 0, 2, 3, 4, 5])
    return HeadModel(
        mean=mean,
        identity=0.002 * torch.randn(2, 22, 3, generator=draw),
        expression=torch.stack([jaw, smile]),
        expression_names=("jawOpen", "smile"),
        triangles=triangles,
        uv=torch.rand(22, 2, generator=draw),
        uv_triangles=triangles.clone(),
        part=torch.tensor([0] * 12 + [1] * 8 + [2] * 8),
        part_names=("head", "eye_L", "eye_R"),
        regions={"face": torch.linspace(0, 1, 22)},
        landmark_triangles=torch.tensor([0, 3]),
        landmark_barycentric=torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]),
        landmark_weight=torch.tensor([1.0, 0.5]),
        neck_weight=torch.tensor([1.0] * 6 + [0.0] * 4 + [1.0] * 12),
        neck_joint=torch.tensor([0.0, -0.1, 0.0]),
        eye_ring=torch.tensor([[10, 11, 12, 13, 14, 15], [16, 17, 18, 19, 20, 21]]),
        occlusion=torch.ones(22),
        mirror=torch.cat([partner, torch.tensor([7, 6, 8, 9]), partner + 16, partner + 10]),
        metadata={"source": "test"},
    )
