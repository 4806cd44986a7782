"""What is said about a photo and a fit: every note from a photo made to deserve it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from fitme.avatar.model import Avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.fit.align import Aligner
from fitme.fit.judge import after, before, judge_avatar, judge_photos
from fitme.fit.judge.picture import eye_openings, picture_notes, sharpness, tint_spread
from fitme.head.geometry import Geometry
from fitme.head.model import HeadModel
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import LANDMARK_MIRROR, FaceLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.select import select_face
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.generated import generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render.light import Light
from fitme.runtime.errors import InputError, PhotoError
from fitme.runtime.notes import Note, as_data
from fitme.runtime.progress import SilentProgress
from tests.fit.known_cameras import Shot

ASTRONAUT = Path(__file__).parents[2] / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def aligner(head: HeadModel) -> Aligner:
    return Aligner(head)


@pytest.fixture(scope="module")
def provider() -> MediaPipeLandmarks:
    return MediaPipeLandmarks()


@pytest.fixture(scope="module")
def astronaut(provider: MediaPipeLandmarks) -> tuple[Photo, FaceLandmarks]:
    photo = load_photo(ASTRONAUT)
    return photo, select_face(provider.detect(photo), None, photo.path)


def kinds(notes: list[Note]) -> dict[str, str]:
    return {note.kind: note.severity for note in notes}


class Told(SilentProgress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def judged(astronaut, aligner: Aligner, provider: MediaPipeLandmarks, tmp_path: Path):
    """Notes on a changed picture of the astronaut; its own landmarks unless `again`."""

    def judge(image: Image.Image, *, scale: float = 1.0, again: bool = False) -> list[Note]:
        path = tmp_path / "made.png"
        image.save(path)
        photo, face = load_photo(path), replace(astronaut[1], points=astronaut[1].points * scale)
        if again:
            face = select_face(provider.detect(photo), None, path)
        return before(photo, face, aligner.align(face, photo.width, photo.height))

    return judge


def picture() -> Image.Image:
    with Image.open(ASTRONAUT) as image:
        return image.convert("RGB")


class TestPhoto:
    def test_a_good_photo_deserves_none(self, judged) -> None:
        assert judged(picture()) == []

    def test_gray(self, judged) -> None:
        notes = judged(picture().convert("L"))
        assert kinds(notes) == {"gray": "warning"} and "skin" in notes[0].text

    @pytest.mark.parametrize("strength", [1.0, 0.4])
    def test_sepia(self, judged, strength: float) -> None:
        gray = np.asarray(picture().convert("L"), np.float32)[..., None]
        tint = 1 + strength * (np.array([1.07, 0.9, 0.7], np.float32) - 1)
        sepia = Image.fromarray((gray * tint).clip(0, 255).astype(np.uint8))
        assert kinds(judged(sepia)) == {"tinted": "warning"}

    def test_blurred(self, judged) -> None:
        grades = [
            kinds(judged(picture().filter(ImageFilter.GaussianBlur(radius)))) for radius in (2, 6)
        ]
        assert grades == [{"blurred": "note"}, {"blurred": "warning"}]

    def test_small(self, judged) -> None:
        for side, grade in ((420, "note"), (280, "warning")):
            small = picture().resize((side, side), Image.Resampling.LANCZOS)
            assert kinds(judged(small, scale=side / 512))["small"] == grade

    def test_two_faces_side_by_side(self, judged) -> None:
        face = picture().crop((100, 0, 356, 256))
        both = Image.new("RGB", (600, 256), (120, 120, 120))
        both.paste(face, (0, 0))
        both.paste(face.resize((240, 240)).crop((0, 0, 240, 240)), (340, 8))
        notes = judged(both, again=True)
        (note,) = [note for note in notes if note.kind == "faces"]
        assert note.severity == "warning"  # the other is nearly as large
        assert "2 faces" in note.text and "at the left" in note.text and "--face 1" in note.text

    def test_a_face_in_the_background_is_a_lesser_note(self, astronaut) -> None:
        photo, face = astronaut
        assert select_face([face, face], 0).among == ()  # the user said which
        small = replace(face, points=face.points * 0.3)
        chosen = select_face([face, small])
        assert kinds(picture_notes(photo, chosen)) == {"faces": "note"}

    def test_cut_by_the_edge(self, astronaut, aligner: Aligner) -> None:
        photo, face = astronaut
        left = int(face.points[:468, 0].mean())
        half = replace(photo, pixels=photo.pixels[:, left:])
        moved = replace(face, points=face.points - torch.tensor([float(left), 0.0]))
        notes = before(half, moved, aligner.align(moved, half.width, half.height))
        assert kinds(notes)["cut"] == "warning"


class TestFace:
    SHOT = Shot(1000, 1000, 1374.0, (500.0, 500.0), 0.9)

    def seen(self, head: HeadModel, yaw: float = 0, pitch: float = 0, **shapes: float):
        view = self.SHOT.view(head, yaw, pitch)
        for name, weight in shapes.items():
            view.expression[0, head.expression_index(name)] = weight
        identity = torch.zeros(1, head.identity.shape[0])
        points = view.camera().project(head.landmarks(view.posed(head, identity)))[0]
        draws = torch.Generator().manual_seed(0)
        pixels = torch.rand(1000, 1000, 3, generator=draws)
        return Photo(Path("made.png"), pixels), FaceLandmarks(points)

    def judge(self, aligner: Aligner, photo: Photo, face: FaceLandmarks) -> dict[str, str]:
        return kinds(before(photo, face, aligner.align(face, photo.width, photo.height)))

    def test_open_eyes_from_the_front(self, head: HeadModel, aligner: Aligner) -> None:
        assert self.judge(aligner, *self.seen(head)) == {}

    def test_shut_eyes(self, head: HeadModel, aligner: Aligner) -> None:
        both = self.seen(head, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
        assert self.judge(aligner, *both) == {"eyes": "warning"}
        assert self.judge(aligner, *self.seen(head, eyeBlinkLeft=1.0)) == {"eyes": "note"}

    @pytest.mark.parametrize(
        ("yaw", "found"),
        [(20, {}), (-38, {"turned": "note"}), (55, {"pose": "warning"})],
    )
    def test_turned(
        self, head: HeadModel, aligner: Aligner, yaw: float, found: dict[str, str]
    ) -> None:
        assert self.judge(aligner, *self.seen(head, yaw)) == found


class TestImplausible:
    @pytest.mark.parametrize("kind", ["mirrored", "shuffled", "stretched", "sheared"])
    def test_wrong_landmarks_are_refused(self, astronaut, aligner: Aligner, kind: str) -> None:
        photo, face = astronaut
        points = face.points.clone()
        middle = points.mean(0)
        if kind == "mirrored":  # left and right changed over
            points = points[list(LANDMARK_MIRROR)]
        elif kind == "shuffled":
            points = points[torch.randperm(478, generator=torch.Generator().manual_seed(0))]
        elif kind == "stretched":
            points[:, 0] = middle[0] + 2.2 * (points[:, 0] - middle[0])
        else:
            points[:, 0] += 0.9 * (points[:, 1] - middle[1])
        wrong = replace(face, points=points)
        aligned = aligner.align(wrong, photo.width, photo.height)
        with pytest.raises(PhotoError, match=r"astronaut\.png: .*landmarks"):
            before(photo, wrong, aligned)

    def test_a_doubtful_shape_is_a_warning(self, astronaut, aligner: Aligner) -> None:
        photo, face = astronaut
        aligned = aligner.align(face, photo.width, photo.height)
        odd = replace(aligned, identity=aligned.identity * 7.5 / aligned.identity.norm())
        assert kinds(before(photo, face, odd)) == {"shape": "warning"}
        with pytest.raises(PhotoError, match="impossible shape"):
            before(photo, face, replace(odd, identity=odd.identity * 2))
        with pytest.raises(PhotoError):
            before(photo, face, replace(odd, error=float("nan")))

    def test_skip_bad_leaves_it_out(self, astronaut, aligner: Aligner) -> None:
        photo, face = astronaut
        good = aligner.align(face, photo.width, photo.height)
        bad = replace(good, error=0.3)
        told = Told()
        notes = judge_photos([(photo, face)] * 2, [bad, good], True, told)
        assert notes == {1: []} and "left out" in told.lines[0]
        with pytest.raises(InputError, match="none of the 1 photos"):
            judge_photos([(photo, face)], [bad], True, told)
        with pytest.raises(PhotoError):
            judge_photos([(photo, face)] * 2, [good, bad], False, told)


@pytest.fixture(scope="module")
def drawn(astronaut, aligner: Aligner, head: HeadModel, regions: AtlasRegions):
    """A plain head where the astronaut's is, and the photo that it would be: its own render."""
    photo, face = astronaut
    aligned = aligner.align(face, photo.width, photo.height)
    draws = torch.Generator().manual_seed(0)
    albedo = 0.3 + 0.3 * torch.rand(1, 16, 16, 3, generator=draws)
    albedo = torch.nn.functional.interpolate(albedo.movedim(-1, 1), 256, mode="bilinear")
    normal = torch.tensor([0.0, 0.0, 1.0]).expand(1, 256, 256, 3)
    maps = ReflectanceMaps(
        albedo.movedim(1, -1).contiguous(), torch.full((1, 256, 256, 1), 0.028), normal.clone()
    )
    materials = generated_materials(head, regions, maps, torch.zeros(1, 1))
    light = Light.preset("side")
    seen = AvatarPhoto(photo.path, aligned.view, light, {}, aligned.error)
    avatar = Avatar(Geometry(head, aligned.identity), tuple(materials), (seen,))
    own = replace(photo, pixels=avatar.render_photo().color[0].clamp(0, 1))
    return avatar, own


