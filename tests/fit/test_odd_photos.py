"""Photos that users of other tools had trouble with: each is found, and what is a guess is said.

Only landmarks and notes; that a fit comes of what covers a face is in test_hard_photos.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.fit.align import Aligner
from fitme.fit.judge import before
from fitme.fit.judge.picture import EVEN, even_share, eye_openings
from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel
from fitme.head.view import View, head_angles, head_rotation
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import LANDMARK_MIRROR, FaceLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.landmarks.select import select_face
from fitme.models.stylegan2 import load_generator
from fitme.reflectance.generated import generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import Material, render
from fitme.render.camera import matrix_to_axis_angle
from fitme.render.light import Light
from fitme.runtime.errors import LandmarkError, PhotoError
from tests.fit.hard_photos import ODD, draw

# kind -> kinds of notes; what is not listed deserves none that is about the kind
SAID = {
    "wink": {"eyes"}, "shut_eyes": {"eyes"}, "statue": {"tinted"}, "cartoon": {"drawn"},
    "heads_touching": {"faces"},
}  # fmt: skip
Found = dict[str, tuple[Photo, list[FaceLandmarks]]]


@pytest.fixture(scope="module")
def found(
    provider: LandmarkProvider, astronaut: Path, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    """Every odd photo and the faces in it."""
    folder = tmp_path_factory.mktemp("odd")
    photos = {kind: load_photo(draw(kind, astronaut, folder / f"{kind}.png")) for kind in ODD}
    return {kind: (photo, provider.detect(photo)) for kind, photo in photos.items()}


@pytest.fixture(scope="module")
def aligner(head: HeadModel) -> Aligner:
    return Aligner(head)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_said(kind: str, found: Found, aligner: Aligner) -> None:
    photo, faces = found[kind]
    face = select_face(faces, None, photo.path)
    notes = before(photo, face, aligner.align(face, photo.width, photo.height))
    assert {note.kind for note in notes} - {"small"} == SAID.get(kind, set())
    assert all("\n" not in note.text for note in notes)


def test_a_wink_is_of_one_eye(found: Found) -> None:
    right, left = eye_openings(found["wink"][1][0])
    assert left < 0.6 * right


def test_a_mirrored_selfie_is_the_mirrored_face(found: Found) -> None:
    (photo, (face,)), (_, (other,)) = found["plain"], found["mirrored"]
    back = other.points[list(LANDMARK_MIRROR)]
    back = torch.stack([photo.width - back[:, 0], back[:, 1]], 1)
    apart = (face.points - back).norm(dim=1).mean()
    assert float(apart) < 0.01 * face.interocular


def test_heads_that_touch_are_two(found: Found) -> None:
    photo, faces = found["heads_touching"]
    (alone,) = found["plain"][1]
    assert len(faces) == 2
    first, second = (select_face(faces, index, photo.path) for index in (0, 1))
    assert float((first.points - alone.points).norm(dim=1).max()) < 0.1 * alone.size
    assert second.box[0] > first.box[2] - 0.1 * first.size


def test_even_areas(found: Found, astronaut: Path, tmp_path: Path) -> None:
    photo, (face,) = found["plain"]
    assert even_share(photo, face) < 0.01
    assert even_share(found["cartoon"][0], face) > 1.5 * EVEN
    for covered in ("mouth_mask", "hand"):
        assert even_share(found[covered][0], face) < 0.75 * EVEN
    white = replace(photo, pixels=torch.ones_like(photo.pixels))
    assert even_share(white, face) == 0.0  # blown out, not drawn


@pytest.fixture(scope="module")
def mean_person(head: HeadModel, regions: AtlasRegions) -> list[Material]:
    """Skin and eyes of the generator's mean."""
    generator = load_generator()
    with torch.no_grad():
        maps = generator.synthesize(generator.w_mean[None], 256)
    return generated_materials(head, regions, maps, torch.zeros(1, 1))


@pytest.mark.parametrize("yaw", [30, 45, 60, 75])
def test_a_turned_head_is_found_or_refused_in_a_line(
    yaw: int, provider: LandmarkProvider, head: HeadModel, mean_person: list[Material],
    aligner: Aligner,
) -> None:  # fmt: skip
    side = 320
    view = View(
        matrix_to_axis_angle(head_rotation(float(yaw)))[None], torch.tensor([[0.0, 0.03, 0.9]]),
        torch.tensor([900.0]), side, side, torch.zeros(1, len(head.expression_names)),
        torch.zeros(1, 2, 2),
    )  # fmt: skip
    with torch.no_grad():
        mesh = head_mesh(head, view.posed(head, torch.zeros(1, len(head.identity))))
        out = render(mesh, mean_person, view.camera(), Light.preset("studio"))
    pixels = out.color[0].clamp(0, 1) + 0.3 * (1 - out.alpha[0])
    photo = Photo(Path(f"yaw_{yaw}.png"), pixels)
    try:
        face = select_face(provider.detect(photo), None, photo.path)
        aligned = aligner.align(face, side, side)
        notes = before(photo, face, aligned)
    except (LandmarkError, PhotoError) as error:
        assert yaw > 45 and f"yaw_{yaw}.png" in str(error) and "\n" not in str(error)
        return
    angles = head_angles(aligned.view.camera().world_to_camera[0, :3, :3])
    assert abs(angles["yaw_deg"] - yaw) < 16  # 60 is told as 46
    assert yaw == 30 or {"turned", "pose"} & {note.kind for note in notes}
