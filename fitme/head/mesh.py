"""A head as the renderer takes it."""

from __future__ import annotations

from torch import Tensor

from fitme.head.model import HeadModel
from fitme.render import Mesh


def head_mesh(head: HeadModel, vertices: Tensor) -> Mesh:
    """The renderer's mesh for vertices [B,V,3] of a head, metres."""
    return Mesh(
        vertices, head.triangles, head.uv, head.uv_triangles, head.part, head.occlusion,
        head.transfer,
    )  # fmt: skip
