"""dlib's face recognition network in torch, with gradients to the pixels.

A residual network of 29 convolutions (after He et al. 2015, arXiv 1512.03385) that King trained on
about three million faces so that descriptors of one person lie less than 0.6 apart, those of
strangers further (http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html). Its
file is in the public domain (CC0) and comes in a package, so that nothing is downloaded by hand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fitme.learned.dlib_reader import Convolution, FaceNetwork
from fitme.learned.faces import DLIB, aligned_faces

SAME_PERSON = 0.6  # distance below which two faces count as one person's, by the network's author


class DlibNetwork(nn.Module):
    """The frozen network; scale and shift are folded into the convolutions before them."""

    mean: Tensor

    def __init__(self, read: FaceNetwork) -> None:
        super().__init__()
        self.size = read.size
        self.register_buffer("mean", torch.tensor(read.mean)[:, None, None])
        self.first = _Folded(read.first)
        self.blocks = nn.ModuleList(_Residual(*pair) for pair in read.blocks)
        self.last = nn.Linear(read.last.shape[0], read.last.shape[1], bias=False)
        with torch.no_grad():
            self.last.weight.copy_(torch.from_numpy(read.last).T)
        self.eval().requires_grad_(False)

    def forward(self, chips: Tensor) -> Tensor:
        """Descriptors [B,128] of chips [B,3,150,150], display-encoded RGB in 0..1."""
        x = (chips * 255 - self.mean) / 256
        x = F.max_pool2d(F.relu(self.first(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean((2, 3)))


class _Folded(nn.Conv2d):
    """A convolution with the affine layer after it."""

    def __init__(self, read: Convolution) -> None:
        given, taken, side, _ = read.weight.shape
        super().__init__(taken, given, side, read.stride, read.padding)
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(read.weight * read.scale[:, None, None, None]))
            assert self.bias is not None
            self.bias.copy_(torch.from_numpy(read.bias * read.scale + read.shift))


class _Residual(nn.Module):
    """Two convolutions and a short cut; where they halve the picture the short cut is averaged.
    The smaller of the two, in channels and in size, is filled up with zeros."""

    def __init__(self, inner: Convolution, outer: Convolution) -> None:
        super().__init__()
        self.halves = inner.stride == 2
        self.inner, self.outer = _Folded(inner), _Folded(outer)

    def forward(self, x: Tensor) -> Tensor:
        y = self.outer(F.relu(self.inner(x)))
        if self.halves:
            x = F.avg_pool2d(x, 2)
        sizes = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
        return F.relu(_filled(x, sizes) + _filled(y, sizes))


def _filled(x: Tensor, sizes: list[int]) -> Tensor:
    """x [B,C,H,W] with zeros behind each dimension up to `sizes`."""
    missing = [wanted - found for wanted, found in zip(sizes, x.shape[1:], strict=True)]
    if not any(missing):
        return x
    return F.pad(x, [0, missing[2], 0, missing[1], 0, missing[0]])


class DlibFace:
    """Gradients reach the pictures; the network itself is frozen. See `FaceFeatures`."""

    name = "dlib"
    differentiable = True

    def __init__(self, network: DlibNetwork) -> None:
        self.network = network

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Descriptors [B,128], of about length 1.4, not made unit: the author's limit of 0.6 is
        for their distance as it is."""
        return self.network(aligned_faces(images, landmarks, DLIB))

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Squared distance [B]: 0.36 is the limit between one person and two."""
        return (first - second).square().sum(-1)
