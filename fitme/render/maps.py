"""Look up the materials' maps at the visible points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fitme.render.scene import Material
from fitme.render.stages import Points, spread
from fitme.runtime.constants import constant


@dataclass(frozen=True)
class Maps:
    """Reflectance at N points."""

    albedo: Tensor  # [N,3]
    specular: Tensor  # [N,1 or 3]
    bump: Tensor | None  # [N,3]; None when no material has a normal map
    roughness: Tensor  # [N,1]


# textures by name, uv [N,2], footprint [N,4], image [N], the number of images -> values [N,C]
Sampler = Callable[[Mapping[str, Tensor], Tensor, Tensor, Tensor, int], dict[str, Tensor]]


def mip_levels(height: int, width: int) -> int:
    """How often a texture can be halved until a side is odd: the top mip level."""
    levels = 0
    while height % 2 == 0 and width % 2 == 0:
        height, width, levels = height // 2, width // 2, levels + 1
    return levels


def look_up(
    sample: Sampler,
    materials: Sequence[Material],
    points: Points,
    part: Tensor,
    image: Tensor,
    batch: int,
) -> Maps:
    """part [T]: each triangle's material; image [N]: which of `batch` images a point is in.
    sample: `Backend.sample_maps`."""
    bumpy = any(material.normal is not None for material in materials)
    if len(materials) == 1:
        return _look_up_one(sample, materials[0], points.uv, points.footprint, image, batch, bumpy)
    part = part.long().index_select(0, points.face)
    channels = max(material.specular_albedo.shape[3] for material in materials)
    if points.uv.device.type != "cpu":
        return _look_up_all(sample, materials, points, part, image, batch, bumpy)
    chosen = [(part == index).nonzero()[:, 0] for index in range(len(materials))]
    found = [
        _look_up_one(
            sample,
            material,
            points.uv.index_select(0, rows),
            points.footprint.index_select(0, rows),
            image.index_select(0, rows),
            batch,
            bumpy,
        )
        for material, rows in zip(materials, chosen, strict=True)
    ]
    back = torch.argsort(torch.cat(chosen))

    def join(values: list[Tensor]) -> Tensor:
        return torch.cat(values).index_select(0, back)

    bumps = [maps.bump for maps in found if maps.bump is not None]
    return Maps(
        join([maps.albedo for maps in found]),
        join([maps.specular.expand(-1, channels) for maps in found]),
        join(bumps) if bumpy else None,
        join([maps.roughness for maps in found]),
    )


def _look_up_all(
    sample: Sampler,
    materials: Sequence[Material],
    points: Points,
    part: Tensor,
    image: Tensor,
    batch: int,
    bumpy: bool,
) -> Maps:
    """Each material's maps at all points, of which each takes those of its own: more work, but a
    GPU's host need not wait to hear how many points each has."""
    uv, channels = points.uv, max(one.specular_albedo.shape[3] for one in materials)
    found: Maps | None = None
    for index, material in enumerate(materials):
        own = (part == index)[:, None]
        # Other points look anywhere: their gradients are 0, but would meet in one texel.
        here = torch.where(own, uv, spread(uv))
        maps = _look_up_one(sample, material, here, points.footprint, image, batch, bumpy)
        maps = replace(maps, specular=maps.specular.expand(-1, channels))
        found = maps if found is None else _chosen(own, maps, found)
    assert found is not None
    return found


def _chosen(own: Tensor, maps: Maps, others: Maps) -> Maps:
    """`maps` where `own` [N,1], else `others`."""
    bump = None
    if maps.bump is not None and others.bump is not None:
        bump = torch.where(own, maps.bump, others.bump)
    return Maps(
        torch.where(own, maps.albedo, others.albedo),
        torch.where(own, maps.specular, others.specular),
        bump,
        torch.where(own, maps.roughness, others.roughness),
    )


def _look_up_one(
    sample: Sampler,
    material: Material,
    uv: Tensor,
    footprint: Tensor,
    image: Tensor,
    batch: int,
    bumpy: bool,
) -> Maps:
    textures = {"albedo": material.diffuse_albedo, "specular": material.specular_albedo}
    if bumpy and material.normal is not None:
        textures["bump"] = material.normal
    if isinstance(material.roughness, Tensor):
        textures["roughness"] = material.roughness
    found = sample(textures, uv, footprint, image, batch)
    if bumpy and "bump" not in found:
        found["bump"] = constant((0.0, 0.0, 1.0), uv).expand(uv.shape[0], 3)
    if not isinstance(material.roughness, Tensor):
        found["roughness"] = uv.new_full((uv.shape[0], 1), float(material.roughness))
    return Maps(found["albedo"], found["specular"], found.get("bump"), found["roughness"])


def sample_map(
    texture_at: Callable[[Tensor, Tensor, Tensor], Tensor],
    texture: Tensor,
    uv: Tensor,
    footprint: Tensor,
    image: Tensor,
    batch: int,
) -> Tensor:
    """texture [1 or B,H,W,C] at N points -> [N,C]. texture_at: `Backend.texture`."""
    if texture.shape[0] not in (1, batch):
        raise ValueError(f"a texture has batch {texture.shape[0]}, wanted 1 or {batch}")
    if texture.shape[1] == 1 and texture.shape[2] == 1:  # one colour: nothing to filter
        colors = texture.reshape(-1, texture.shape[3])
        if texture.shape[0] == 1:
            return colors.expand(uv.shape[0], -1)
        return colors.index_select(0, image)
    if texture.shape[0] == 1:
        return texture_at(texture, uv[None, None], footprint[None, None])[0, 0]
    counts = torch.bincount(image, minlength=batch).tolist()
    pieces = zip(texture.split(1), uv.split(counts), footprint.split(counts), strict=True)
    found = [texture_at(one, at[None, None], da[None, None])[0, 0] for one, at, da in pieces]
    return torch.cat(found)
