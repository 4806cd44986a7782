"""The result of a fit: a head, its reflectance, and how each photo saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.camera import Camera
from fitme.head import HeadModel
from fitme.light import Light
from fitme.render import Material, Mesh, RenderOutput, render
from fitme.view import View


def head_mesh(head: HeadModel, vertices: Tensor) -> Mesh:
    """The renderer's mesh for vertices [B, V, 3] of a head."""
    return Mesh(vertices, head.triangles, head.uv, head.uv_triangles, head.part, head.occlusion)


@dataclass(frozen=True)
class AvatarPhoto:
    """One photo the avatar was made from. Losses are by name, as the fit logged them."""

    path: Path
    view: View
    light: Light
    losses: Mapping[str, float]
    landmark_error: float  # mean distance over the interocular distance


@dataclass(frozen=True)
class Avatar:
    """A relightable head. `materials` has one entry per part of `head`, in its order."""

    head: HeadModel
    identity: Tensor  # [1, K]
    materials: tuple[Material, ...]
    photos: tuple[AvatarPhoto, ...]
    about: Mapping[str, Any] = field(default_factory=dict)  # versions, preset, seed, timings

    def neutral(self) -> Tensor:
        """Vertices [1, V, 3] in metres, neutral expression, eyes straight ahead."""
        return self.head.shape(self.identity)

    def mesh(self, vertices: Tensor) -> Mesh:
        """The renderer's mesh for vertices [B, V, 3] of this head."""
        return head_mesh(self.head, vertices)

    def render(self, camera: Camera, light: Light, vertices: Tensor | None = None) -> RenderOutput:
        """Draw the avatar; neutral unless posed `vertices` [1, V, 3] are given."""
        posed = self.neutral() if vertices is None else vertices
        with torch.no_grad():
            return render(self.mesh(posed), self.materials, camera, light)

    def render_photo(self, index: int = 0, height: int | None = None) -> RenderOutput:
        """The avatar as photo `index` saw it: same camera, pose, expression and light.

        `height` re-renders the whole photo at another size. Raises IndexError.
        """
        photo = self.photos[index]
        camera = photo.view.camera()
        if height is not None:
            width = max(1, round(camera.width * height / camera.height))
            camera = camera.resized(height, width)
        return self.render(camera, photo.light, photo.view.posed(self.head, self.identity))
