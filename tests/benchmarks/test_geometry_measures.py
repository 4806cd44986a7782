"""What shapes and cameras are measured by, on motions whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.camera_error import field_of_view_deg, turn_error_deg
from benchmarks.measures import surface_error
from benchmarks.regions import face_regions, region_errors
from fitme.head.model import HeadModel, load_head
from fitme.render.camera import axis_angle_to_matrix


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def turned(degrees: float, axis: int) -> np.ndarray:
    vector = torch.zeros(3, dtype=torch.double)
    vector[axis] = math.radians(degrees)
    return axis_angle_to_matrix(vector).numpy()


class TestCamera:
    def test_field_of_view(self) -> None:
        assert field_of_view_deg(500.0, 1000) == pytest.approx(90)
        assert field_of_view_deg(24 / 36 * 800, 800) == pytest.approx(73.74, abs=0.01)

    def test_known_turn(self, head: HeadModel) -> None:
        points = head.mean[::50].double().numpy()
        pose = turned(30, 1) @ turned(-10, 0)
        assert turn_error_deg(turned(7, 0) @ pose, pose, points, points) == pytest.approx(7)

    def test_other_world(self, head: HeadModel) -> None:
        """The same head in another frame and size: only the pose against the head counts."""
        points = head.mean[::50].double().numpy()
        frame, pose = turned(25, 0), turned(30, 1)
        moved = 1.2 * points @ frame.T + [0.1, -0.3, 0.2]
        assert turn_error_deg(pose @ frame, pose, points, moved) == pytest.approx(0, abs=1e-4)
        assert turn_error_deg(pose, pose, points, moved) == pytest.approx(25)


class TestRegions:
    def errors(self, head: HeadModel, fitted: np.ndarray, truth: np.ndarray):
        triangles = head.part_triangles(head.skin.name).numpy()
        counted = np.ones(len(truth), bool)
        return region_errors(fitted, truth, triangles, face_regions(head), counted)

    def test_apart_and_in_place(self, head: HeadModel) -> None:
        regions = face_regions(head)
        assert sum(mask.astype(int) for mask in regions.values()).max() == 1
        middles = {name: head.mean.numpy()[mask].mean(0) for name, mask in regions.items()}
        assert middles["forehead"][1] > middles["nose"][1] > middles["mouth"][1]
        assert np.abs([middle[0] for middle in middles.values()]).max() < 0.002

    def test_of_itself(self, head: HeadModel) -> None:
        truth = head.mean.double().numpy()
        for error in self.errors(head, 0.9 * truth @ turned(20, 1).T + 0.05, truth).values():
            assert error.corresponding < 1e-6
            assert error.nearest < 0.02

    def test_moved_region_is_laid_on(self, head: HeadModel) -> None:
        """A nose moved by 1 mm as a whole is a good nose; a narrower one is not."""
        truth = head.mean.double().numpy()
        nose = face_regions(head)["nose"]
        moved, narrow = truth.copy(), truth.copy()
        moved[nose] += [0.0006, 0.0008, 0.0]
        narrow[nose, 0] *= 0.8
        good, bad = self.errors(head, moved, truth), self.errors(head, narrow, truth)
        scale_share = 0.03  # mm: the whole face's scale follows the moved nose a little
        assert good["nose"].corresponding < scale_share
        assert good["nose"].nearest < 3 * scale_share  # its edges are torn off the cheeks
        assert bad["nose"].corresponding > 1
        assert bad["nose"].nearest > 0.5


class TestSurfaceError:
    def test_only_counted_vertices_count(self, head: HeadModel) -> None:
        triangles = head.part_triangles(head.skin.name)
        nose = int(head.mean[:, 2].argmax())
        torn = head.mean.clone()
        forehead = (head.mean[:, 1] > 0.06) & (head.mean[:, 1] < 0.08) & (head.mean[:, 2] > 0.05)
        torn[forehead, 2] += 0.01
        counted = (~forehead).numpy()
        assert surface_error(head.mean, torn, triangles, nose, 1) > 0.3
        error = surface_error(head.mean, torn, triangles, nose, 2, counted)
        assert error < 0.02
