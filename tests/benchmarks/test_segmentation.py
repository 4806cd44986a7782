"""Hand-drawn labels as pictures, and the scores against them, on cases known by hand."""

from __future__ import annotations

import hashlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import segmentation
from benchmarks.label_file import FILE, IGNORE, LabelledFace, painted, read_labels
from benchmarks.segmenters import UNTOLD, method
from fitme.landmarks.face import LANDMARKS, FaceLandmarks
from fitme.runtime.errors import InputError, LandmarkError
from fitme.segment.frame import Frame
from fitme.segment.labels import Label


def box_face(x0: float, y0: float, x1: float, y1: float) -> FaceLandmarks:
    """Landmarks that only have a box."""
    points = torch.tensor([[x0, y0], [x1, y1]]).repeat(LANDMARKS // 2, 1)
    return FaceLandmarks(points)


def ring(*values: float) -> np.ndarray:
    return np.reshape(values, (-1, 2)).astype(float)


def square_ring(low: float, high: float) -> np.ndarray:
    return ring(low, low, high, low, high, high, low, high)


class TestPainting:
    def test_pixels_whose_centre_is_inside(self) -> None:
        labels = painted([(Label.SKIN, (square_ring(2, 6),))], (0, 0), 1, 8)
        wanted = np.zeros((8, 8))
        wanted[2:6, 2:6] = Label.SKIN
        assert (labels == wanted).all()

    def test_place_and_scale(self) -> None:
        labels = painted([(Label.HAIR, (square_ring(12, 14),))], (10, 11), 4, 16)
        rows, columns = np.nonzero(labels == Label.HAIR)
        assert (columns.min(), columns.max(), rows.min(), rows.max()) == (8, 15, 4, 11)

    def test_later_layers_lie_above_and_rings_leave_holes(self) -> None:
        layers = [
            (int(Label.HAIR), (square_ring(0, 12), square_ring(4, 8))),
            (int(Label.SKIN), (square_ring(10, 12),)),
        ]
        labels = painted(layers, (0, 0), 1, 12)
        assert labels[1, 1] == Label.HAIR
        assert labels[5, 5] == Label.BACKGROUND
        assert labels[11, 11] == Label.SKIN
        assert (labels == Label.BACKGROUND).sum() == 16

    def test_a_slanted_area_keeps_its_size(self) -> None:
        labels = painted([(Label.SKIN, (ring(10, 0, 90, 30, 60, 100),))], (0, 0), 1, 100)
        assert (labels == Label.SKIN).sum() == pytest.approx(3250, rel=0.01)


def labelled_face(file: str = "a.png", sha256: str = "", doubt: float = 0) -> LabelledFace:
    hair, skin = (int(Label.HAIR), (square_ring(4, 28),)), (int(Label.SKIN), (square_ring(12, 20),))
    return LabelledFace(file, sha256, (40, 24), (10, 10, 20, 20), doubt, (hair, skin))


class TestTruth:
    def test_outside_of_the_photo_nothing_is_known(self) -> None:
        labels = labelled_face().truth((-8, -8, 48), 48)
        known = labels != IGNORE
        assert known[8:32, 8:48].all()
        assert known.sum() == 24 * 40

    def test_the_hairs_outline_is_in_doubt(self) -> None:
        labels = labelled_face(doubt=2).truth((0, 0, 24), 24)
        assert labels[16].tolist()[:10] == [0, 0] + [IGNORE] * 4 + [Label.HAIR] * 4
        bare = labelled_face(doubt=2).truth((0, 0, 24), 24, strips=False)
        assert not (bare == IGNORE).any()

    def test_another_photo_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(b"another photo")
        with pytest.raises(InputError, match="is not the photo that was labelled") as problem:
            labelled_face(sha256="0" * 64).check(path)
        assert "\n" not in str(problem.value)
        labelled_face(sha256=hashlib.sha256(b"another photo").hexdigest()).check(path)
        with pytest.raises(InputError, match="is missing"):
            labelled_face().check(tmp_path / "b.png")

    def test_the_command_says_so_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for face in read_labels():
            (tmp_path / face.file).write_bytes(b"another photo")
        arguments = ["segmentation", "--photos", str(tmp_path), "--method", "mediapipe"]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as stop:
            segmentation.main()
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_the_labelled_face_is_chosen(self) -> None:
        other, same = box_face(30, 10, 40, 20), box_face(10.4, 9.8, 20.1, 20.3)
        assert labelled_face().choose([other, same]) is same
        with pytest.raises(LandmarkError):
            labelled_face().choose([other])


class TestScores:
    def test_overlap_by_hand(self) -> None:
        truth = np.array([[1, 1, 1, 8], [8, 0, IGNORE, 0]])
        found = np.array([[1, 1, 8, 8], [0, 0, 8, UNTOLD]])
        shares = segmentation.overlap(segmentation.counts(truth, found))
        assert shares[Label.SKIN] == pytest.approx(2 / 3)
        assert shares[Label.HAIR] == pytest.approx(1 / 3)
        assert shares[Label.BACKGROUND] == pytest.approx(1 / 3)
        assert math.isnan(shares[Label.BEARD])

    def test_what_the_truth_lacks_counts_together(self) -> None:
        pairs = [([[10, 0]], [[10, 0]]), ([[0, 0]], [[10, 10]])]
        counted = sum(segmentation.counts(np.array(a), np.array(b)) for a, b in pairs)
        assert segmentation.overlap(np.asarray(counted))[Label.GLASSES] == pytest.approx(1 / 3)

    def test_outlines(self) -> None:
        truth = painted([(Label.SKIN, (square_ring(10, 30),))], (0, 0), 1, 40)
        near = painted([(Label.SKIN, (square_ring(11, 31),))], (0, 0), 1, 40)
        far = painted([(Label.SKIN, (square_ring(18, 22),))], (0, 0), 1, 40)
        score = lambda found: segmentation.outline_score(truth, found, Label.SKIN, 2)  # noqa: E731
        assert score(truth) == score(near) == 1
        assert score(far) == 0
        assert math.isnan(segmentation.outline_score(truth, truth, Label.HAIR, 2))

    def test_mean_over_those_that_have_it(self) -> None:
        rows = np.array([[1.0, np.nan], [0.5, np.nan]])
        assert segmentation.mean(rows)[0] == 0.75
        assert np.isnan(segmentation.mean(rows)[1])


class TestFile:
    def test_outlines_lie_around_the_faces(self) -> None:
        faces = read_labels()
        assert len(faces) >= 15
        assert FILE.stat().st_size < 300_000
        for face in faces:
            frame = Frame.around(face.box)
            square = (frame.left, frame.top, frame.side)
            labels = face.truth(square, 128)
            x, y = ((face.box[i] + face.box[i + 2]) / 2 - square[i] for i in (0, 1))
            middle = labels[round(y / square[2] * 128), round(x / square[2] * 128)]
            assert middle in (Label.SKIN, Label.GLASSES), face.file
            assert 0.05 < (labels == Label.SKIN).mean() < 0.35, face.file
            assert {Label.HAIR, Label.EYES, Label.LIPS} <= set(labels.ravel().tolist()), face.file


def test_any_function_is_a_method() -> None:
    assert method("tests.benchmarks.test_segmentation:square_ring")[0] is square_ring
    for name in ("nothing", "no.such.module:segment", "benchmarks.segmenters:nothing"):
        with pytest.raises(InputError, match="--method"):
            method(name)
