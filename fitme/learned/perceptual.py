"""LPIPS (Zhang et al. 2018, arXiv 1801.03924) as a loss between display-encoded pictures.

The linear heads come with the package `lpips`; the backbone is downloaded
(`fitme models pull lpips`). A weight mask says which pixels count.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.learned.loading import Note, available, damaged, read_state
from fitme.learned.registry import LearnedModel, find_model
from fitme.runtime.errors import ModelError

_NETWORKS = {"lpips": "alex", "lpips-vgg": "vgg", "lpips-squeeze": "squeeze"}
MIN_SIDE = 64  # below it the deepest features have no room

Features = list[Tensor]
"""Per layer [B, C, h, w], unit length over C."""


class Perceptual:
    """The distance; `load_perceptual` makes one. Parameters are frozen, inputs get gradients."""

    def __init__(self, network: Any) -> None:
        self._network = network.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Features:
        """Features of pictures [B, H, W, 3], display-encoded RGB in 0..1, sides of at least 64.

        Those of the photo stay the same through a fit: compute them once.
        """
        if images.dim() != 4 or images.shape[3] != 3 or min(images.shape[1:3]) < MIN_SIDE:
            raise ValueError(
                f"images: wanted [B, H, W, 3] with H, W >= {MIN_SIDE}, got {list(images.shape)}"
            )
        network = self._network
        layers = network.net(network.scaling_layer(images.movedim(-1, 1) * 2 - 1))
        return [F.normalize(layer, dim=1, eps=1e-10) for layer in layers]

    def distance(
        self, rendered: Features, target: Features, weight: Tensor | None = None
    ) -> Tensor:
        """LPIPS [B] between features; with `weight` [B, H, W] >= 0 the weighted mean over pixels.

        Without a weight, or with one that is the same everywhere, it is what the package gives.
        """
        total = rendered[0].new_zeros(len(rendered[0]))
        for one, other, head in zip(rendered, target, self._network.lins, strict=True):
            difference = head((one - other).square())[:, 0]  # [B, h, w]
            if weight is None:
                total = total + difference.mean((1, 2))
            else:
                share = F.adaptive_avg_pool2d(weight[:, None], difference.shape[1:])[:, 0]
                share = share / share.sum((1, 2), keepdim=True).clamp_min(1e-8)
                total = total + (difference * share).sum((1, 2))
        return total

    def __call__(self, rendered: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Mean LPIPS, a scalar, of pictures [B, H, W, 3], display-encoded, in 0..1.

        Where `weight` [B, H, W] (0..1) is 0 `rendered` is replaced by `target`: features look far
        beyond their own pixel, and hair or background beside the face must not pull at it.
        """
        return self.distance(
            self.features(masked(rendered, target, weight)), self.features(target), weight
        ).mean()


def masked(rendered: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """`rendered` [B, H, W, 3] where `weight` [B, H, W] is 1 or above, `target` where it is 0."""
    if weight is None:
        return rendered
    if weight.shape != rendered.shape[:3] or target.shape != rendered.shape:
        raise ValueError(
            f"wanted pictures {list(rendered.shape)} and weight {list(rendered.shape[:3])}, "
            f"got {list(target.shape)} and {list(weight.shape)}"
        )
    return torch.lerp(target, rendered, weight.clamp(0, 1)[..., None])


def load_perceptual(
    device: torch.device | str = "cpu", note: Note | None = None, name: str = "lpips"
) -> Perceptual | None:
    """LPIPS on `device`, or None with one line to `note` where something is missing.

    `name` is lpips (AlexNet), lpips-vgg or lpips-squeeze. Raises ModelError for a damaged file,
    InputError for another name.
    """
    model = find_model(name)
    if not available(model, note):
        return None
    return Perceptual(_network(model).to(device))


def _network(model: LearnedModel) -> Any:
    """The package's module with the downloaded backbone inside."""
    import lpips

    state = read_state(model)
    with warnings.catch_warnings():  # it asks torchvision for its networks in an outdated way
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=_NETWORKS[model.name], pnet_rand=True, verbose=False)
    # The package spreads torchvision's `features.N` over slices that keep the number.
    expected = network.net.state_dict()
    filled = {key: state.get(f"features.{key.partition('.')[2]}") for key in expected}
    absent = [key for key, value in filled.items() if value is None]
    if absent:
        raise ModelError(damaged(model, f"it lacks {len(absent)} of {len(expected)} tensors"))
    try:
        network.net.load_state_dict(filled)
    except RuntimeError as error:
        raise ModelError(damaged(model, "its tensors have other shapes")) from error
    return network
