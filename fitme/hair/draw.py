"""`draw_hair`: a picture of strands in front of, and behind, what is drawn already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fitme.hair.color import HairColor
from fitme.hair.kernels_draw import GOES_ON, place, refine, ribbons
from fitme.hair.shadow import Volume, kept_volume
from fitme.hair.strands import Strands
from fitme.render.camera import Camera
from fitme.render.light import Light, fibonacci_sphere, sh_radiance
from fitme.runtime.kept import kept_with

Floats = NDArray[np.floating[Any]]

LEAST_HALF_WIDTH = 0.35  # pixels; thinner strands are drawn fainter
BIAS = 0.0015  # metres behind the skin that a strand is still seen: it lies on triangles
SEGMENT_PX = 7.0  # longest straight piece of a curve
AMBIENT_DIRECTIONS = 12
AMBIENT_GAIN = 0.64  # a thin cylinder shows less than a plate
LEAST_LIGHT = 0.04  # share of the ambient light in the depth of hair, scattered many times


@dataclass(frozen=True)
class HairImage:
    """Hair alone, without what is behind it."""

    radiance: Floats  # [H,W,3] linear, premultiplied
    alpha: Floats  # [H,W] in 0..1
    depth: Floats  # [H,W] camera z in metres where the hair covers half, inf elsewhere


def draw_hair(
    strands: Strands, color: HairColor | Floats, camera: Camera, light: Light,
    depth: Floats | None = None, opacity: float = 0.95,
) -> HairImage:  # fmt: skip
    """Draw with camera and light of batch 1; depth [H,W] is the camera z (metres) of head and
    props, inf where nothing is; color may be linear albedo [N,K,3] instead.

    Raises ValueError for a batch or shapes that do not fit.
    """
    height, width = camera.height, camera.width
    if camera.batch != 1 or light.batch != 1:
        raise ValueError("draw_hair takes one camera and one light")
    if depth is None:
        depth = np.full((height, width), np.inf, np.float32)
    depth = np.ascontiguousarray(depth, np.float32)
    if depth.shape != (height, width):
        raise ValueError(f"depth: wanted {[height, width]}, got {list(depth.shape)}")
    image = np.zeros((height, width, 3), np.float32)
    left = np.ones((height, width), np.float32)
    found = np.full((height, width), np.inf, np.float32)
    if len(strands) == 0:
        return HairImage(image, 1 - left, found)
    matrix = camera.world_to_camera[0].double().cpu().numpy()
    intrinsics = camera.K[0].double().cpu().numpy()
    eye = -matrix[:3, :3].T @ matrix[:3, 3]
    albedo = color.albedo(strands) if isinstance(color, HairColor) else color
    albedo = np.ascontiguousarray(albedo, np.float32)
    lit = _lighting(strands, light, np.sqrt(albedo.mean((0, 1))))
    factor = _factor(strands, matrix, intrinsics)
    points = strands.points
    if factor > 1:
        many = (points.shape[1] - 1) * factor + 1
        points = np.empty((len(strands), many, 3), np.float32)
        refine(strands.points, factor, points)
    count, many = points.shape[:2]
    z = strands.points @ matrix[2, :3].astype(np.float32) + np.float32(matrix[2, 3])
    nodes = np.empty((count * many, 5), np.float32)
    key = np.empty(count * (many - 1), np.uint16)
    place(
        points, strands.half_width, factor, matrix, intrinsics, LEAST_HALF_WIDTH, nodes, key,
        float(z.min()), float(z.max()),
    )  # fmt: skip
    order = np.argsort(key, kind="stable")
    color_now, shaded = np.empty_like(strands.points), np.zeros(strands.points.shape[:2], bool)
    ribbons(
        order, key, many, factor, nodes, strands.points, albedo, strands.tone, eye, *lit,
        depth, BIAS, opacity, color_now, shaded, image, left, found,
    )  # fmt: skip
    return HairImage(image, 1 - left, found)


def _factor(strands: Strands, matrix: Floats, intrinsics: Floats) -> int:
    """Into how many pieces a segment is divided so that curves look round."""
    some = strands.points[:: max(1, len(strands) // 300)]
    long = float(np.linalg.norm(np.diff(some, axis=1), axis=2).mean())
    middle = float((some.reshape(-1, 3) @ matrix[2, :3] + matrix[2, 3]).mean())
    pixels = long * float(intrinsics[0, 0]) / max(middle, 0.05)
    return int(np.clip(np.ceil(pixels / SEGMENT_PX), 1, 4))


def _lighting(strands: Strands, light: Light, root: Floats) -> tuple[Any, ...]:
    """What `kernels_draw.shade` needs: lights [L,6], optical depths [L,X,Y,Z], their grid's corner
    and step, and the same of the ambient light [3,X,Y,Z]; `root` [3] is that of the mean albedo.
    """
    middle = strands.points[:, strands.points.shape[1] // 2].mean(0)
    directions, colors = _directional(light, middle)
    volume = kept_volume(strands, with_head=True)
    depths = np.empty((len(directions), *volume.density.shape), np.float32)
    for index, direction in enumerate(directions):
        depths[index] = volume.depth_towards(direction)
    lights = np.concatenate([directions, colors], 1).astype(np.float32)
    coarse, around = kept_with(strands, "around", lambda: _around(volume))
    return (
        lights,
        depths,
        volume.low,
        volume.step,
        _ambient(around, light, root),
        coarse.low,
        coarse.step,
    )


def _directional(light: Light, middle: Floats) -> tuple[Floats, Floats]:
    """Directions and colours [L,3]; point lights as seen from the middle [3] of the hair."""
    _, directions, colors, positions, intensities = light.tensors()
    towards = positions[0] - torch.from_numpy(middle).to(positions)
    square = (towards * towards).sum(-1, keepdim=True).clamp_min(1e-6)
    directions = torch.cat([directions[0], towards / square.sqrt()])
    colors = torch.cat([colors[0], intensities[0] / square])
    return directions.double().numpy(), colors.double().numpy()


def _around(volume: Volume) -> tuple[Volume, Floats]:
    """A coarser volume, and its optical depths [AMBIENT_DIRECTIONS,X,Y,Z] towards all sides."""
    coarse = volume.coarser()
    sides = fibonacci_sphere(AMBIENT_DIRECTIONS).numpy()
    return coarse, np.stack([coarse.depth_towards(direction) for direction in sides])


def _ambient(depths: Floats, light: Light, root: Floats) -> Floats:
    """What a white hair shows at the grid points under the spherical harmonics alone, [3,X,Y,Z],
    among hairs with this root of the albedo [3], through which light goes on; `depths` are those of
    `_around`."""
    lost = 0.8 * (1 - GOES_ON * root)
    directions = fibonacci_sphere(AMBIENT_DIRECTIONS)
    radiance = sh_radiance(light.sh[0].cpu(), directions).clamp_min(0).numpy()
    total = np.zeros((3, *depths.shape[1:]), np.float32)
    for depth, color in zip(depths, radiance, strict=True):
        for c in range(3):
            total[c] += np.exp(-lost[c] * depth) * color[c]
    # half of all directions is all that the outermost hair of a head can see
    total *= 2 * AMBIENT_GAIN / AMBIENT_DIRECTIONS
    return total + (LEAST_LIGHT * radiance.mean(0))[:, None, None, None]
