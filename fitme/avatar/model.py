"""The result of a fit: a head, its reflectance, and how each photo saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.render import Material, Mesh, RenderOutput, render
from fitme.render.camera import Camera
from fitme.render.light import Light


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

    def to(self, device: torch.device | str) -> Avatar:
        """The same avatar with every tensor on `device`."""

        def move(thing: Any) -> Any:
            return thing.to(device) if isinstance(thing, Tensor) else thing

        materials = tuple(
            Material(**{k: move(v) for k, v in vars(m).items()}) for m in self.materials
        )
        photos = tuple(
            replace(
                photo, light=photo.light.to(device),
                view=replace(photo.view, **{k: move(v) for k, v in vars(photo.view).items()}),
            )
            for photo in self.photos
        )  # fmt: skip
        return replace(
            self, head=self.head.to(device), identity=move(self.identity), materials=materials,
            photos=photos,
        )  # fmt: skip

    def mesh(self, vertices: Tensor) -> Mesh:
        """The renderer's mesh for vertices [B, V, 3] of this head."""
        return head_mesh(self.head, vertices)

    def render(
        self,
        camera: Camera,
        light: Light,
        vertices: Tensor | None = None,
        *,
        shadows: bool = False,
    ) -> RenderOutput:
        """Draw the avatar; neutral unless posed `vertices` [1, V, 3] are given. `shadows`: the
        head keeps directional and point lights from itself."""
        posed = self.neutral() if vertices is None else vertices
        with torch.no_grad():
            return render(self.mesh(posed), self.materials, camera, light, shadows=shadows)

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

    def render_view(
        self,
        yaw: float | None = None,
        pitch: float | None = None,
        *,
        light: Light | None = None,
        photo: int = 0,
        resolution: int | None = None,
        expression: Mapping[str, float] | None = None,
        neutral: bool = False,
        shadows: bool | None = None,
    ) -> RenderOutput:
        """The avatar from any side, under any light.

        Args:
            yaw, pitch: absolute angles of the head in degrees, no roll; 0, 0 faces the camera,
                positive yaw turns the nose to the image's right, positive pitch lifts it. With
                one of them the picture is a square around the head; with neither it is the
                photo's own view.
            light: in the picture's axes (x right, y up, z to the viewer), such as
                `Light.preset("studio")`; by default the photo's, which stays where it was in the
                picture while the head turns.
            photo: which photo gives view, expression, gaze, distance and light.
            resolution: the picture's longer side; by default the photo's own, or 1024.
            expression: weights in 0..1 that replace those of the photo, by ARKit name.
            neutral: start from a face at rest that looks straight ahead.
            shadows: whether the head shades itself from directional and point lights; by default
                all but the photo's own do, as that was estimated without.

        Linear RGB over black with alpha; `fitme.render.picture.render_rgba` makes bytes of it.
        Raises IndexError for a photo that is not there, InputError for an unknown expression.
        """
        from fitme.avatar import relight

        return relight.render_view(
            self, yaw, pitch, light=light, photo=photo, resolution=resolution,
            expression=expression, neutral=neutral, shadows=shadows,
        )  # fmt: skip

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write avatar.glb, textures/ and fit.json; see `fitme.avatar.folder.save_avatar`."""
        from fitme.avatar.folder import save_avatar

        save_avatar(self, folder, overwrite)

    @staticmethod
    def load(folder: str | Path, head: HeadModel | None = None) -> Avatar:
        """The avatar of a directory that `fitme fit` or `save` wrote; `head` where it is not the
        head model that comes with fitme. Raises InputError naming the file and the cure."""
        from fitme.avatar.folder import load_avatar

        return load_avatar(folder, head)
