"""Irises' colours and places out of rendered eyes whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fitme.fit.evidence.eye_places import IRISES, Lids, PlacedEye, placed, seen_eye
from fitme.fit.evidence.irises import LIGHT_NOISE, USUAL, read_eyes, usual_iris
from fitme.fit.models import Models
from fitme.fit.observation import Crops
from fitme.head.openings import LOWER, UPPER
from fitme.head.parts import Role
from fitme.reflectance.eyes import base_colours
from fitme.render import RenderOutput
from tests.fit.made_photo import known_state, photographed, plain, seen_plain

SIZE = 640


@pytest.fixture(scope="module")
def models() -> Models:
    return Models.load("cpu")


def gain_of(usual: int) -> Tensor:
    """[2,3]: log gain of the iris that makes it of a usual colour, and none of the sclera."""
    base, _ = base_colours(torch.zeros(1, 1))
    return torch.stack([torch.tensor(USUAL[usual]).log() - base[0].log(), torch.zeros(3)])


class Made:
    """A photo of known eyes, and the picture of plain ones beside it."""

    def __init__(self, models: Models, gain: Tensor) -> None:
        self.models, self.state = models, known_state(models.head)
        self.state.person.eyes = gain[None]
        self.seen = photographed(models.head, models.regions, self.state, plain())
        self.state.person.eyes = torch.zeros(1, 2, 3)
        self.eyes = models.head.parts_with(Role.EYE)
        self.look()

    def look(self) -> None:
        """Draw the picture beside the photo as it is now."""
        drawn = seen_plain(self.models.head, self.models.regions, self.state, self.seen, SIZE)
        self.out: RenderOutput = drawn[0]
        self.crops: Crops = drawn[1]
        self.where = torch.isin(self.out.part, torch.tensor([p.index for p in self.eyes])).float()

    @property
    def marks(self) -> Tensor:
        return self.crops.from_photo(self.seen.face.points[None])

    def read(self, marks: Tensor | None = None) -> Tensor:
        found = read_eyes(
            self.out,
            self.crops,
            self.where,
            self.eyes,
            self.marks if marks is None else marks,
            self.marks,
        )
        assert found is not None
        return found

    def place(self, part: int) -> PlacedEye:
        eye = placed(self.out.uv[0], self.out.part[0] == part)
        assert eye is not None
        return eye


@pytest.mark.parametrize("usual", range(len(USUAL)))
def test_usual_colours(models: Models, usual: int) -> None:
    wanted = gain_of(usual)
    torch.testing.assert_close(Made(models, wanted).read(), wanted, atol=0.12, rtol=0)


@pytest.mark.parametrize("usual", [1, 5])
def test_lights_on_the_cornea_change_little(models: Models, usual: int) -> None:
    made = Made(models, gain_of(usual))
    plainly = made.read()
    for part in made.eyes:
        eye = made.place(part.index)
        rows, columns = torch.meshgrid(*(torch.arange(SIZE) + 0.5,) * 2, indexing="ij")
        spot = eye.middle + eye.radius * torch.tensor([0.3, -0.3])
        away = torch.stack([columns, rows], -1) - spot
        made.crops.pixels[0, away.norm(dim=-1) < 0.25 * eye.radius] = 1.0
    torch.testing.assert_close(made.read()[0], plainly[0], atol=0.12, rtol=0)


@pytest.mark.parametrize("usual", [0, 5])
def test_half_shut_eyes(models: Models, usual: int) -> None:
    """Dark lashes over the upper half, of which the landmarks of the lids know."""
    made = Made(models, gain_of(usual))
    plainly, marks = made.read(), made.marks.clone()
    for part in made.eyes:
        eye = made.place(part.index)
        rows = torch.arange(SIZE)[:, None].expand(-1, SIZE) + 0.5
        made.crops.pixels[0, (made.out.part[0] == part.index) & (rows < eye.middle[1])] = 0.01
        upper = list(UPPER[part.side])
        marks[0, upper, 1] = marks[0, upper, 1].clamp_min(float(eye.middle[1]))
    torch.testing.assert_close(made.read(marks)[0], plainly[0], atol=0.15, rtol=0)


def test_landmarks_of_something_else_are_not_believed(models: Models) -> None:
    made = Made(models, gain_of(5))
    marks = made.marks.clone()
    for iris in IRISES:
        marks[0, list(iris)] += 0.2 * SIZE
    torch.testing.assert_close(made.read(marks), made.read(), atol=0.1, rtol=0)


@pytest.mark.parametrize("shift", [(0.15, 0.0), (-0.1, 0.1), (0.0, -0.12)])
def test_an_iris_is_found_from_near_it(models: Models, shift: tuple[float, float]) -> None:
    made = Made(models, gain_of(4))
    for part in made.eyes:
        eye, marks = made.place(part.index), made.marks[0].clone()
        marks[list(IRISES[part.side])] += eye.radius * torch.tensor(shift)
        found = seen_eye(eye, made.crops.pixels[0], marks, made.marks[0], part.side)
        off = (found.middle - eye.middle).abs() / eye.radius
        assert float(off[0]) < 0.09 and float(off[1]) < 0.13  # lids hide its top and bottom
        assert found.radius == pytest.approx(eye.radius, rel=0.12)


def test_between_the_lids() -> None:
    """Of a level eye and of one that hangs by 30 degrees."""
    across = torch.linspace(-20, 20, 9)
    points = torch.zeros(478, 2)
    for side in (0, 1):
        points[list(UPPER[side])] = torch.stack([across, across.abs() / 2 - 10], 1)
        points[list(LOWER[side])] = torch.stack([across, 10 - across.abs() / 2], 1)
    pixels = torch.tensor([[0.0, 0.0], [0.0, -9.0], [0.0, 9.5], [12.0, 0.0], [25.0, 0.0]])
    turn = torch.tensor([[0.866, 0.5], [-0.5, 0.866]])
    for turned in (torch.eye(2), turn):
        lids = Lids.of(points @ turned, 0)
        assert lids.between(pixels @ turned, 10.0).tolist() == [True, False, False, True, False]


def test_no_eye_and_no_colour(models: Models) -> None:
    made = Made(models, gain_of(5))
    nothing = 0 * made.where
    assert read_eyes(made.out, made.crops, nothing, made.eyes, made.marks, made.marks) is None
    made.crops = replace(made.crops, gray=torch.tensor([True]))
    gray = made.read()[0] + base_colours(torch.zeros(1, 1))[0][0].log()
    assert float(gray.amax() - gray.amin()) < 0.5  # blue's is 0.54, brown's 1.4


@pytest.mark.parametrize("usual", range(len(USUAL)))
def test_many_pixels_are_believed_and_few_are_not(usual: int) -> None:
    told = torch.tensor(USUAL[usual]).log()
    assert float((usual_iris(told, 1e6) - told).abs().max()) < 0.06
    odd = told - 1.5  # far darker than any: the shade of lashes
    many, few = (usual_iris(odd, pixels) for pixels in (1e6, 1.0))
    assert float((many - odd).mean()) < 1.5 * LIGHT_NOISE[1]
    assert float(few.mean()) > float(odd.mean()) + 0.4
