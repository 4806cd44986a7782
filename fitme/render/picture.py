"""Renders as 8-bit pictures: display encoding, straight alpha, backgrounds."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from fitme.image.color import linear_to_srgb, srgb_to_linear
from fitme.render.renderer import RenderOutput
from fitme.runtime.errors import InputError, show_path

BACKDROP = 0.18  # linear grey behind heads where no background is asked for


def to_bytes(linear: Tensor) -> np.ndarray:
    """Linear RGB [H, W, 3] as display-encoded uint8."""
    return (linear_to_srgb(linear.clamp(0, 1)) * 255 + 0.5).to(torch.uint8).cpu().numpy()


def render_rgba(out: RenderOutput, background: Tensor | None = None) -> np.ndarray:
    """A render [1, H, W] as RGBA uint8 [H, W, 4].

    Over nothing alpha is straight; over a `background` [3] of linear RGB it is 255 everywhere.
    """
    if background is not None:
        colour = to_bytes(over(out, background))
        return np.concatenate([colour, np.full_like(colour[..., :1], 255)], axis=-1)
    alpha = out.alpha[0].clamp(0, 1)
    colour = to_bytes(out.color[0] / alpha.clamp_min(1e-4))
    return np.concatenate([colour, (alpha * 255 + 0.5).to(torch.uint8).cpu().numpy()], axis=-1)


def over(out: RenderOutput, background: Tensor | float) -> Tensor:
    """Linear RGB [H, W, 3] of a render [1, H, W] over a colour, grey or picture, linear."""
    behind = background.to(out.color) if isinstance(background, Tensor) else background
    return out.color[0] + (1 - out.alpha[0]) * behind


def parse_background(text: str) -> Tensor | None:
    """Linear RGB [3] of "R,G,B" in 0..255 or "#rrggbb", None of "transparent".

    Raises InputError for any other text.
    """
    if text == "transparent":
        return None
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        values = [int(text[i : i + 2], 16) for i in (1, 3, 5)]
    elif re.fullmatch(r"\d{1,3}(,\d{1,3}){2}", text):
        values = [int(part) for part in text.split(",")]
    else:
        values = [256]
    if max(values) > 255:
        raise InputError(
            f"--background {show_path(text)} is no colour; give R,G,B in 0..255, #rrggbb or"
            " transparent"
        )
    return srgb_to_linear(torch.tensor(values) / 255)
