"""What the tests of the report share: an avatar's photo, mask and run, and a strict reader."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import torch

from fitme.avatar.model import Avatar
from fitme.detail.wrinkles import STRAIN_TEXELS, Wrinkles, fold_weights
from fitme.image.photo import Photo
from fitme.reflectance.atlas import resized
from fitme.report.evidence import Evidence
from tests.small_avatar import HEIGHT, WIDTH

HISTORY = {"light": {"photometric": [2.0, 1.0, 0.5], "code": [0.0, 0.1, 0.1]}}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>&.png'


def with_run(avatar: Avatar, **values: Any) -> Avatar:
    """The avatar with more to say about the run that made it."""
    return replace(avatar, run=replace(avatar.run, **values))


def photo_of(avatar: Avatar) -> Photo:
    draw = torch.Generator().manual_seed(1)
    return Photo(avatar.photos[0].path, torch.rand(HEIGHT, WIDTH, 3, generator=draw))


def mask(value: float = 1.0) -> Evidence:
    """A mask of 10 x 10 pixels that covers the whole photo."""
    to_photo = torch.diag(torch.tensor([WIDTH / 10, HEIGHT / 10, 1.0]))
    return Evidence(torch.full((10, 10), value), to_photo)


def wrinkled(avatar: Avatar, texels: int = 256) -> Avatar:
    """The avatar, its maps finer, with folds all over the middle of its atlas: their direction
    turns, compressed skin has others than stretched skin, and their shade is reddish."""
    few, many = _places(STRAIN_TEXELS), _places(texels)
    angle = 3 * few[..., 0] + 2 * few[..., 1]
    inside = (few.norm(dim=-1) < 0.7).float()
    fold = fold_weights(angle, 0.08)[None] * inside[None, ..., None]
    fading = (1 - many.square().sum(-1) / 0.6).clamp_min(0)[None]
    compressed, stretched = (
        metres * fading * (rate * many[..., axis]).sin()
        for metres, rate, axis in ((1e-3, 40.0, 0), (8e-4, 50.0, 1))
    )
    shade = compressed[..., None] / 1e-3 * torch.tensor([0.3, 0.5, 0.6])
    # The renderer adds folds at the skin's own resolution.
    fine = {
        name: resized(value, texels) if isinstance(value, torch.Tensor) else value
        for name, value in vars(avatar.skin).items()
    }
    materials = [*avatar.materials]
    materials[avatar.head.skin.index] = replace(avatar.skin, **fine)
    return replace(
        avatar,
        materials=tuple(materials),
        wrinkles=Wrinkles(compressed, stretched, shade, fold),
    )


def _places(texels: int) -> torch.Tensor:
    """Places [R,R,2] of texels in -1..1, along u and along v."""
    axis = (torch.arange(texels) + 0.5) / texels * 2 - 1
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)


class Reader(HTMLParser):
    """Tags with their attributes; fails where an element is not closed."""

    VOID = ("meta", "link", "img", "input", "line", "polyline")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, (tag, self.open)
