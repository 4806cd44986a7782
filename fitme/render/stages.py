"""The stages of `render` in torch, for any device, around a backend's own operations.
`fitme.render.backends.cpu.fused` has faster twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from fitme.runtime.constants import constant, constant_of

# of triangles seen: (their version, what `_offset` made of them by vertices and batch)
_OFFSETS: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


@dataclass(frozen=True)
class Points:
    """The geometry at N visible points."""

    position: Tensor  # [N,3]
    normal: Tensor  # [N,3] not of unit length
    tangent: Tensor | None  # [N,3]
    occlusion: Tensor | None  # [N,1]
    uv: Tensor  # [N,2]
    footprint: Tensor  # [N,4] du/dx, du/dy, dv/dx, dv/dy per pixel; no gradient
    face: Tensor  # [N] int64 triangle


def covered_pixels(rast: Tensor) -> Tensor:
    """rast [B,H,W,4] -> ascending indices [N] of the pixels that show something."""
    return (rast.detach()[..., 3].reshape(-1) > 0).nonzero()[:, 0]


def gather_points(
    interpolate: Callable[..., tuple[Tensor, Tensor]],
    rast: Tensor,
    rast_db: Tensor,
    pixels: Tensor,
    position: Tensor,
    normal: Tensor,
    tangent: Tensor | None,
    occlusion: Tensor | None,
    uv: Tensor,
    tri: Tensor,
    uv_tri: Tensor,
) -> Points:
    """position, normal [B,V,3], tangent [B,U,3], occlusion [1 or B,V,1], uv [U,2] at the listed
    pixels. interpolate: `Backend.interpolate`.

    The images' vertices are laid one after another, so that one list covers them all."""
    batch = rast.shape[0]
    points = rast.reshape(-1, 4).index_select(0, pixels)
    points_db = rast_db.reshape(-1, 4).index_select(0, pixels)
    face = points.detach()[:, 3].long() - 1
    image = pixels // (rast.shape[1] * rast.shape[2])
    if batch > 1:  # 0 stays: nothing is there
        shift = (image * tri.shape[0]).to(points) * (points[:, 3] > 0)
        points = torch.cat([points[:, :3], points[:, 3:] + shift[:, None]], dim=1)
    points = points[None, None]
    channels = [position, normal]
    if occlusion is not None:
        channels.append(occlusion.expand(batch, -1, 1))
    smooth = torch.cat(channels, dim=2)
    smooth, _ = interpolate(
        smooth.reshape(1, -1, smooth.shape[2]), points, _offset(tri, position.shape[1], batch)
    )
    mapped = uv.expand(batch, -1, 2)
    if tangent is not None:
        mapped = torch.cat([mapped, tangent], dim=2)
    mapped, footprint = interpolate(
        mapped.reshape(1, -1, mapped.shape[2]),
        points,
        _offset(uv_tri, uv.shape[0], batch),
        points_db[None, None],
        2,
    )
    return Points(
        smooth[0, 0, :, :3],
        smooth[0, 0, :, 3:6],
        None if tangent is None else mapped[0, 0, :, 2:],
        None if occlusion is None else smooth[0, 0, :, 6:],
        mapped[0, 0, :, :2],
        footprint[0, 0],
        face,
    )


def harmless(points: Points, empty: Tensor) -> Points:
    """The points of a whole picture with something to shade where nothing is (`empty` [N] bool):
    unit vectors, and places of the maps that are spread over them, as many points that look at one
    texel wait for each other in the backward pass."""
    nothing = empty[:, None]
    up, along = (constant(v, points.uv) for v in ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)))
    return replace(
        points,
        normal=torch.where(nothing, up, points.normal),
        tangent=None if points.tangent is None else torch.where(nothing, along, points.tangent),
        uv=torch.where(nothing, spread(points.uv), points.uv),
        face=points.face.clamp_min(0),
    )


def spread(uv: Tensor) -> Tensor:
    """As many places of a map as uv [N,2] has, evenly over it."""
    return constant_of(_spread, len(uv), like=uv)


def _spread(count: int) -> Tensor:
    """[count,2] in 0..1, by the golden ratio and the side of a square of so many."""
    index = torch.arange(count, dtype=torch.float64)
    return torch.stack(
        [(index * 0.6180339887498949) % 1, (index + 0.5) / max(count, 1)], -1
    ).float()


def _offset(triangles: Tensor, vertices: int, batch: int) -> Tensor:
    """[T,3] -> [B*T,3] for `batch` copies of the vertices; kept, as the range of indices is looked
    up once a tensor."""
    if batch == 1:
        return triangles
    version, copies = _OFFSETS.get(triangles, (-1, {}))
    if version != triangles._version:
        version, copies = triangles._version, {}
        _OFFSETS[triangles] = (version, copies)
    if (vertices, batch) not in copies:
        shift = torch.arange(batch, dtype=torch.int32, device=triangles.device) * vertices
        copies[vertices, batch] = (triangles[None] + shift[:, None, None]).reshape(-1, 3)
    return copies[vertices, batch]


def composite_whole(
    antialias: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None,
    diffuse: Tensor,
    specular: Tensor,
    empty: Tensor,
    background: Tensor | None,
    rast: Tensor,
    clip: Tensor,
    tri: Tensor,
) -> tuple[Tensor, Tensor]:
    """`composite` of a whole picture, where `empty` [N] bool says where nothing is."""
    shape = rast.shape[:3]
    lit = torch.cat([diffuse + specular, torch.ones_like(diffuse[:, :1])], dim=1)
    canvas = lit.masked_fill(empty[:, None], 0.0).reshape(*shape, 4)
    if background is not None:
        behind = background * empty.reshape(*shape, 1)
        canvas = torch.cat([canvas[..., :3] + behind, canvas[..., 3:]], dim=-1)
    if antialias is not None:
        canvas = antialias(canvas, rast, clip, tri)
    return canvas[..., :3], canvas[..., 3:]


def composite(
    antialias: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None,
    diffuse: Tensor,
    specular: Tensor,
    pixels: Tensor,
    background: Tensor | None,
    rast: Tensor,
    clip: Tensor,
    tri: Tensor,
) -> tuple[Tensor, Tensor]:
    """Points [N,3] -> color [B,H,W,3] over the background, alpha [B,H,W,1].
    antialias: `Backend.antialias`, or None for hard edges."""
    shape = rast.shape[:3]
    lit = torch.cat([diffuse + specular, torch.ones_like(diffuse[:, :1])], dim=1)
    canvas = lit.new_zeros(*shape, 4)
    if background is not None:
        canvas = torch.cat([background.expand(*shape, 3), canvas[..., 3:]], dim=-1)
    canvas = canvas.reshape(-1, 4).index_copy(0, pixels, lit).reshape(*shape, 4)
    if antialias is not None:
        canvas = antialias(canvas, rast, clip, tri)
    return canvas[..., :3], canvas[..., 3:]
