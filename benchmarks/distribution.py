"""Distances of two samples: kernel, Fréchet, precision and recall, and in one dimension.

Pure functions of tensors [N,D] (or [N]) that compute in double precision.
"""

from __future__ import annotations

import torch
from torch import Tensor


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Squared maximum mean discrepancy of [N,D] and [M,D] under (x.y / D + 1)^3.

    The unbiased estimator: 0 on average, and below it half of the time, for samples of one
    distribution. Binkowski et al. 2018 (arXiv 1801.01401), section 3; the kernel of KID.
    """
    x, y = first.double(), second.double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        values, count = kernel(a, a), len(a)
        return (values.sum() - values.diagonal().sum()) / (count * (count - 1))

    return float(within(x) + within(y) - 2 * kernel(x, y).mean())


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Squared 2-Wasserstein distance of the normal distributions fitted to [N,D] and [M,D].

    |m - n|^2 + tr(S + T - 2 (S T)^(1/2)) (Dowson and Landau 1982; Heusel et al. 2017). Biased
    upwards, the more the smaller N: compare only at one N, beside the value of two true samples.
    """
    x, y = first.double(), second.double()
    mean = (x.mean(0) - y.mean(0)).square().sum()
    s, t = (torch.atleast_2d(torch.cov(v.T)) for v in (x, y))
    values, axes = torch.linalg.eigh(s)
    root = (axes * values.clamp_min(0).sqrt()) @ axes.T
    # root t root is symmetric and has the eigenvalues of s t.
    cross = torch.linalg.eigvalsh(root @ t @ root).clamp_min(0).sqrt().sum()
    return float(mean + s.trace() + t.trace() - 2 * cross)


def precision_recall(real: Tensor, made: Tensor, k: int = 3) -> tuple[float, float]:
    """Shares of `made` [M,D] within the manifold of `real` [N,D], and of `real` within `made`'s.

    A manifold is the union of balls about its points that reach to the k-th nearest neighbour
    (Kynkäänniemi et al. 2019, arXiv 1904.06991, eq. 1 and 2).
    """
    x, y = real.double(), made.double()

    def distances(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")

    def radii(points: Tensor) -> Tensor:
        if len(points) <= k:
            raise ValueError(f"{len(points)} points have no {k} neighbours each")
        return distances(points, points).kthvalue(k + 1, dim=1).values  # itself is the nearest

    between = distances(x, y)
    precision = (between <= radii(x)[:, None]).any(0).double().mean()
    recall = (between <= radii(y)[None]).any(1).double().mean()
    return float(precision), float(recall)


def wasserstein(first: Tensor, second: Tensor) -> float:
    """Wasserstein-1 distance of numbers [N] and [M]: the area between their distributions."""
    x, y = first.double().sort().values, second.double().sort().values
    both = torch.cat([x, y]).sort().values
    shares = [torch.searchsorted(v, both[:-1], right=True) / len(v) for v in (x, y)]
    return float(((shares[0] - shares[1]).abs() * both.diff()).sum())


def histogram(values: Tensor, edges: Tensor) -> Tensor:
    """Shares [B] of numbers [N] between edges [B+1]; what lies outside counts to the ends."""
    inside = torch.bucketize(values.double(), edges[1:-1].double(), right=True)
    return torch.bincount(inside, minlength=len(edges) - 1).double() / len(values)


def histogram_overlap(first: Tensor, second: Tensor) -> float:
    """Common area of two histograms of shares [B]: 1 for equal, 0 for disjoint ones."""
    return float(torch.minimum(first, second).sum())


def histogram_coverage(real: Tensor, made: Tensor, least: float = 0.1) -> float:
    """Share of the bins filled by `real` [B] in which `made` has `least` times as much, or more."""
    filled = real > 0
    return float((made[filled] >= least * real[filled]).double().mean())
