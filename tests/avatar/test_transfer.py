"""What each transfer takes and leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitme.avatar.model import Avatar
from fitme.avatar.transfer import transferred
from fitme.head.model import load_head
from fitme.runtime.errors import InputError
from tests.small_avatar import creased, make_avatar, small_avatar
from tests.tiny_head import tiny_head


def other(head_avatar: Avatar) -> Avatar:
    """Another person: upside-down normals of another size, another expression, folds."""
    photo = head_avatar.photos[0]
    view = replace(photo.view, expression=1 - photo.view.expression)
    skin = head_avatar.skin
    assert skin.normal is not None
    turned = replace(skin, normal=skin.normal.flip(1).repeat(1, 2, 2, 1))
    made = replace(
        head_avatar, photos=(replace(photo, view=view),),
        materials=(turned, *head_avatar.materials[1:]), geometry=replace(
            head_avatar.geometry, identity=-head_avatar.identity),
    )  # fmt: skip
    return creased(made)


@pytest.fixture
def one() -> Avatar:
    return make_avatar(tiny_head())


@pytest.fixture
def two(one: Avatar) -> Avatar:
    return other(one)


class TestTransfer:
    def test_nothing(self, one: Avatar) -> None:
        assert transferred(one) is one

    def test_static(self, one: Avatar, two: Avatar) -> None:
        made = transferred(one, static=two)
        assert one.skin.normal is not None and made.skin.normal is not None
        assert made.skin.normal.shape == one.skin.normal.shape  # the base's own size
        assert not torch.allclose(made.skin.normal, one.skin.normal, atol=0.05)
        assert torch.allclose(made.skin.normal.norm(dim=-1), torch.ones(1), atol=1e-5)
        assert made.skin.diffuse_albedo is one.skin.diffuse_albedo
        assert made.geometry is one.geometry and made.photos == one.photos and not made.wrinkles

    def test_dynamic(self, one: Avatar, two: Avatar) -> None:
        made = transferred(one, dynamic=two)
        assert made.wrinkles is not None and two.wrinkles is not None
        assert torch.equal(made.wrinkles.compressed, two.wrinkles.compressed)
        assert made.materials is one.materials and made.photos == one.photos
        assert transferred(two, dynamic=one).wrinkles is None

    def test_expression(self, one: Avatar, two: Avatar) -> None:
        made = transferred(one, expression=two)
        assert torch.equal(made.photos[0].view.expression, two.photos[0].view.expression)
        assert made.photos[0].view.gaze is one.photos[0].view.gaze
        assert made.photos[0].light is one.photos[0].light and made.geometry is one.geometry
        bare = transferred(replace(one, photos=()), expression=two)
        assert bare.photos[0].light is not None and len(bare.photos) == 1

    def test_all_at_once_is_told(self, one: Avatar, two: Avatar) -> None:
        made = transferred(one, static=two, dynamic=two, expression=two)
        assert made.run.notes[-1]["text"] == "from other avatars: static, dynamic, expression"
        assert made.identity is one.identity

    def test_another_head(self, one: Avatar) -> None:
        with pytest.raises(InputError, match=r"--dynamic: .* another head model"):
            transferred(small_avatar(), dynamic=one)

    def test_no_photo(self, one: Avatar, two: Avatar) -> None:
        with pytest.raises(InputError, match="no photo"):
            transferred(one, expression=replace(two, photos=()))


def test_folds_come_with_the_expression() -> None:
    """One's neutral head does not change; with two's expression it has two's folds."""
    base = small_avatar()
    assert base.head.fingerprint() == load_head().fingerprint()
    made = transferred(base, dynamic=creased(base))
    at_rest = [a.render_view(neutral=True, resolution=96).color for a in (base, made)]
    smiling = [
        a.render_view(neutral=True, resolution=96, expression={"mouthSmileLeft": 1}).color
        for a in (base, made)
    ]
    torch.testing.assert_close(*at_rest, atol=1e-5, rtol=0)
    assert float((smiling[0] - smiling[1]).abs().max()) > 0.01
