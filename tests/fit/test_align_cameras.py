"""Photos without EXIF: heads with exact truth seen by known cameras anywhere in their pictures."""

from __future__ import annotations

import math

import pytest
import torch

from fitme.fit.align import Aligner
from fitme.head.model import HeadModel
from fitme.render.camera import axis_angle_to_matrix
from tests.fit.known_cameras import Shot, degrees_between, turn_error

WIDE = 2000 / math.tan(math.radians(30))  # 60 degrees over 4000 pixels: 3464
WHOLE = {
    "middle": Shot(4000, 3000, WIDE, (2000, 1500), 2.5),
    "900 px beside the middle": Shot(4000, 3000, WIDE, (2900, 1500), 2.5),
    "near a corner": Shot(4000, 3000, WIDE, (3700, 2700), 2.5),
    "far, in a corner": Shot(4000, 3000, WIDE, (3800, 250), 4.0),
    "group, at the edge": Shot(3000, 2000, 2250.0, (2800, 900), 2.5),
    "portrait at 48 cm": Shot(1000, 1000, 1374.0, (500, 500), 0.48),
    "selfie at 48 cm, beside the middle": Shot(1000, 1000, 1374.0, (600, 420), 0.48),
    "12000x2000, at the right": Shot(12000, 2000, 12000.0, (11000, 1000), 3.0),
}
CROPS = {
    "portrait by 85 mm": Shot(6000, 4000, 14400.0, (3000, 2000), 2.0, (2300, 1000, 3700, 2800)),
    "official portrait": Shot(2025, 2475, 3465.0, (1012, 1200), 1.6, (675, 787, 1350, 1612)),
    "from beside the middle": Shot(4000, 3000, WIDE, (2900, 1500), 1.5, (2600, 1150, 3200, 1850)),
    "from a corner": Shot(4000, 3000, WIDE, (3600, 2600), 1.5, (3300, 2200, 3900, 2950)),
    "from a group": Shot(3000, 2000, 2250.0, (2700, 900), 2.5, (2500, 650, 2900, 1150)),
}


@pytest.fixture(scope="module")
def aligner(head: HeadModel) -> Aligner:
    return Aligner(head)


def off(found: float, wanted: float) -> float:
    """The factor by which a number is wrong, at least one."""
    return math.exp(abs(math.log(found / wanted)))


@pytest.mark.parametrize("name", WHOLE)
def test_mean_head_of_a_whole_picture(head: HeadModel, aligner: Aligner, name: str) -> None:
    shot, mean = WHOLE[name], torch.zeros(1, head.identity.shape[0])
    found = aligner.align(shot.face(head, mean), *shot.size)
    view = shot.view(head)
    assert off(float(found.view.focal), shot.focal) < 1.5
    assert float(found.identity.norm()) < 1.1  # truth: 0, but for lips that overlap
    wanted, got = (axis_angle_to_matrix(v.rotation)[0] for v in (view, found.view))
    assert degrees_between(wanted, got) < 4.0 and found.error < 0.003


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("seed", [1, 2])
def test_other_heads_of_a_whole_picture(
    head: HeadModel, aligner: Aligner, name: str, seed: int
) -> None:
    shot, draws = WHOLE[name], torch.Generator().manual_seed(seed)
    identity = torch.randn(1, head.identity.shape[0], generator=draws)
    yaw, pitch = ((15, 5), (-25, -4))[seed - 1]
    found = aligner.align(shot.face(head, identity, yaw, pitch), *shot.size)
    view = shot.view(head, yaw, pitch)
    assert off(float(found.view.focal), shot.focal) < 1.6
    assert float(found.identity.norm()) < 4.5  # truth: 9.5, of which the prior takes most
    wanted, got = (axis_angle_to_matrix(v.rotation)[0] for v in (view, found.view))
    assert degrees_between(wanted, got) < 6.0 and turn_error(found, view) < 3.5


@pytest.mark.parametrize("name", CROPS)
def test_mean_head_cut_out_of_a_picture(head: HeadModel, aligner: Aligner, name: str) -> None:
    shot, mean = CROPS[name], torch.zeros(1, head.identity.shape[0])
    found = aligner.align(shot.face(head, mean), *shot.size)
    # A face alone hardly says how much was cut away: the focal length may be less than half, and a
    # face from the side of a picture keeps some of what the lens did to it there.
    assert off(float(found.view.focal), shot.focal) < 3.0
    assert float(found.identity.norm()) < 5.0 and turn_error(found, shot.view(head)) < 5.5


def test_exif_is_believed_more(head: HeadModel, aligner: Aligner) -> None:
    shot, mean = WHOLE["middle"], torch.zeros(1, head.identity.shape[0])
    for focal in (2500.0, 5000.0):
        found = aligner.align(shot.face(head, mean), *shot.size, focal_px=focal)
        assert off(float(found.view.focal), focal) < 1.1
