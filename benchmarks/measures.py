"""What a fit is measured by: surface distance, albedo, tone, normals, PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import cKDTree
from torch import Tensor

from fitme.color import linear_to_srgb, luminance

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
    fitted: Tensor, truth: Tensor, triangles: Tensor, nose_tip: int, rounds: int = 6
) -> float:
    """Mean distance in mm from the true face, within NOSE_RADIUS of the tip of the nose, to the
    fitted surface after similarity alignment (corresponding points first, then nearest ones).

    Vertices [V,3]; both meshes have `triangles` [T,3].
    """
    own, true, mesh = fitted.double().numpy(), truth.double().numpy(), triangles.numpy()
    used = np.zeros(len(true), bool)
    used[mesh] = True
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


def lab(linear: Tensor) -> Tensor:
    """CIE L*a*b* (D65) of linear sRGB [...,3]."""
    to_xyz = linear.new_tensor(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / linear.new_tensor([0.9505, 1.0, 1.089])
    f = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def typology_angle(albedo: Tensor, weight: Tensor) -> float:
    """Individual typology angle in degrees of the mean skin colour; albedo [R,R,3] linear."""
    mean = (albedo * weight[..., None]).sum((0, 1)) / weight.sum()
    light, _, yellow = lab(mean).tolist()
    return math.degrees(math.atan2(light - 50, yellow))


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


def ssim(a: Tensor, b: Tensor, weight: Tensor, sigma: float = 1.5) -> float:
    """Mean structural similarity (Wang et al. 2004) of display-encoded luminance within weight."""
    x, y = (linear_to_srgb(luminance(v.clamp(0, 1)))[None, None] for v in (a, b))
    axis = torch.arange(-5, 6).to(x)
    kernel = torch.exp(-axis.square() / (2 * sigma**2))
    kernel = (kernel[:, None] * kernel) / kernel.sum() ** 2

    def blur(v: Tensor) -> Tensor:
        return F.conv2d(F.pad(v, (5, 5, 5, 5), mode="replicate"), kernel[None, None])

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    value = (2 * mx * my + 1e-4) * (2 * vxy + 9e-4)
    value = value / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))
    return float((value[0, 0] * weight).sum() / weight.sum().clamp_min(1))


def normal_angle(a: Tensor, b: Tensor, weight: Tensor) -> float:
    """Mean angle in degrees between unit vectors [n,n,3] within weight [n,n]."""
    angle = (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(-1).clamp(-1, 1).arccos()
    return math.degrees(float((angle * weight).sum() / weight.sum().clamp_min(1)))
