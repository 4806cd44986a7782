"""The operations every renderer backend offers, all but `depth` differentiable, and how to get
a backend.

The conventions are nvdiffrast's (Laine et al. 2020, 2011.03277): clip-space input, row 0 of an
image at y/w = -1, `rast` [B,H,W,4] = (u, v, z/w, triangle + 1) where 0 means nothing there and
u, v are the barycentric weights of the triangle's first two corners.
"""

from __future__ import annotations

import importlib.util
from typing import Protocol

import torch
from torch import Tensor

BACKENDS = ("cpu", "nvdiffrast")


class Rasterizer(Protocol):
    """Shapes: B images, V vertices, T triangles, C channels."""

    name: str

    def rasterize(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """clip [B,V,4], tri [T,3] int32, size (H,W) -> rast [B,H,W,4] and its pixel derivatives
        [B,H,W,4] = (du/dx, du/dy, dv/dx, dv/dy), which carry no gradient; u, v do."""
        ...

    def depth(self, clip: Tensor, tri: Tensor, size: tuple[int, int]) -> Tensor:
        """As `rasterize` -> z/w [B,H,W] of the nearest surface, inf where none; no gradient."""
        ...

    def interpolate(
        self, attr: Tensor, rast: Tensor, tri: Tensor, rast_db: Tensor | None = None, diff: int = 0
    ) -> tuple[Tensor, Tensor]:
        """attr [1 or B,V,C] -> [B,H,W,C] and, for the first `diff` channels, d/dx and d/dy per
        pixel [B,H,W,2*diff] (no gradient; needs rast_db)."""
        ...

    def texture(self, tex: Tensor, uv: Tensor, uv_da: Tensor | None = None) -> Tensor:
        """tex [1 or B,h,w,C], uv [B,H,W,2] (v = 0 is row 0, clamped), uv_da [B,H,W,4] =
        (du/dx, du/dy, dv/dx, dv/dy) or None for no mip-mapping -> [B,H,W,C], trilinear."""
        ...

    def antialias(self, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        """color [B,H,W,C] with analytic coverage at silhouettes; gradients to color and clip."""
        ...


def get_backend(name: str | None = None, device: torch.device | str | None = None) -> Rasterizer:
    """By name, or (None) the one that suits the device the tensors live on."""
    kind = torch.device(device or "cpu").type
    if name is None:
        name = "cpu" if kind == "cpu" else "nvdiffrast"
    if name == "cpu":
        if kind != "cpu":
            raise ValueError(f"the cpu renderer cannot draw tensors on {kind}; move them first")
        from fitme.render.backends.cpu.backend import CpuRasterizer

        return CpuRasterizer()
    if name == "nvdiffrast":
        if importlib.util.find_spec("nvdiffrast") is None:
            raise ModuleNotFoundError(
                "the nvdiffrast renderer needs the optional package nvdiffrast "
                "(https://github.com/NVlabs/nvdiffrast, non-commercial licence)"
            )
        if kind == "cpu":
            raise ValueError("the nvdiffrast renderer needs tensors on a GPU")
        from fitme.render.backends.nvdiffrast import NvdiffrastRasterizer

        return NvdiffrastRasterizer(torch.device(device or kind))
    raise ValueError(f"unknown renderer backend {name!r}; choose one of {', '.join(BACKENDS)}")


def check_clip(clip: Tensor, tri: Tensor, size: tuple[int, int]) -> None:
    """Raise ValueError for wrong shapes, indices out of range and values that are not finite."""
    if clip.ndim != 3 or clip.shape[2] != 4:
        raise ValueError(f"clip: wanted [B,V,4], got {list(clip.shape)}")
    check_triangles("tri", tri, clip.shape[1])
    if size[0] < 1 or size[1] < 1:
        raise ValueError(f"size: wanted positive (height, width), got {size}")
    if not torch.isfinite(clip).all():
        raise ValueError(f"clip {list(clip.shape)} has values that are not finite (NaN or inf)")


def check_triangles(name: str, tri: Tensor, vertices: int) -> None:
    """Raise ValueError unless tri is [T,3] with indices in 0..vertices-1."""
    if tri.ndim != 2 or tri.shape[1] != 3:
        raise ValueError(f"{name}: wanted [T,3], got {list(tri.shape)}")
    if tri.numel() and (int(tri.min()) < 0 or int(tri.max()) >= vertices):
        raise ValueError(
            f"{name} {list(tri.shape)}: indices must lie in 0..{vertices - 1}, "
            f"got {int(tri.min())}..{int(tri.max())}"
        )
