"""Look up the materials' maps at the visible points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fitme.render.scene import Material
from fitme.render.stages import Points


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


def look_up_masked(
    sample: Sampler,
    materials: Sequence[Material],
    points: Points,
    part: Tensor,
    image: Tensor,
    batch: int,
) -> Maps:
    """As `look_up`, but each material is looked up at all points, with image -1 where the point
    has another: nothing here has a size that the host must wait for."""
    bumpy = any(material.normal is not None for material in materials)
    own = part.long().index_select(0, points.face)[:, None]
    channels = max(material.specular_albedo.shape[3] for material in materials)
    joined: Maps | None = None
    for index, material in enumerate(materials):
        here = own == index
        listed = image if len(materials) == 1 else torch.where(here[:, 0], image, -1)
        found = _look_up_one(sample, material, points.uv, points.footprint, listed, batch, bumpy)
        found = replace(found, specular=found.specular.expand(-1, channels))
        joined = found if joined is None else _where(here, found, joined)
    assert joined is not None
    return joined


def _where(here: Tensor, one: Maps, other: Maps) -> Maps:
    """One's values at the points [N,1] `here`, the other's elsewhere."""
    bump = None
    if one.bump is not None and other.bump is not None:
        bump = torch.where(here, one.bump, other.bump)
    return Maps(
        torch.where(here, one.albedo, other.albedo),
        torch.where(here, one.specular, other.specular),
        bump,
        torch.where(here, one.roughness, other.roughness),
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
        flat = uv.new_zeros(1, 3)
        flat[:, 2] = 1.0  # filled in where it is: a GPU need not wait for it
        found["bump"] = flat.expand(uv.shape[0], 3)
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
