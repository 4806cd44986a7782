"""A map of light and dark locks lies where it says, on strands and on cards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fitme.hair import PRESETS, Hair, HairColor, Strands, grow
from fitme.hair.dressed import hair_of_head
from fitme.hair.finish import arc_lengths
from fitme.hair.locks import ALONG, COUNT, SIDE, along, lightness, spots
from fitme.head.model import load_head
from tests.small_avatar import small_avatar


@pytest.fixture(scope="module")
def hair() -> Strands:
    return grow(load_head(), PRESETS["bob"], 0, 2000)


def left_light(by: float) -> tuple[float, ...]:
    """Locks of the person's left half lighter by a log, the others darker."""
    grid = np.zeros((SIDE, SIDE, ALONG), np.float32)
    grid[: SIDE // 2], grid[SIDE // 2 :] = -by, by
    return tuple(grid.ravel().tolist())


def test_shares_are_whole_and_neighbours(hair: Strands) -> None:
    place, share = spots(hair)
    assert share.sum(1) == pytest.approx(1, abs=1e-5) and share.min() >= 0
    assert place.min() >= 0 and place.max() < SIDE * SIDE
    assert along(arc_lengths(hair.points)).sum(-1) == pytest.approx(1, abs=1e-5)


def test_the_map_is_linear_from_side_to_side_and_along_the_hair(hair: Strands) -> None:
    arc = arc_lengths(hair.points)
    steps = np.linspace(-1, 1, SIDE)[:, None, None] + np.zeros((SIDE, SIDE, ALONG))
    values = lightness(hair, arc, steps.reshape(-1, ALONG))
    roots = hair.points[:, 0, 0]
    middle = np.abs(roots) < 0.005
    assert np.ptp(values, axis=1).max() < 1e-5  # the same from root to tip
    assert np.abs(values[middle]).max() < 0.15
    assert (values[roots > 0.03] > 0).all() and (values[roots < -0.03] < 0).all()
    tips = np.linspace(0, 1, ALONG) + np.zeros((SIDE * SIDE, ALONG))
    assert lightness(hair, arc, tips) == pytest.approx(arc / arc[:, -1:], abs=1e-4)


def test_albedo_is_lighter_where_the_map_says(hair: Strands) -> None:
    plain = HairColor(1.5, 0.5)
    ratio = replace(plain, locks=left_light(0.4)).albedo(hair) / plain.albedo(hair)
    roots = hair.points[:, 0, 0]
    assert np.log(ratio[roots > 0.02][..., 1]) == pytest.approx(0.4, abs=0.01)
    assert np.log(ratio[roots < -0.02][..., 1]) == pytest.approx(-0.4, abs=0.01)


def test_another_number_is_refused() -> None:
    with pytest.raises(ValueError, match=f"wanted {COUNT}"):
        HairColor(locks=(0.0, 1.0))


def test_cards_take_strips_as_light_as_their_strands() -> None:
    """Half of the head darker, half lighter: so are the textures of the cards there, and cards are
    as many as without."""
    head, style = small_avatar().head, PRESETS["crop"]
    color = HairColor(1.5, 0.5)
    plain, told = (
        hair_of_head(Hair(style, one), head, side=256)[0]
        for one in (color, replace(color, locks=left_light(0.6)))
    )
    assert len(plain.cards.triangles) == len(told.cards.triangles)
    atlas, cards = told.atlas, told.cards
    rows = (cards.uv[:, 1] * len(atlas.color)).astype(int).clip(0, len(atlas.color) - 1)
    light = (atlas.color * atlas.alpha[..., None]).sum((1, 2))
    light = light[rows] / atlas.alpha.sum(1)[rows].clip(1e-3)
    inner = atlas.alpha.mean(1)[rows] > 0.2
    x = cards.vertices[:, 0]
    left, right = (np.median(light[inner & side]) for side in (x > 0.03, x < -0.03))
    assert left > 1.3 * right
