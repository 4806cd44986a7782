"""What a person wears, written and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fitme.hair import PRESETS, BeardStyle, Hair, HairColor
from fitme.hair.color import BANDS
from fitme.hair.hairline import KNOTS
from fitme.hair.locks import COUNT
from fitme.hair.outline import PLACES
from fitme.head.model import HeadModel, load_head

WORN = Hair(
    PRESETS["fringe_bob"], HairColor(1.7, 0.3, dye=(0.4, 0.1, 0.2), dyed=0.5), BeardStyle(), 7
)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


class TestHair:
    @pytest.mark.parametrize("hair", [WORN, Hair(), *map(Hair, PRESETS.values())])
    def test_comes_back_exactly(self, hair: Hair) -> None:
        assert Hair.from_dict(json.loads(json.dumps(hair.to_dict()))) == hair

    @pytest.mark.parametrize(
        ("path", "value", "said"),
        [
            (("style", "top"), "long", "top is no number"),
            (("style", "top"), 1e9, "top is no number"),
            (("style", "top"), -1.0, "lengths"),
            (("style", "clumps"), 2.5, "clumps"),
            (("style", "tie"), "rope", "tie is none of"),
            (("color", "dye"), [0.1, 0.2], "dye"),
            (("color",), None, "color is missing"),
            (("beard",), 3, "beard is no object"),
            (("seed",), -1, "seed"),
        ],
    )
    def test_damaged(self, path: tuple[str, ...], value: Any, said: str) -> None:
        data = json.loads(json.dumps(WORN.to_dict()))
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(ValueError, match=said):
            Hair.from_dict(data)

    def test_a_field_too_many_or_too_few(self) -> None:
        for change in ({"wig": 1}, {}):
            data = WORN.to_dict()
            data["style"] = {k: v for k, v in data["style"].items() if k != "top" or change}
            data["style"] |= change
            with pytest.raises(ValueError, match="missing or unknown"):
                Hair.from_dict(data)

    def test_own_line_outline_and_bands_come_back(self) -> None:
        style = replace(
            PRESETS["crop"], hairline=(0.01,) * (2 * KNOTS), outline=(0.002,) * len(PLACES)
        )
        hair = Hair(style, HairColor(bands=(1.0, 0.9, 0.8) * BANDS, locks=(0.25,) * COUNT))
        assert Hair.from_dict(json.loads(json.dumps(hair.to_dict()))) == hair

    def test_files_without_them_are_read(self) -> None:
        data = json.loads(json.dumps(WORN.to_dict()))
        del data["style"]["hairline"], data["style"]["outline"], data["color"]["bands"]
        del data["style"]["fringe_across"], data["style"]["mess"], data["color"]["locks"]
        assert Hair.from_dict(data) == WORN

    def test_grows_once_and_follows(self, head: HeadModel) -> None:
        hair, mean = Hair(PRESETS["crop"]), head.mean.numpy()
        first = hair.strands(head, mean, count=200)
        assert hair.strands(head, mean, count=200) is first
        moved = hair.strands(head, mean + np.float32([0, 0, 0.1]), count=200)
        assert np.abs(moved.points - first.points - [0, 0, 0.1]).max() < 1e-3
        with pytest.raises(ValueError, match="no strands"):
            Hair().strands(head, mean)
