"""Grain in space: about standard, smooth, without a direction."""

from __future__ import annotations

import torch

from fitme.reflectance.grain import grain


def test_standard_and_as_fine_as_asked() -> None:
    axis = torch.arange(128) * 0.0002
    points = torch.stack(torch.meshgrid(axis, axis, axis[:4], indexing="ij"), -1)
    found = grain(points, 0.002)
    assert abs(float(found.mean())) < 0.15 and 0.6 < float(found.std()) < 1.5
    step = (found[1:] - found[:-1]).std() / found.std()
    across = (found[:, 1:] - found[:, :-1]).std() / found.std()
    assert float(step) < 0.6 and abs(float(step - across)) < 0.06
    assert torch.equal(found, grain(points, 0.002))
    assert not torch.equal(found, grain(points, 0.002, seed=1))
