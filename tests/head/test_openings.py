"""Light between the lids: less under the upper one and when they come together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fitme.head.geometry import Geometry
from fitme.head.lids import BLINKS
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel, load_head
from fitme.head.openings import lid_visibility
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def vertices(head: HeadModel, blink: float) -> Tensor:
    """[1,V,3]"""
    expression = torch.zeros(1, len(head.expression_names))
    expression[:, [head.expression_index(name) for name in BLINKS]] = blink
    return Geometry(head, torch.zeros(1, len(head.identity))).vertices(expression)


def seen(head: HeadModel, posed: Tensor, up: float) -> Tensor:
    """[2]: visibility of both eyes' surface `up` metres above their middles."""
    index, share = lid_visibility(head, posed)
    places = head.eye_centres(posed)[0] + torch.tensor([0.0, up, 0.017])
    return share[torch.cdist(places, posed[0, index]).argmin(1)]


class TestLidVisibility:
    def test_is_least_under_the_upper_lid(self, head: HeadModel) -> None:
        open_ = vertices(head, 0.0)
        middle, below, above = (seen(head, open_, up) for up in (0.0, -0.003, 0.0035))
        assert (middle > 0.75).all() and (below > 0.7).all()
        assert (above < 0.85 * middle).all() and (above < below).all()

    def test_goes_with_the_lids(self, head: HeadModel) -> None:
        amounts = [seen(head, vertices(head, blink), -0.003) for blink in (0.0, 0.5, 0.8)]
        assert (amounts[0] > amounts[1]).all() and (amounts[1] > amounts[2]).all()

    def test_reaches_the_renderer(self, head: HeadModel) -> None:
        open_ = vertices(head, 0.0)
        mesh, (index, share) = head_mesh(head, open_), lid_visibility(head, open_)
        assert mesh.occlusion is not None and mesh.transfer is not None
        torch.testing.assert_close(mesh.occlusion[index], share)
        lit = mesh.transfer[0, index, 0] / mesh.transfer[1, index, 0]
        torch.testing.assert_close(lit, share, atol=1e-3, rtol=0)

    def test_a_head_without_eyes_has_none(self) -> None:
        tiny = tiny_head()
        assert not len(lid_visibility(tiny, tiny.mean[None])[0])
