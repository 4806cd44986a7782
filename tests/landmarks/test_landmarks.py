from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from PIL import Image

from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import (
    LANDMARK_MIRROR,
    LANDMARKS,
    MIN_FACE_PX,
    FaceLandmarks,
)
from fitme.landmarks.file import load_landmarks
from fitme.landmarks.select import select_face
from fitme.runtime.errors import InputError, LandmarkError
from tests.bad_files import no_face, tiny_face


@pytest.fixture(scope="module")
def photo(astronaut: Path) -> Photo:
    return load_photo(astronaut)


@pytest.fixture(scope="module")
def face(provider, photo: Photo) -> FaceLandmarks:
    (only,) = provider.detect(photo)
    return only


def error_of(first: FaceLandmarks, second: FaceLandmarks) -> float:
    """Mean distance of corresponding points over the interocular distance."""
    return float((first.points - second.points).norm(dim=1).mean()) / first.interocular


class TestMediaPipe:
    def test_smoke(self, face: FaceLandmarks) -> None:
        assert face.points.shape == (LANDMARKS, 2) and face.points.dtype == torch.float32
        assert face.depth is not None and face.depth.shape == (LANDMARKS,)
        assert face.score is not None and 0.9 < face.score <= 1
        assert face.spread is not None and face.spread < 0.04 * face.interocular
        # Where a person sees them in this picture (pixels).
        right_iris, left_iris = face.points[468], face.points[473]
        assert right_iris.tolist() == pytest.approx([203.5, 101], abs=1.5)
        assert left_iris.tolist() == pytest.approx([246.5, 103.5], abs=1.5)

    def test_is_deterministic(self, provider, photo: Photo, face: FaceLandmarks) -> None:
        (again,) = provider.detect(photo)
        assert torch.equal(again.points, face.points)

    @pytest.mark.parametrize("scale", [0.75, 2.0])
    def test_follows_the_size(self, provider, photo: Photo, face: FaceLandmarks, scale) -> None:
        side = int(512 * scale)
        (other,) = provider.detect(photo.resized(side, side))
        other = replace(other, points=other.points / scale)
        assert error_of(face, other) < 0.01

    def test_follows_the_crop(self, provider, photo: Photo, face: FaceLandmarks) -> None:
        crop = photo.crop(90, 10, 300, 280)
        (other,) = provider.detect(replace(photo, pixels=crop.pixels))
        other = replace(other, points=other.points + torch.tensor([90.0, 10.0]))
        assert error_of(face, other) < 0.005

    def test_mirrored_photo_gives_mirrored_points(self, provider, photo, face) -> None:
        (other,) = provider.detect(replace(photo, pixels=photo.pixels.flip(1)))
        points = other.points[list(LANDMARK_MIRROR)] * torch.tensor([-1.0, 1.0])
        other = replace(other, points=points + torch.tensor([512.0, 0.0]))
        assert error_of(face, other) < 0.005

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_turned_photo(self, provider, photo: Photo, face: FaceLandmarks, turns) -> None:
        turned = torch.rot90(photo.pixels, turns).contiguous()
        (other,) = provider.detect(replace(photo, pixels=turned))
        x, y = other.points.unbind(1)
        for _ in range(turns):
            x, y = 512 - y, x
        assert error_of(face, replace(other, points=torch.stack((x, y), 1))) < 0.01

    @pytest.mark.parametrize("orientation", [3, 6])
    def test_exif_orientation(self, provider, astronaut, face, orientation, tmp_path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
        Image.open(astronaut).transpose(turn).save(tmp_path / "a.png", exif=exif)
        (other,) = provider.detect(load_photo(tmp_path / "a.png"))
        assert error_of(face, other) < 1e-6

    def test_small_face_in_a_large_photo(self, provider, photo: Photo, face) -> None:
        canvas = torch.full((1500, 2400, 3), 0.2)
        canvas[900:1212, 1500:1812] = photo.resized(312, 312).pixels
        (other,) = provider.detect(replace(photo, pixels=canvas))
        points = (other.points - torch.tensor([1500.0, 900.0])) * (512 / 312)
        assert error_of(face, replace(other, points=points)) < 0.02

    def test_two_faces_are_sorted(self, provider, photo: Photo) -> None:
        canvas = torch.zeros(512, 900, 3)
        canvas[100:484, :384] = photo.resized(384, 384).pixels
        canvas[:, 388:] = photo.pixels
        first, second = provider.detect(replace(photo, pixels=canvas))
        assert first.size > second.size
        assert first.box[0] > 388 > second.box[2]

    def test_no_face(self, provider, tmp_path: Path) -> None:
        assert provider.detect(load_photo(no_face(tmp_path))) == []

    def test_tiny_face_is_refused(self, provider, tmp_path: Path) -> None:
        faces = provider.detect(load_photo(tiny_face(tmp_path)))
        with pytest.raises(LandmarkError, match=r"tiny\.png"):
            select_face(faces, name=tmp_path / "tiny.png")

    def test_group_photos(self, provider, shared: Path) -> None:
        photos = shared / "data" / "photos"
        assert len(provider.detect(load_photo(photos / "x_couple.jpg"))) == 2
        assert len(provider.detect(load_photo(photos / "x_group.jpg"))) >= 4

    def test_a_worker_does_not_grow(self, provider, photo: Photo) -> None:
        """Pictures of ever other sizes, as a worker of a batch meets them."""
        process, used = psutil.Process(), []
        for k in range(24):
            size = (160 + 9 * (k % 7), 160 + 11 * (k % 5))
            piece = replace(photo, pixels=photo.crop(120, 0, 256, 256, size).pixels)
            assert len(provider.detect(piece)) == 1
            used.append(process.memory_info().rss)
        grown = min(used[-6:]) - min(used[6:12])
        assert grown < 12e6  # 500 would be 250 MB at half a megabyte each

    def test_says_nothing(self, astronaut: Path) -> None:
        code = (
            ""
            "from fitme.image.photo import load_photo\n"
            "from fitme.landmarks.mediapipe import MediaPipeLandmarks\n"
            f"assert MediaPipeLandmarks().detect(load_photo({str(astronaut)!r}))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0
        assert done.stderr == ""
        assert done.stdout == ""


def test_mirror_table_is_its_own_inverse() -> None:
    assert all(LANDMARK_MIRROR[LANDMARK_MIRROR[i]] == i for i in range(LANDMARKS))
    assert LANDMARK_MIRROR[33] == 263 and LANDMARK_MIRROR[468] == 473 and LANDMARK_MIRROR[1] == 1


def test_mirror_table_swaps_the_sides() -> None:
    pairs = {61: 291, 159: 386, 145: 374, 50: 280, 234: 454, 469: 476, 471: 474, 10: 10, 152: 152}
    assert {index: LANDMARK_MIRROR[index] for index in pairs} == pairs
    assert sorted(LANDMARK_MIRROR) == list(range(LANDMARKS))


def made_up(size: float, x: float = 0.0) -> FaceLandmarks:
    points = torch.rand(LANDMARKS, 2, generator=torch.Generator().manual_seed(0))
    points[:2] = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    return FaceLandmarks(points * size + torch.tensor([x, 0.0]))


class TestSelectFace:
    def test_default_is_the_first(self) -> None:
        faces = [made_up(200), made_up(100)]
        chosen = select_face(faces)
        assert chosen.points is faces[0].points
        assert chosen.among == tuple(face.size for face in faces)  # nobody said which
        assert select_face(faces, 1) is faces[1] and select_face(faces[:1]) is faces[0]

    @pytest.mark.parametrize("index", [9, -1, 2])
    def test_no_such_index_names_the_count(self, index: int) -> None:
        with pytest.raises(InputError, match=r"a\.jpg has 2 faces, 0 to 1"):
            select_face([made_up(200), made_up(100)], index, "a.jpg")
        with pytest.raises(InputError, match=f"1 face, number 0.*--face {index}"):
            select_face([made_up(200)], index, "a.jpg")

    def test_none(self) -> None:
        with pytest.raises(InputError, match=r"a\.jpg shows no face"):
            select_face([], None, "a.jpg")

    def test_too_small(self) -> None:
        assert select_face([made_up(MIN_FACE_PX + 1)])
        with pytest.raises(InputError, match="only 39 pixels"):
            select_face([made_up(MIN_FACE_PX - 1)])


def points(size: float = 200) -> list[list[float]]:
    return made_up(size, 10).points.tolist()


class TestLoadLandmarks:
    @pytest.mark.parametrize("form", ["object", "list", "comma", "blank", "semicolon"])
    def test_forms(self, form: str, tmp_path: Path) -> None:
        separator = {"comma": ", ", "blank": "\t", "semicolon": ";"}.get(form)
        path = tmp_path / "points.any"
        if separator:
            lines = [separator.join(map(repr, row)) for row in points()]
            path.write_text("# x y\n\n" + "\n".join(lines) + "\n")
        else:
            path.write_text(json.dumps({"points": points()} if form == "object" else points()))
        torch.testing.assert_close(load_landmarks(path).points, torch.tensor(points()))

    def bad(self, tmp_path: Path, content: str | bytes, photo: Photo | None = None) -> str:
        path = tmp_path / "points.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError) as caught:
            load_landmarks(path, photo)
        message = str(caught.value)
        assert message.startswith(str(path)) and "\n" not in message
        return message

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"points": 5}',
            '{"points": [5]}',
            "hello",
            "1 2\n3 x\n",
            '{"points": null}',
            "[" * 100_000,
            b"\x80\x04\x95pickle",
            b"\x93NUMPY\x01\x00",
            b"\xff\xfe\x00",
            "x" * 2_000_000,
        ],
        ids=lambda content: repr(content[:12]),
    )
    def test_malformed(self, content: str | bytes, tmp_path: Path) -> None:
        self.bad(tmp_path, content)

    def test_wrong_count(self, tmp_path: Path) -> None:
        assert "468" in self.bad(tmp_path, json.dumps(points()[:468]))
        self.bad(tmp_path, json.dumps([[*row, 0.0] for row in points()]))
        self.bad(tmp_path, json.dumps([*points()[:-1], [1.0]]))

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, None, [1], 1e400])
    def test_bad_cell(self, value: object, tmp_path: Path) -> None:
        rows: list[list[object]] = [list(row) for row in points()]
        rows[7][0] = value
        self.bad(tmp_path, json.dumps({"points": rows}))

    def test_huge_integer(self, tmp_path: Path) -> None:
        self.bad(tmp_path, json.dumps([[10**400, 1]] * LANDMARKS))

    def test_implausible(self, tmp_path: Path, photo: Photo) -> None:
        assert "normalised" in self.bad(tmp_path, json.dumps(made_up(1).points.tolist()))
        assert "only 20" in self.bad(tmp_path, json.dumps(points(20)))
        outside = json.dumps([[x + 450, y] for x, y in points()])
        assert "do not lie in" in self.bad(tmp_path, outside, photo)
        one_far = points()
        one_far[3] = [9000.0, 0.0]
        assert "do not lie in" in self.bad(tmp_path, json.dumps(one_far), photo)

    def test_slightly_outside_is_fine(self, tmp_path: Path, photo: Photo) -> None:
        path = tmp_path / "p.json"
        path.write_text(json.dumps([[x - 60, y] for x, y in points()]))
        assert load_landmarks(path, photo).points.min() < 0

    def test_points_count_the_pixels_of_the_file(self, tmp_path: Path, photo: Photo) -> None:
        path = tmp_path / "p.json"
        path.write_text(json.dumps([[2 * x, 2 * y] for x, y in points()]))
        face = load_landmarks(path, replace(photo, scale=0.5))
        torch.testing.assert_close(face.points, torch.tensor(points()))

    def test_missing_and_directory(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="does not exist"):
            load_landmarks(tmp_path / "no.json")
        with pytest.raises(InputError, match="is a directory"):
            load_landmarks(tmp_path)
