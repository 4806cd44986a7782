"""Hair, beards and brows of synthetic people, and how they lie over a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fitme.hair import HairColor, Strands, draw_hair
from fitme.hair.dress import light_through
from fitme.models.train.photos.prop import Prop
from fitme.models.train.photos.scene import Picture
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.segment.labels import Label

UNDER_HAT = 0.05  # metres: hair is pressed by a hat that lies no farther than this in front of it
OVER_CLOTHES = 0.02  # metres: hair that has sunk this far into clothes lies on them
COVERING = 0.5  # opacity from which hair is what a pixel shows


@dataclass(frozen=True)
class Growth:
    """Strands of one kind with their colour and label."""

    strands: Strands
    color: HairColor
    label: Label


def hair_over(
    picture: Picture, growths: Sequence[Growth], props: Sequence[Prop], camera: Camera, light: Light
) -> Picture:
    """The picture with hair in front, behind and between, and its soft shadow on what it covers;
    props are the opaque ones, in the picture's order."""
    depth = _yielding(picture, props)
    color, labels, alpha = picture.color, picture.labels, picture.alpha
    shading = [growth.strands for growth in growths if growth.label == Label.HAIR]
    share = light_through(shading, picture, light)
    color = color * share[..., None]
    nearest = picture.depth
    for growth in growths:
        drawn = draw_hair(growth.strands, growth.color, camera, light, depth)
        cover = drawn.alpha[..., None]
        color = color * (1 - cover) + drawn.radiance
        alpha = 1 - (1 - alpha) * (1 - cover)
        labels = np.where(drawn.alpha > COVERING, np.uint8(growth.label), labels)
        nearest = np.where(drawn.alpha > COVERING, np.minimum(nearest, drawn.depth), nearest)
    return replace(picture, color=color, alpha=alpha, labels=labels, depth=nearest)


def _yielding(picture: Picture, props: Sequence[Prop]) -> np.ndarray:
    """The picture's depth [H,W], nearer where a hat presses hair down, farther on clothes."""
    moved = np.zeros(len(props) + 1, np.float32)  # the last is "no prop"
    for index, prop in enumerate(props):
        if prop.label == Label.CLOTHES:
            moved[index] = OVER_CLOTHES
        elif prop.label == Label.OTHER and prop.vertices[:, 1].mean() > 0.05:
            moved[index] = -UNDER_HAT
    return (picture.depth + moved[picture.worn]).astype(np.float32)
