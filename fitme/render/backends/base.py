"""What a renderer backend is: five operations of its own, and the stages of `render` built on
them in torch, any of which it may do faster.

The conventions are nvdiffrast's (Laine et al. 2020, 2011.03277): clip-space input, row 0 of an
image at y/w = -1, `rast` [B,H,W,4] = (u, v, z/w, triangle + 1) where 0 means nothing there and
u, v are the barycentric weights of the triangle's first two corners.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

from torch import Tensor

from fitme.render import geometry, maps, shading, stages
from fitme.render.scene import Material
from fitme.runtime.progress import Progress


class Backend(ABC):
    """Shapes: B images, V vertices, U texture vertices, T triangles, N visible points, C channels.

    All but `depth` and `covered_pixels` are differentiable. `fitme.render.backends.registry`
    names the backends and makes one of each for a device.
    """

    name: ClassVar[str]

    @abstractmethod
    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """clip [B,V,4], tri [T,3] int32, size (H,W) -> rast [B,H,W,4] and its pixel derivatives
        [B,H,W,4] = (du/dx, du/dy, dv/dx, dv/dy), which carry no gradient; u, v do."""

    @abstractmethod
    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        """As `rasterize` -> z/w [B,H,W] of the nearest surface, inf where none; no gradient."""

    @abstractmethod
    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        """attr [1 or B,V,C] -> [B,H,W,C] and, for the first `diff` channels, d/dx and d/dy per
        pixel [B,H,W,2*diff] (no gradient; needs rast_db)."""

    @abstractmethod
    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        """tex [1 or B,h,w,C], uv [B,H,W,2] (v = 0 is row 0, clamped), uv_da [B,H,W,4] =
        (du/dx, du/dy, dv/dx, dv/dy) or None for no mip-mapping -> [B,H,W,C], trilinear."""

    @abstractmethod
    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        """color [B,H,W,C] with analytic coverage at silhouettes; gradients to color and clip."""

    def reporting(self, progress: Progress) -> AbstractContextManager[None]:
        """A context in which the backend tells of what it has to compile; by default nothing."""
        return nullcontext()

    def vertex_normals(self, vertices: Tensor, triangles: Tensor) -> Tensor:
        """[B,V,3], [T,3] -> unit normals [B,V,3]: `geometry.vertex_normals`."""
        return geometry.vertex_normals(vertices, triangles)

    def uv_tangents(
        self, vertices: Tensor, triangles: Tensor, uv: Tensor, uv_triangles: Tensor
    ) -> Tensor:
        """[B,V,3], [T,3], [U,2], [T,3] -> unit tangents [B,U,3]: `geometry.uv_tangents`."""
        return geometry.uv_tangents(vertices, triangles, uv, uv_triangles)

    def covered_pixels(self, rast: Tensor) -> Tensor:
        """rast [B,H,W,4] -> ascending indices [N] int64 of the pixels that show something."""
        return stages.covered_pixels(rast)

    def gather_points(
        self,
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
    ) -> stages.Points:
        """Vertices' position and normal [B,V,3], tangent [B,U,3], occlusion [V,1] and uv [U,2] at
        the pixels [N]; tri, uv_tri [T,3] int32."""
        return stages.gather_points(
            self.interpolate,
            rast,
            rast_db,
            pixels,
            position,
            normal,
            tangent,
            occlusion,
            uv,
            tri,
            uv_tri,
        )

    def look_up(
        self,
        materials: Sequence[Material],
        points: stages.Points,
        part: Tensor,
        image: Tensor,
        batch: int,
    ) -> maps.Maps:
        """The materials' maps at the points; part [T], image [N]: `maps.look_up`."""
        return maps.look_up(self.sample_maps, materials, points, part, image, batch)

    def sample_maps(
        self,
        textures: Mapping[str, Tensor],
        uv: Tensor,
        footprint: Tensor,
        image: Tensor,
        batch: int,
    ) -> dict[str, Tensor]:
        """Each texture [1 or B,h,w,C] at points uv [N,2] with footprint [N,4] -> [N,C]."""
        return {
            name: maps.sample_map(self.texture, texture.to(uv), uv, footprint, image, batch)
            for name, texture in textures.items()
        }

    def shade(
        self, surface: shading.Surface, light: shading.LightTensors, eye: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Diffuse and specular radiance and the shading normal, each [N,3]: `shading.shade`."""
        return shading.shade(surface, light, eye)

    def composite(
        self,
        diffuse: Tensor,
        specular: Tensor,
        pixels: Tensor,
        background: Tensor | None,
        rast: Tensor,
        clip: Tensor,
        tri: Tensor,
        antialias: bool,
    ) -> tuple[Tensor, Tensor]:
        """Points [N,3] -> color [B,H,W,3] over the background [1 or B,H,W,3], alpha [B,H,W,1]."""
        smooth = self.antialias if antialias else None
        return stages.composite(smooth, diffuse, specular, pixels, background, rast, clip, tri)
