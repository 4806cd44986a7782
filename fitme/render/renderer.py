"""Draw a textured, lit mesh, differentiably in everything that is a float tensor.

Only covered pixels are shaded: they are gathered into one list of N points (over all images),
looked up, shaded, and put back into the image, whose silhouettes are then antialiased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fitme.render import stages
from fitme.render.backends.base import Backend
from fitme.render.backends.registry import get_backend
from fitme.render.camera import Camera
from fitme.render.checks import all_finite, as_int32, check_parts
from fitme.render.geometry import bitangent_signs
from fitme.render.light import Light
from fitme.render.scene import Material, Mesh
from fitme.render.shading import Surface
from fitme.render.shadows import cast_shadows, shaded_by
from fitme.render.transfer import visibility
from fitme.runtime.constants import constant_of

__all__ = ["Material", "Mesh", "RenderOutput", "render"]


@dataclass(frozen=True)
class RenderOutput:
    """B images of H x W. Beyond color and alpha, images are made when first asked for; they
    are not antialiased and zero where nothing is."""

    color: Tensor  # [B,H,W,3] linear, composited over the background (zero: premultiplied)
    alpha: Tensor  # [B,H,W,1] antialiased coverage
    rast: Tensor  # [B,H,W,4] u, v, z/w, triangle + 1
    pixels: Tensor  # [N] int64, covered pixels as indices into B*H*W
    face_points: Tensor  # [N] int64 triangle
    triangle_parts: Tensor  # [T] int, the mesh's parts
    diffuse_points: Tensor  # [N,3] diffuse radiance
    specular_points: Tensor  # [N,3] specular radiance
    normal_points: Tensor  # [N,3] world
    albedo_points: Tensor  # [N,3]
    uv_points: Tensor  # [N,2]
    position_points: Tensor  # [N,3] world
    empty: Tensor | None = None  # [N] bool of a `whole` picture: nothing is there

    def image(self, points: Tensor, fill: float = 0.0) -> Tensor:
        """Values of the N covered points [N,C] -> [B,H,W,C]."""
        batch, height, width, _ = self.rast.shape
        if self.empty is not None:
            shown = points.masked_fill(self.empty[:, None], fill)
            return shown.reshape(batch, height, width, -1)
        flat = points.new_full((batch * height * width, points.shape[1]), fill)
        return flat.index_copy(0, self.pixels, points).reshape(batch, height, width, -1)

    @cached_property
    def diffuse(self) -> Tensor:
        """[B,H,W,3] diffuse radiance."""
        return self.image(self.diffuse_points)

    @cached_property
    def specular(self) -> Tensor:
        """[B,H,W,3] specular radiance."""
        return self.image(self.specular_points)

    @cached_property
    def normal(self) -> Tensor:
        """[B,H,W,3] shading normals in the world."""
        return self.image(self.normal_points)

    @cached_property
    def albedo(self) -> Tensor:
        """[B,H,W,3] diffuse albedo."""
        return self.image(self.albedo_points)

    @cached_property
    def uv(self) -> Tensor:
        """[B,H,W,2] texture coordinates."""
        return self.image(self.uv_points)

    @cached_property
    def position(self) -> Tensor:
        """[B,H,W,3] surface points in the world."""
        return self.image(self.position_points)

    @cached_property
    def part_points(self) -> Tensor:
        """[N] int64, the material of each point."""
        return self.triangle_parts.long().index_select(0, self.face_points)

    @cached_property
    def part(self) -> Tensor:
        """[B,H,W] int64, the material of each pixel, -1 for none."""
        return self.image(self.part_points[:, None] + 1)[..., 0] - 1


def render(
    mesh: Mesh,
    materials: Sequence[Material],
    camera: Camera,
    light: Light,
    *,
    backend: str | Backend | None = None,
    background: Tensor | None = None,
    antialias: bool = True,
    shadows: bool | None = None,
    whole: bool = False,
) -> RenderOutput:
    """mesh and camera of B images (either may have batch 1, then it is shared), light of 1 or B,
    background [1 or B,H,W,3] or None for black. With `shadows` the mesh shades itself from
    all directional and point lights, by default (None) from as many as the light `casts` and where
    its `reached` says so; where a shadow falls carries no gradient.

    `whole` takes every pixel as a point, those with nothing there too: more work, but a GPU's host
    need not wait to hear how many are covered. Not together with `shadows`."""
    device = mesh.vertices.device
    ops = backend if isinstance(backend, Backend) else get_backend(backend, device)
    batch = max(mesh.vertices.shape[0], camera.batch)
    mesh = _expand(mesh, batch)
    _check_scene(mesh, materials, camera, batch)
    size = (camera.height, camera.width)
    clip = camera.to_clip(mesh.vertices)
    triangles = as_int32(mesh.triangles)
    rast, rast_db = ops.rasterize(clip, triangles, size)
    empty = rast.detach()[..., 3].reshape(-1) <= 0 if whole else None
    pixels = whole_picture(rast) if whole else ops.covered_pixels(rast)
    image = pixels // (size[0] * size[1]) if batch > 1 else torch.zeros_like(pixels)

    bumpy = any(material.normal is not None for material in materials)
    lights = light.to(device).expand(batch).tensors()
    points = _points(ops, mesh, rast, rast_db, pixels, bumpy, lights[0])
    if empty is not None:
        points = stages.harmless(points, empty)
    maps = ops.look_up(materials, points, mesh.part, image, batch)
    sign = None
    if bumpy:
        signs = bitangent_signs(mesh.uv.to(points.uv), mesh.uv_triangles)
        sign = signs.index_select(0, points.face)[:, None]
    surface = Surface(
        position=points.position,
        normal=points.normal,
        tangent=points.tangent,
        sign=sign,
        bump=maps.bump,
        albedo=maps.albedo,
        specular=maps.specular,
        roughness=maps.roughness,
        occlusion=points.occlusion,
        image=image,
    )
    eye = camera.position.expand(batch, 3)
    diffuse, specular, normal = ops.shade(surface, lights, eye)
    lamps = light.casts if shadows is None else None if shadows else 0
    if lamps != 0:
        diffuse, specular = cast_shadows(
            ops, mesh, surface, lights, eye, (diffuse, specular, normal), max(size), lamps
        )
    elif mesh.reached is not None and shadows is None:
        corners = points.face, rast.detach().reshape(-1, 4).index_select(0, pixels)[:, :2]
        diffuse, specular = shaded_by(
            ops, mesh, surface, lights, eye, (diffuse, specular, normal), corners
        )
    if background is not None:
        background = background.to(diffuse)
    if empty is None:
        color, alpha = ops.composite(
            diffuse, specular, pixels, background, rast, clip, triangles, antialias
        )
    else:
        smooth = ops.antialias if antialias else None
        color, alpha = stages.composite_whole(
            smooth, diffuse, specular, empty, background, rast, clip, triangles
        )
    return RenderOutput(
        color=color,
        alpha=alpha,
        rast=rast,
        pixels=pixels,
        face_points=points.face,
        triangle_parts=mesh.part,
        diffuse_points=diffuse,
        specular_points=specular,
        normal_points=normal,
        albedo_points=surface.albedo,
        uv_points=points.uv,
        position_points=surface.position,
        empty=empty,
    )


def whole_picture(rast: Tensor) -> Tensor:
    """Indices [B*H*W] int64 of all pixels."""
    batch, height, width, _ = rast.shape
    return constant_of(torch.arange, batch * height * width, like=rast.new_empty(0).long())


def _points(
    ops: Backend, mesh: Mesh, rast: Tensor, rast_db: Tensor, pixels: Tensor, bumpy: bool, sh: Tensor
) -> stages.Points:
    """Positions, normals, tangents, visibility of the light and uv at the visible pixels."""
    triangles, uv_triangles = as_int32(mesh.triangles), as_int32(mesh.uv_triangles)
    uv = mesh.uv.detach().to(mesh.vertices)
    normals = ops.vertex_normals(mesh.vertices, triangles)
    occlusion = None if mesh.occlusion is None else mesh.occlusion.to(uv)[None, :, None]
    if mesh.transfer is not None:
        occlusion = visibility(mesh.transfer.to(uv), sh.to(uv))[..., None]
    tangents = ops.uv_tangents(mesh.vertices, triangles, uv, uv_triangles) if bumpy else None
    return ops.gather_points(
        rast,
        rast_db,
        pixels,
        mesh.vertices,
        normals,
        tangents,
        occlusion,
        uv,
        triangles,
        uv_triangles,
    )


def _expand(mesh: Mesh, batch: int) -> Mesh:
    if mesh.vertices.shape[0] == batch:
        return mesh
    return replace(mesh, vertices=mesh.vertices.expand(batch, -1, -1))


def _check_scene(mesh: Mesh, materials: Sequence[Material], camera: Camera, batch: int) -> None:
    for name, count in (("vertices", mesh.vertices.shape[0]), ("camera", camera.batch)):
        if count not in (1, batch):
            raise ValueError(f"{name} has batch {count}, wanted 1 or {batch}")
    if not all_finite(mesh.vertices):
        raise ValueError(f"vertices {list(mesh.vertices.shape)} have values that are not finite")
    check_parts(mesh.part, len(materials))
