"""The result of a fit: a person's shape and reflectance, and how each photo saw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.avatar.folder import read_avatar, save_avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.avatar.relight import draw, render_view
from fitme.avatar.run_info import RunInfo
from fitme.detail.wrinkles import Wrinkles
from fitme.hair import Hair
from fitme.head.geometry import Geometry
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel
from fitme.render import Material, Mesh, RenderOutput
from fitme.render.camera import Camera
from fitme.render.light import Light

__all__ = ["Avatar", "AvatarPhoto", "RunInfo"]


@dataclass(frozen=True)
class Avatar:
    """A relightable head. `materials` has one entry per part of `head`, in its order; they are
    those of the neutral face, to which `wrinkles` add what an expression folds. `hair` None: the
    scalp's painted hair is all there is."""

    geometry: Geometry
    materials: tuple[Material, ...]
    photos: tuple[AvatarPhoto, ...] = ()
    run: RunInfo = field(default_factory=RunInfo)
    wrinkles: Wrinkles | None = None
    hair: Hair | None = None

    @property
    def head(self) -> HeadModel:
        """The head model that the shape is made with."""
        return self.geometry.head

    @property
    def identity(self) -> Tensor:
        """Coefficients [1,K] of the shape in the head model."""
        return self.geometry.identity

    @property
    def skin(self) -> Material:
        """The material of the skin, with the generator's maps."""
        return self.materials[self.head.skin.index]

    def neutral(self) -> Tensor:
        """Vertices [1, V, 3] in metres, neutral expression, eyes straight ahead."""
        return self.geometry.vertices()

    def posed(self, index: int = 0) -> Tensor:
        """Vertices [1, V, 3] in metres with expression and gaze of photo `index`.

        Raises IndexError.
        """
        view = self.photos[index].view
        return self.geometry.vertices(view.expression, view.gaze)

    def to(self, device: torch.device | str) -> Avatar:
        """The same avatar with every tensor on `device`; parts that share a material, or materials
        that share a map, do so afterwards."""
        made: dict[int, Any] = {}

        def move(thing: Any) -> Any:
            if not isinstance(thing, Tensor | Material):
                return thing
            if id(thing) not in made:
                made[id(thing)] = (
                    thing.to(device)
                    if isinstance(thing, Tensor)
                    else Material(**{name: move(value) for name, value in vars(thing).items()})
                )
            return made[id(thing)]

        photos = tuple(
            replace(
                photo, light=photo.light.to(device),
                view=replace(photo.view, **{k: move(v) for k, v in vars(photo.view).items()}),
            )
            for photo in self.photos
        )  # fmt: skip
        return replace(
            self, geometry=self.geometry.to(device), materials=tuple(map(move, self.materials)),
            photos=photos, wrinkles=self.wrinkles and self.wrinkles.to(device),
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
        shadows: bool | None = None,
        hair: bool = True,
    ) -> RenderOutput:
        """Draw the avatar; neutral unless posed `vertices` [1, V, 3] are given. `shadows`: the
        head keeps directional and point lights from itself, by default those that the light
        `casts`. `hair`: its strands are in `color` and
        `alpha`, where it has some; then one picture at a time, or ValueError."""
        return draw(self, camera, light, vertices, shadows=shadows, hair=hair)

    def render_photo(self, index: int = 0, height: int | None = None) -> RenderOutput:
        """The avatar as photo `index` saw it: same camera, pose, expression and light.

        `height` re-renders the whole photo at another size. Raises IndexError.
        """
        photo = self.photos[index]
        camera = photo.view.camera()
        if height is not None:
            width = max(1, round(camera.width * height / camera.height))
            camera = camera.resized(height, width)
        return self.render(camera, photo.light, self.posed(index))

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
        hair: bool = True,
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
                all do but a photo's own where that was estimated without.
            hair: whether its strands are drawn, where it has some.

        Linear RGB over black with alpha; `fitme.render.picture.render_rgba` makes bytes of it.
        Raises IndexError for a photo that is not there, InputError for an unknown expression.
        """
        return render_view(
            self, yaw, pitch, light=light, photo=photo, resolution=resolution,
            expression=expression, neutral=neutral, shadows=shadows, hair=hair,
        )  # fmt: skip

    def save(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write avatar.glb, textures/ and fit.json; see `fitme.avatar.folder.save_avatar`."""
        save_avatar(self, folder, overwrite)

    @staticmethod
    def load(folder: str | Path, head: HeadModel | None = None) -> Avatar:
        """The avatar of a directory that `fitme fit` or `save` wrote; `head` where it is not the
        head model that comes with fitme. Raises InputError naming the file and the cure."""
        return Avatar(*read_avatar(folder, head))
