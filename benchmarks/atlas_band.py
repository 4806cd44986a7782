"""Detail of a certain size on the atlas, measured in millimetres of the head and not in texels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

FULL_WIDTH = 2.3548  # of a Gaussian at half its height, in standard deviations
REACH = 2.5  # standard deviations at which its tail is cut off
COARSE = 2  # texels a side that the wide mean takes together


class AtlasBand:
    """What is larger than `low` and smaller than `high` mm: the difference of two Gaussian means
    of those full widths at half height, over texels whose distance is measured through space.

    positions [R,R,3] in mm of the skin; weight [R,R]: texels with 0 have no value and count for
    nothing. R is even.
    """

    def __init__(
        self, positions: Tensor, weight: Tensor, low: float = 2.0, high: float = 15.0
    ) -> None:
        self.weight = weight
        size = len(weight)
        counted = weight > 0
        self._at = counted.flatten().nonzero()[:, 0]
        share = weight.double().flatten()[self._at].numpy()
        points = positions.double().reshape(-1, 3)[self._at].numpy()
        row, column = self._at // size, self._at % size
        cell = (row // COARSE) * (size // COARSE) + column // COARSE
        _, group = np.unique(cell.numpy(), return_inverse=True)
        # The wide mean looks up cells of a few texels: their weighted middles and sums.
        total = np.bincount(group, share)
        centres = np.stack([np.bincount(group, share * x) / total for x in points.T], 1)
        self._cells = csr_matrix((share, (group, np.arange(len(share)))))
        self._fine = _gaussian(points, points, low / FULL_WIDTH)
        self._wide = _gaussian(points, centres, high / FULL_WIDTH)
        self._share = share
        self._norms = self._fine @ share, self._wide @ total

    def __call__(self, values: Tensor) -> Tensor:
        """Values [R,R] -> what of them is in the band, [R,R]; 0 where the weight is."""
        flat = values.double().flatten()
        x = flat[self._at].numpy()
        near = self._fine @ (self._share * x) / self._norms[0]
        far = self._wide @ (self._cells @ x) / self._norms[1]
        out = torch.zeros_like(flat)
        out[self._at] = torch.from_numpy(near - far)
        return out.reshape(values.shape).to(values.dtype)


def _gaussian(at: NDArray[np.float64], of: NDArray[np.float64], sigma: float) -> csr_matrix:
    """Weights [len(at), len(of)] of points by their distance in mm."""
    pairs = cKDTree(at).sparse_distance_matrix(cKDTree(of), REACH * sigma, output_type="coo_matrix")
    pairs.data = np.exp(-0.5 * (pairs.data / sigma) ** 2)
    return pairs.tocsr()
