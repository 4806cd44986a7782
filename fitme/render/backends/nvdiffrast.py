"""The nvdiffrast backend: the same operations on a GPU. Optional and imported lazily;
nvdiffrast is not on the package index and its licence is non-commercial."""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.render.backends.base import Backend
from fitme.render.checks import check_clip
from fitme.render.maps import mip_levels


class NvdiffrastBackend(Backend):
    """Holds nothing but nvdiffrast's rasterization context, which is costly to make."""

    name = "nvdiffrast"

    def __init__(self, device: torch.device) -> None:
        import nvdiffrast.torch as dr

        self._dr = dr
        self._context = dr.RasterizeCudaContext(device=device)

    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        check_clip(clip, tri, size)
        rast, rast_db = self._dr.rasterize(
            self._context, clip.contiguous(), tri.int().contiguous(), resolution=list(size)
        )
        return rast, rast_db.detach()

    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        rast, _ = self.rasterize(clip.detach(), tri, size)
        return torch.where(rast[..., 3] > 0, rast[..., 2], torch.inf)

    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        attr, tri = attr.contiguous(), tri.int().contiguous()
        if diff == 0:
            out, _ = self._dr.interpolate(attr, rast.contiguous(), tri)
            return out, rast.new_zeros(*rast.shape[:3], 0)
        out, out_da = self._dr.interpolate(
            attr, rast.contiguous(), tri, rast_db=rast_db, diff_attrs=list(range(diff))
        )
        return out, out_da.detach()

    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        tex, uv = tex.contiguous(), uv.contiguous()
        if uv_da is None:
            return self._dr.texture(tex, uv, filter_mode="linear", boundary_mode="clamp")
        return self._dr.texture(
            tex,
            uv,
            uv_da=uv_da.detach().contiguous(),
            filter_mode="linear-mipmap-linear",
            boundary_mode="clamp",
            max_mip_level=mip_levels(tex.shape[1], tex.shape[2]),
        )

    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        return self._dr.antialias(
            color.contiguous(), rast.contiguous(), clip.contiguous(), tri.int().contiguous()
        )
