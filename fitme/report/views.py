"""Pictures of an avatar: one view as RGBA, and a turntable's frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, relit
from fitme.detail.wrinkles import dressed
from fitme.render.light import Light
from fitme.render.picture import render_rgba

MAX_DRAWN_PX = 4096  # a larger photo's picture keeps its size but is drawn at this side

Motion = Literal["swing", "full", "relight"]


def view_picture(
    avatar: Avatar,
    yaw: float | None = None,
    pitch: float | None = None,
    *,
    light: Light | None = None,
    photo: int = 0,
    resolution: int | None = None,
    expression: Mapping[str, float] | None = None,
    neutral: bool = False,
    background: Tensor | None = None,
    shadows: bool | None = None,
) -> np.ndarray:
    """`Avatar.render_view` as RGBA uint8 [H, W, 4], over nothing or a linear RGB colour [3]."""
    own_size = None
    if yaw is None and pitch is None and resolution is None and avatar.photos:
        view = avatar.photos[photo].view
        if max(view.width, view.height) > MAX_DRAWN_PX:
            own_size, resolution = (view.width, view.height), MAX_DRAWN_PX
    out = avatar.render_view(
        yaw, pitch, light=light, photo=photo, resolution=resolution, expression=expression,
        neutral=neutral, shadows=shadows,
    )  # fmt: skip
    pixels = render_rgba(out, background)
    if own_size is None:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(own_size, Image.Resampling.BICUBIC))


def folded(avatar: Avatar, vertices: Tensor) -> Avatar:
    """The avatar with the folds of posed vertices [1,V,3] in its maps, made once for all pictures
    of that pose; any other pose would show them too."""
    shown = dressed(avatar.wrinkles, avatar.materials, avatar.head, avatar.neutral(), vertices)
    return replace(avatar, materials=tuple(shown), wrinkles=None)


@dataclass(frozen=True)
class Turntable:
    """What moves in a film of an avatar, which begins where it ends.

    "swing" turns the head from side to side by `swing` degrees, slower at the ends; "full" turns
    it all around; "relight" carries the light around the head, which faces the camera.
    """

    frames: int = 48
    motion: Motion = "swing"
    swing: float = 60.0
    light: Light | None = None  # in the picture's axes; None is the photo's
    photo: int = 0
    resolution: int = 512
    background: Tensor | None = None  # linear RGB [3]; None is transparent
    shadows: bool | None = None  # see `Avatar.render_view`

    def angles(self) -> list[tuple[float, float]]:
        """Yaw of the head and turn of the light in degrees, frame by frame."""
        turns = [k / self.frames for k in range(self.frames)]
        if self.motion == "relight":
            return [(0.0, 360.0 * t) for t in turns]
        if self.motion == "full":
            return [(360.0 * t, 0.0) for t in turns]
        return [(self.swing * math.sin(2 * math.pi * t), 0.0) for t in turns]

    def draw(
        self, avatar: Avatar, every: int = 1, resolution: int | None = None
    ) -> Iterator[np.ndarray]:
        """RGBA uint8 [resolution, resolution, 4] of each `every`-th frame, one at a time."""
        size = self.resolution if resolution is None else resolution
        vertices = posed_vertices(avatar, self.photo)
        avatar = folded(avatar, vertices)
        for yaw, turn in self.angles()[::every]:
            camera = facing_camera(avatar, yaw, 0.0, size, self.photo)
            out = relit(
                avatar, camera, vertices, self.light, self.photo, turn, self.shadows
            )  # fmt: skip
            yield render_rgba(out, self.background)
