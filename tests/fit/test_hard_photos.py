"""Photos that show little: a fit without a warning, with no patch of what covers the face in its
albedo, or one line that says why not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.fit import api
from fitme.fit.evidence.face_pixels import MASK, SUNGLASSES
from fitme.fit.models import Models
from fitme.fit.settings import FitSettings, override
from fitme.head.model import HeadModel
from fitme.image.color import luminance
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.reflectance.eyes import eye_material
from fitme.reflectance.regions import AtlasRegions
from fitme.runtime.errors import LandmarkError
from fitme.runtime.progress import SilentProgress
from tests.fit.hard_photos import HARD, draw

QUICK = override(
    FitSettings(),
    {
        "light.steps": 2, "light.pixels": 64, "light.texels": 64,
        "invert.steps": 2, "invert.pixels": 96, "invert.texels": 64, "tune.steps": 0,
    },
)  # fmt: skip
# So many that what is trusted wrongly reaches the colours of W.
LONGER = override(QUICK, {"light.steps": 8, "invert.steps": 12, "invert.pixels": 128})
SIZE = 128


class Known:
    """Landmarks of the photo before anything was drawn over it."""

    def __init__(self, face: FaceLandmarks) -> None:
        self.face = face

    def detect(self, photo: Photo) -> list[FaceLandmarks]:
        shift = torch.tensor([photo.width - 512.0, 0.0])  # parts are cut off at the left
        return [replace(self.face, points=self.face.points + shift)]


class Notes(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def known(models: Models, provider: LandmarkProvider, astronaut: Path) -> Models:
    """The shipped models with the landmarks of the photo as it was."""
    return replace(models, landmarks=Known(provider.detect(load_photo(astronaut))[0]))


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


Fitted = Callable[[str], tuple[Avatar, list[str]]]


def fit(
    kind: str, models: Models, astronaut: Path, folder: Path, settings: FitSettings = QUICK
) -> tuple[Avatar, list[str]]:
    """The avatar, and the notes about the photo."""
    photo = draw(kind, astronaut, folder / f"{kind}.png")
    notes = Notes()
    avatar = api.fit(photo, size=SIZE, preset=settings, progress=notes, models=models)
    return avatar, [line for line in notes.lines if str(photo) in line]


@pytest.fixture(scope="module")
def fitted(
    known: Models, astronaut: Path, tmp_path_factory: pytest.TempPathFactory
) -> Fitted:  # fmt: skip
    """What `fit` says of a kind of photo, each once."""
    folder = tmp_path_factory.mktemp("hard")
    return lru_cache(maxsize=None)(lambda kind: fit(kind, known, astronaut, folder))


def skin_within(avatar: Avatar, where: Tensor) -> Tensor:
    """[N,3]: the skin's albedo in a mask [R,R]."""
    albedo = avatar.materials[0].diffuse_albedo[0]
    mask = torch.nn.functional.interpolate(where[None, None], albedo.shape[:2])[0, 0]
    return albedo[mask > 0.5]


def all_finite(avatar: Avatar) -> bool:
    maps = [value for material in avatar.materials for value in vars(material).values()]
    lights = [value for photo in avatar.photos for value in vars(photo.light).values()]
    values = [avatar.identity, *maps, *lights]
    return all(bool(value.isfinite().all()) for value in values if isinstance(value, Tensor))


@pytest.mark.parametrize("kind", HARD)
def test_a_fit_comes_of_every_photo(kind: str, fitted: Fitted) -> None:
    avatar, notes = fitted(kind)
    assert all_finite(avatar)
    named = {
        "sunglasses": [SUNGLASSES], "glinting_lenses": [SUNGLASSES], "mouth_mask": [MASK],
        "hand": [MASK],
    }  # fmt: skip
    assert [note.partition(": ")[2] for note in notes] == named.get(kind, [])


@pytest.mark.parametrize("kind", ["sunglasses", "glinting_lenses"])
def test_lenses_leave_no_black_patch(kind: str, fitted: Fitted, regions: AtlasRegions) -> None:
    avatar, _ = fitted(kind)
    cheeks = luminance(skin_within(avatar, regions.bare)).median()
    for area in (regions.brows, regions.lids):  # brows are 0.20 where lenses are painted on them
        darkest = luminance(skin_within(avatar, area)).quantile(0.02)
        assert float(darkest / cheeks) > 0.45


def test_a_mask_is_not_painted(
    known: Models, astronaut: Path, tmp_path: Path, regions: AtlasRegions
) -> None:
    avatar, _ = fit("mouth_mask", known, astronaut, tmp_path, LONGER)
    for area in (regions.lips, regions.beard):
        red, _, blue = skin_within(avatar, area).log().unbind(-1)
        # 0.9 where W completes the lips, -0.3 where the mask is painted on them
        assert float((red - blue).quantile(0.05)) > 0.4


@pytest.mark.parametrize("kind", ["sunglasses", "glinting_lenses"])
def test_hidden_eyes_are_default_eyes(kind: str, fitted: Fitted, head: HeadModel) -> None:
    avatar, _ = fitted(kind)
    found = avatar.materials[head.part_names.index("eye_L")].diffuse_albedo
    usual = eye_material(torch.zeros(1, 1), found.shape[1]).diffuse_albedo
    torch.testing.assert_close(found, usual, atol=6e-3, rtol=0)  # as little as lenses tell


@pytest.mark.parametrize("kind", ["black", "white"])
def test_nothing_to_see_is_one_line(
    kind: str, models: Models, provider: LandmarkProvider, astronaut: Path, tmp_path: Path
) -> None:
    finding = replace(models, landmarks=provider)
    with pytest.raises(LandmarkError, match=f"{kind}.png shows no face") as caught:
        fit(kind, finding, astronaut, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_head_without_regions(known: Models, astronaut: Path, tmp_path: Path) -> None:
    plain = replace(known, head=replace(known.head, regions={}))
    avatar, _ = fit("plain", plain, astronaut, tmp_path)
    assert all_finite(avatar)
