"""A stranger among the photos is found by shape."""

from __future__ import annotations

import torch

from fitme.fit.evidence.person import DOUBT, STRANGER, odd_photo


def codes(*distances: float) -> list[torch.Tensor]:
    """Codes [1,5] at given distances from zero along one axis."""
    return [torch.tensor([[d, 0.0, 0.0, 0.0, 0.0]]) for d in distances]


def test_one_person_passes() -> None:
    assert odd_photo(codes(0.0)) is None
    assert odd_photo(codes(0.0, 0.5 * DOUBT, -0.4 * DOUBT)) is None


def test_stranger_is_named_wherever_it_stands() -> None:
    far = 1.1 * STRANGER
    for place in range(3):
        distances = [0.0, 0.1, -0.1]
        distances[place] = far
        odd = odd_photo(codes(*distances))
        assert odd is not None and odd.index == place and odd.certain


def test_of_two_the_second_is_odd_and_doubt_is_not_certain() -> None:
    odd = odd_photo(codes(0.0, 0.5 * (DOUBT + STRANGER)))
    assert odd is not None and odd.index == 1 and not odd.certain
