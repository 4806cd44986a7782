"""Hair of an avatar: drawn in front of and behind the head, saved and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera
from fitme.hair import PRESETS, Hair, HairColor
from fitme.render.light import Light
from fitme.runtime.errors import InputError
from tests.small_avatar import small_avatar

WORN = Hair(PRESETS["bob"], HairColor(6.0))


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    return replace(small_avatar(), hair=WORN)


class TestPictures:
    def test_lashes_come_with_hair(self, avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
        camera, light = facing_camera(avatar, 0.0, 0.0, 192), Light.preset("studio")
        drawn = avatar.render(camera, light)
        monkeypatch.setattr("fitme.avatar.relight.has_lashes", lambda head: False)
        change = (drawn.color - replace(avatar).render(camera, light).color).abs().amax(-1)[0]
        eyes = camera.project(avatar.head.eye_centres(avatar.neutral())[0][None])[0]
        rows, columns = (change > 0.02).nonzero().T
        far = torch.stack([columns, rows], -1)[:, None] + 0.5 - eyes
        assert len(rows) > 20 and float(change.max()) > 0.1
        assert float(far.norm(dim=-1).amin(1).max()) < 0.6 * float((eyes[0] - eyes[1]).norm())

    def test_hair_is_drawn_unless_unwanted(self, avatar: Avatar) -> None:
        camera, light = facing_camera(avatar, 0.0, 0.0, 96), Light.preset("studio")
        haired = avatar.render(camera, light)
        bare = avatar.render(camera, light, hair=False)
        assert float((haired.alpha - bare.alpha).min()) > -1e-5
        assert float(haired.alpha.sum()) > 1.15 * float(bare.alpha.sum())
        plain = replace(avatar, hair=None).render(camera, light)
        assert torch.equal(plain.color, bare.color)
        # dark hair over the ears, the middle of the face as it was but for a shadow
        assert torch.equal(haired.rast, bare.rast)
        middle = (slice(0, 1), slice(46, 54), slice(44, 52))
        assert float((haired.color[middle] / bare.color[middle]).mean()) > 0.8

    def test_the_top_is_in_the_picture(self, avatar: Avatar) -> None:
        tall = replace(avatar, hair=Hair(replace(PRESETS["afro"], top=0.12, sides=0.1)))
        out = tall.render_view(0.0, 0.0, neutral=True, resolution=96)
        assert float(out.alpha[0, :1].mean()) < 0.02


class TestFolder:
    def test_comes_back(self, avatar: Avatar, tmp_path: Path) -> None:
        avatar.save(tmp_path / "worn")
        assert Avatar.load(tmp_path / "worn").hair == WORN
        file = tmp_path / "worn" / "fit.json"
        data = json.loads(file.read_text())
        assert "points" not in json.dumps(data["hair"])  # strands are not written
        file.write_text(json.dumps({k: v for k, v in data.items() if k != "hair"}))
        assert Avatar.load(tmp_path / "worn").hair is None
        data["hair"]["style"]["lift"] = "up"
        file.write_text(json.dumps(data))
        with pytest.raises(InputError, match=r"fit\.json is damaged \(hair: style: lift"):
            Avatar.load(tmp_path / "worn")
