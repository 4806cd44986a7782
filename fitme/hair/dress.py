"""Hair over a picture of what it grows on, with its soft shadow there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fitme.hair.color import HairColor
from fitme.hair.draw import HairImage, draw_hair
from fitme.hair.shadow import transmittance
from fitme.hair.strands import Strands
from fitme.render.camera import Camera
from fitme.render.light import Light

Floats = NDArray[np.floating[Any]]

FINER = 2  # hair is drawn this many times as large, as it is thin and edges cut it
SKY = np.array([[0.0, 1.0, 0.3], [0.0, 0.3, 1.0]], np.float32)  # where ambient light comes from


@dataclass(frozen=True)
class Undressed:
    """H x W pixels of what hair grows on."""

    color: Floats  # [H,W,3] linear, premultiplied
    alpha: Floats  # [H,W,1]
    depth: Floats  # [H,W] metres along the camera's axis, inf where nothing is
    position: Floats  # [H,W,3] metres in the world
    lamps: Floats  # [H,W] share of the light that comes from lamps rather than all around
    fine: Floats  # [FINER*H,FINER*W]: depth in finer pixels, and of what else hides hair


class Scene(Protocol):
    """H x W pixels that hair throws its shadow on."""

    @property
    def depth(self) -> Floats: ...
    @property
    def position(self) -> Floats: ...
    @property
    def lamps(self) -> Floats: ...


def light_through(strands: Sequence[Strands], scene: Scene, light: Light) -> Floats:
    """[H,W]: share of the light that hair lets through to what is drawn; a light of batch 1."""
    solid = np.isfinite(scene.depth)
    points = np.ascontiguousarray(scene.position[solid], np.float32)
    through = np.ones((len(points), 2), np.float32)  # around, lamps
    lamps = light.directions[0].cpu().numpy()
    colors = light.colors[0].mean(-1).cpu().numpy()
    for one in strands:
        for direction in SKY:
            through[:, 0] *= transmittance(one, points, direction) ** (1 / len(SKY))
        for direction, weight in zip(lamps, colors / max(colors.sum(), 1e-6), strict=True):
            through[:, 1] *= transmittance(one, points, direction) ** weight
    lamp = scene.lamps[solid]
    share = np.ones(scene.depth.shape, np.float32)
    share[solid] = (1 - lamp) * through[:, 0] + lamp * through[:, 1]
    return share


def dress(
    scene: Undressed, strands: Strands, color: HairColor | Floats, camera: Camera, light: Light,
    shade: float = 1.0,
) -> tuple[Undressed, HairImage]:  # fmt: skip
    """The scene with hair before and behind it, and the hair alone; camera and light of batch 1.
    Of the hair's shadow on the scene only the share `shade` is drawn."""
    share = 1 - shade * (1 - light_through([strands], scene, light))
    height, width = scene.depth.shape
    fine = camera.resized(FINER * height, FINER * width)
    drawn = draw_hair(strands, color, fine, light, scene.fine)
    # of the scene's own part of a pixel hair hides what it hides of that part's finer pixels
    solid = np.isfinite(scene.fine)
    part = _reduced(solid.astype(np.float32))
    hidden = _reduced(drawn.alpha * solid) / np.maximum(part, 1e-6)
    left = np.where(part > 0, 1 - hidden, 1.0)[..., None]
    cover, radiance = _reduced(drawn.alpha), _reduced(drawn.radiance)
    shaded = scene.color * share[..., None]
    alpha = np.minimum(scene.alpha * left + cover[..., None], 1.0).astype(np.float32)
    whole = replace(scene, color=(shaded * left + radiance).astype(np.float32), alpha=alpha)
    return whole, HairImage(radiance, cover, drawn.depth[::FINER, ::FINER])


def _reduced(values: Floats) -> Floats:
    """Means [H,W,...] of FINER x FINER pixels."""
    total: Floats = np.zeros((values.shape[0] // FINER, *values.shape[1:]), np.float32)[:, ::FINER]
    for y in range(FINER):
        for x in range(FINER):
            total = total + values[y::FINER, x::FINER]
    return (total * np.float32(1 / FINER**2)).astype(np.float32)