class TestAfter:
    def test_its_own_render_is_like_it(self, drawn) -> None:
        assert after(drawn[0], 0, drawn[1]) == []

    def test_another_picture_is_not(self, drawn) -> None:
        avatar, own = drawn
        noise = torch.rand(own.pixels.shape, generator=torch.Generator().manual_seed(0))
        told = Told()
        notes = judge_avatar(avatar, [replace(own, pixels=noise)], told)
        assert kinds(notes) == {"likeness": "warning"} and told.lines == [
            f"warning: {own.path.name}: {notes[0].text}"
        ]
        assert as_data(notes)[0].keys() == {"kind", "severity", "text", "photo"}

    def test_a_monster_is_refused(self, drawn) -> None:
        avatar, own = drawn
        with pytest.raises(PhotoError, match="cannot be"):
            monster = replace(avatar.geometry, identity=torch.full_like(avatar.identity, 1.5))
            after(replace(avatar, geometry=monster), 0, own)

    def test_a_bad_seat_is_a_warning(self, drawn) -> None:
        avatar, own = drawn
        moved = replace(avatar, photos=(replace(avatar.photos[0], landmark_error=0.03),))
        assert kinds(after(moved, 0, own)) == {"landmarks": "warning"}


def test_measures(astronaut) -> None:
    photo, face = astronaut
    assert tint_spread(photo.pixels) > 0.02 and tint_spread(torch.full((60, 60, 3), 0.2)) < 1e-6
    assert min(eye_openings(face)) > 0.2
    flat = replace(photo, pixels=torch.full_like(photo.pixels, 0.3))
    assert sharpness(flat, face) == 0.0 < sharpness(photo, face)
