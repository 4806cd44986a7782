"""One synthetic photo from one number: who, worn what, seen how, in which light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fitme.head.model import HeadModel
from fitme.models.stylegan2 import ReflectanceGenerator
from fitme.models.train.photos.backdrops import draw_backdrop
from fitme.models.train.photos.hair_pool import HairPool
from fitme.models.train.photos.hairdos import hair_over
from fitme.models.train.photos.lighting import draw_light
from fitme.models.train.photos.people import Someone, draw_someone
from fitme.models.train.photos.points import choose_points
from fitme.models.train.photos.props import draw_props
from fitme.models.train.photos.sample import Sample
from fitme.models.train.photos.scene import Picture, add_lenses, draw_scene, over_backdrop
from fitme.models.train.photos.sensor import develop
from fitme.models.train.photos.skins import Skin, SkinPool
from fitme.models.train.photos.views import SeenFrom, draw_view
from fitme.models.train.photos.wardrobe import draw_growths
from fitme.reflectance.regions import AtlasRegions
from fitme.render.light import Light

SIDE = 320  # pixels of a photo
SKINS = 1200  # in the pool
HIDDEN = 0.012  # metres: a point this far behind what is seen is hidden
FIRST_SEED = 52_000_000


class Studio:
    """Draws synthetic photos; `photo(k)` is the same on every machine."""

    def __init__(self, head: HeadModel, generator: ReflectanceGenerator, cache: Path) -> None:
        self.head = head
        self.regions = AtlasRegions(head, 256)
        self.skins = SkinPool(cache / "skins", head, generator, SKINS)
        self.hair = HairPool(cache / "hair", head)
        self.points = choose_points(head)

    @torch.no_grad()
    def photo(self, index: int) -> Sample:
        """Photo number `index`."""
        rng = np.random.default_rng(FIRST_SEED + index)
        skin = self.skins[int(rng.integers(SKINS))]
        who = draw_someone(self.head, rng)
        seen = draw_view(who.vertices[0], rng, SIDE)
        light = draw_light(rng, seen.camera.world_to_camera[0, :3, :3])
        vertices = who.vertices[0].numpy()
        props = draw_props(rng, self.head, vertices, skin.tone)
        growths = draw_growths(rng, self.hair, vertices, skin, props)
        iris = torch.from_numpy(rng.normal(0.3, 1.3, (1, 1))).float()
        gain = torch.from_numpy(rng.normal(0, 0.15, (1, 2, 3))).float()
        gain[:, 1] += 0.1
        opaque = [prop for prop in props if prop.opacity >= 1]
        lenses = [prop for prop in props if prop.opacity < 1]
        picture = draw_scene(
            self.head, self.regions, who.vertices, skin, iris, gain, opaque, seen.camera, light
        )
        picture = hair_over(picture, growths, opaque, seen.camera, light)
        picture = add_lenses(picture, lenses, seen.camera, light)
        picture = over_backdrop(picture, draw_backdrop(rng, SIDE))
        return self._sample(picture, develop(picture.color, rng), who, seen, light, skin)

    def _sample(
        self, picture: Picture, photo: np.ndarray, who: Someone, seen: SeenFrom, light: Light,
        skin: Skin,
    ) -> Sample:  # fmt: skip
        camera = seen.camera
        points = self.points.on(self.head, who.vertices)
        placed = camera.project(points)[0].numpy()
        depth = camera.transform(points)[0, :, 2].numpy()
        lamp = np.zeros(6)
        if light.directions.shape[1]:
            strongest = int(light.colors[0].mean(-1).argmax())
            lamp[:3] = light.directions[0, strongest]
            lamp[3:] = light.colors[0, strongest]
        code = np.full(self.skins.codes.size, np.nan) if skin.code is None else skin.code
        return Sample(
            photo=photo,
            labels=picture.labels,
            points=placed.astype(np.float32),
            depth=depth.astype(np.float32),
            visible=_visible(placed, depth, picture.depth),
            identity=who.identity[0].numpy(),
            expression=who.expression[0].numpy(),
            gaze=who.gaze[0].reshape(-1).numpy(),
            K=camera.K[0].numpy(),
            pose=camera.world_to_camera[0].numpy(),
            sh=light.sh[0].numpy(),
            lamp=lamp.astype(np.float32),
            tone=skin.tone,
            code=code.astype(np.float32),
        )


def _visible(placed: np.ndarray, depth: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """[N] bool of points [N,2] pixels at depths [N] before a depth image [H,W]."""
    side = len(nearest)
    at = np.floor(placed).astype(int)
    inside = ((at >= 0) & (at < side)).all(1)
    x, y = at.clip(0, side - 1).T
    return inside & (depth < nearest[y, x] + HIDDEN)
