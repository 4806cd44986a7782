"""What a fit is measured by: surface distance, albedo, tone, normals, PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from scipy.spatial import cKDTree
from torch import Tensor

from fitme.fit.judge.likeness import ssim as similarity_map
from fitme.image.color import individual_typology_angle, linear_to_srgb, luminance

NOSE_RADIUS = 0.095  # metres around the tip of the nose, as in NoW-style evaluations


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation [3,3], translation [3] that take points [N,3] onto others (Umeyama 1991)."""
    a, b = source.mean(0), target.mean(0)
    u, value, vt = np.linalg.svd((target - b).T @ (source - a))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = float((value * np.diag(sign)).sum() / np.square(source - a).sum())
    return scale, rotation, b - scale * rotation @ a


def sampled_surface(vertices: np.ndarray, triangles: np.ndarray, spacing: float) -> np.ndarray:
    """Points [M,3] about `spacing` metres apart on a mesh, its vertices included."""
    corners = vertices[triangles]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(1)
    steps = np.clip(np.ceil(longest / spacing).astype(int), 1, 12)
    points = [vertices]
    for n in np.unique(steps):
        i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
        inside = (i + j) <= n
        weight = np.stack([i[inside], j[inside], n - i[inside] - j[inside]], -1) / n
        points.append((weight[None] @ corners[steps == n]).reshape(-1, 3))
    return np.concatenate(points)


def surface_error(
    fitted: Tensor, truth: Tensor, triangles: Tensor, nose_tip: int, rounds: int = 6,
    counted: np.ndarray | None = None,
) -> float:  # fmt: skip
    """Mean distance in mm from the true face, within NOSE_RADIUS of the tip of the nose, to the
    fitted surface after similarity alignment (corresponding points first, then nearest ones).

    Vertices [V,3]; both meshes have `triangles` [T,3]. `counted` [V] bool are the vertices whose
    true place is known, all where None.
    """
    own, true, mesh = fitted.double().numpy(), truth.double().numpy(), triangles.numpy()
    used = np.zeros(len(true), bool)
    used[mesh] = True
    if counted is not None:
        used &= counted
    near = used & (np.linalg.norm(true - true[nose_tip], axis=1) < NOSE_RADIUS)
    scale, rotation, shift = similarity(own[near], true[near])
    placed = scale * own @ rotation.T + shift
    for _ in range(rounds):
        reach = np.linalg.norm(placed - true[nose_tip], axis=1) < 1.3 * NOSE_RADIUS
        kept = mesh[reach[mesh].all(1)]
        surface = sampled_surface(placed, kept, 0.0008)
        distance, index = cKDTree(surface).query(true[near])
        scale, rotation, shift = similarity(surface[index], true[near])
        placed = scale * placed @ rotation.T + shift
    return float(distance.mean() * 1000)


def typology_angle(albedo: Tensor, weight: Tensor) -> float:
    """Individual typology angle in degrees of the mean skin colour; albedo [R,R,3] linear."""
    mean = (albedo * weight[..., None]).sum((0, 1)) / weight.sum()
    return float(individual_typology_angle(mean))


def albedo_error(fitted: Tensor, truth: Tensor, weight: Tensor) -> tuple[float, float]:
    """Mean |ln ratio| after one global scale, and PSNR in sRGB without one; [R,R,3], [R,R]."""
    ratio = fitted.clamp_min(1e-3).log() - truth.clamp_min(1e-3).log()
    wide = weight[..., None].expand_as(ratio)
    ratio = ratio - ratio[wide > 0.5].median()
    error = float((ratio.abs() * wide).sum() / wide.sum())
    return error, psnr(fitted, truth, weight)


def psnr(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Display-encoded PSNR in dB of linear pictures [n,n,3] within weight [n,n]."""
    miss = (linear_to_srgb(a.clamp(0, 1)) - linear_to_srgb(b.clamp(0, 1))).square().mean(-1)
    return -10 * math.log10(max(float((miss * weight).sum() / weight.sum().clamp_min(1)), 1e-9))


def ssim(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Mean structural similarity of display-encoded luminance within weight [n,n]."""
    x, y = (linear_to_srgb(luminance(v.clamp(0, 1)))[None, None] for v in (a, b))
    return float((similarity_map(x, y)[0, 0] * weight).sum() / weight.sum().clamp_min(1))


def normal_angle(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Mean angle in degrees between unit vectors [n,n,3] within weight [n,n]."""
    angle = (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(-1).clamp(-1, 1).arccos()
    return math.degrees(float((angle * weight).sum() / weight.sum().clamp_min(1)))
