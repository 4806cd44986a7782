"""CPU antialiasing: the silhouette pairs, and the torch function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_antialias as kernels
from fitme.render.backends.cpu.parallel import ROW_CHUNKS, array, run_chunks
from fitme.runtime.kept import kept_with


@dataclass(frozen=True)
class Pairs:
    """The n pixel pairs across silhouettes of one image batch."""

    pixels: np.ndarray  # [n,4] int32: front and back pixel, the edge's vertices in B*V
    distance: np.ndarray  # [n] of the edge from the front centre, 0..1 pixels
    points: np.ndarray  # [B*V,3] vertices on the screen, and w
    size: tuple[int, int]

    def apply(self, color: np.ndarray) -> np.ndarray:
        """Antialias color [P,C] in place; returns what `backward` needs."""
        difference = np.empty((len(self.distance), color.shape[1]), color.dtype)
        kernels.apply_pairs(self.pixels, self.distance, color, difference)
        return difference

    def backward(self, grad: np.ndarray, difference: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """Gradient [P,C] before `apply`; adds to slope [n], the gradient of the distances."""
        before = grad.copy()
        kernels.apply_pairs_backward(self.pixels, self.distance, difference, grad, before, slope)
        return before

    def clip_gradient(self, clip: Tensor, slope: np.ndarray) -> Tensor:
        grad_clip = torch.zeros_like(clip, memory_format=torch.contiguous_format)
        kernels.distance_backward(
            self.pixels,
            slope,
            self.points,
            array(clip, -1, 4),
            self.size[1],
            self.size[0],
            array(grad_clip, -1, 4),
        )
        return grad_clip


def find_pairs(rast: Tensor, clip: Tensor, tri: Tensor) -> Pairs:
    """rast [B,H,W,4], clip [B,V,4], tri [T,3] int32 -> the pairs to blend."""
    batch, height, width, _ = rast.shape
    vertices, rows = clip.shape[1], batch * height
    faces = array(tri)
    neighbors = kept_with(
        tri, ("neighbors", tri._version, vertices), lambda: kernels.edge_neighbors(faces, vertices)
    )
    points = np.empty((batch * vertices, 3), np.float64)
    run_chunks(kernels.screen_points, len(points), array(clip, -1, 4), height, width, points)
    counts = np.empty(rows, np.int32)
    pixels = np.empty((rows, 2 * width, 2), np.int32)
    edges = np.empty((rows, 2 * width, 2), np.int32)
    distance = np.empty((rows, 2 * width), np.float64)
    run_chunks(
        kernels.find_pairs,
        rows,
        array(rast, -1, 4),
        points,
        faces,
        neighbors,
        vertices,
        height,
        width,
        counts,
        pixels,
        edges,
        distance,
        chunks=ROW_CHUNKS,
    )
    total = int(counts.sum())
    pairs, flat = np.empty((total, 4), np.int32), np.empty(total, np.float64)
    kernels.compress(counts, pixels, edges, distance, pairs, flat)
    return Pairs(pairs, flat, points, (height, width))


def antialias(color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
    """See `Rasterizer.antialias`; tri int32."""
    return _Antialias.apply(color, rast, clip, tri)


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, color: Tensor, rast: Tensor, clip: Tensor, tri: Tensor) -> Tensor:
        pairs = find_pairs(rast, clip, tri)
        out = color.detach().clone(memory_format=torch.contiguous_format)
        ctx.save_for_backward(clip)
        ctx.pairs, ctx.difference = pairs, pairs.apply(array(out, -1, color.shape[3]))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (clip,) = ctx.saved_tensors
        slope = np.zeros(len(ctx.pairs.distance))
        grad = array(grads[0], -1, grads[0].shape[3])
        before = ctx.pairs.backward(grad, ctx.difference, slope)
        grad_color = torch.from_numpy(before).reshape(grads[0].shape)
        return grad_color, None, ctx.pairs.clip_gradient(clip, slope), None
