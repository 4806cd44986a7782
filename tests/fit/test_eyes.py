"""The eyes' colours out of few pixels or none."""

from __future__ import annotations

import warnings

import pytest
import torch

from fitme.fit.evidence.eyes import _bright, _matt, eye_gain, light_tint
from fitme.head.model import HeadModel
from fitme.reflectance.regions import AtlasRegions
from tests.fit.made_photo import known_state, photographed, plain, seen_plain


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 50])
def test_few_pixels_say_little_and_never_fail(count: int) -> None:
    tint = torch.tensor([0.3, 0.0, -0.3])
    shine = torch.linspace(-0.2, 0.2, count)[:, None]  # no two are equally bright
    bright, matt = _bright(tint + shine), _matt(tint + shine)
    assert bright is not None
    for found in (bright, matt):
        assert bool(found.isfinite().all()) and float(found[0] - found[2]) > 0
        assert float(found.norm()) < float(tint.norm()) * (0.2 if count < 6 else 1)


def test_no_pixel_says_nothing() -> None:
    assert _bright(torch.zeros(0, 3)) is None and _bright(torch.full((9, 3), -1.4)) is None
    assert not bool(_matt(torch.zeros(0, 3)).any())


@pytest.mark.parametrize("seen", [0.0, 1.0])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_photos(
    head: HeadModel, regions: AtlasRegions, seen: float, value: float
) -> None:
    state = known_state(head)
    photo = photographed(head, regions, state, plain())
    photo.photo.pixels.fill_(value)
    out, crops = seen_plain(head, regions, state, photo, 128)
    where = torch.full((1, 128, 128), seen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in (eye_gain(out, crops, where), light_tint(out, crops, where)):
            assert bool(found.isfinite().all()) and float(found.abs().max()) < 2
            assert seen or not bool(found.any())
