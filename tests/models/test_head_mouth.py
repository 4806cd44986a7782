"""Teeth, gums and tongue of the shipped head: shape, movement, visibility, drawn materials."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh

from fitme.export.frames import vertex_normals
from fitme.head.model import load_head
from fitme.head.parts import Role
from fitme.models.train import mouth
from fitme.reflectance.materials import part_materials
from fitme.reflectance.mouth import (
    TEETH_COLUMNS,
    TEETH_ROWS,
    mouth_albedo,
    mouth_materials,
    teeth_albedo,
    tongue_albedo,
)

HEAD = load_head()
MEAN = HEAD.mean.numpy().astype(float)


def rows(name: str) -> np.ndarray:
    return HEAD.part_vertices(name).numpy()


def teeth() -> list[np.ndarray]:
    """Triangles of each tooth, from the left quadrant's front to the right lower back."""
    triangles = HEAD.part_triangles("teeth").numpy()
    groups = trimesh.graph.connected_components(triangles[:, [0, 1, 1, 2]].reshape(-1, 2))
    return [triangles[np.isin(triangles, group).all(1)] for group in groups]


class TestTeeth:
    def test_every_tooth_is_a_cap_that_faces_outwards(self) -> None:
        found = teeth()
        assert len(found) == 32
        for triangles in found:
            used, local = np.unique(triangles, return_inverse=True)
            mesh = trimesh.Trimesh(MEAN[used], local.reshape(-1, 3), process=False)
            assert mesh.is_winding_consistent and mesh.euler_number == 1  # a disc
            outward = (mesh.vertex_normals * (mesh.vertices - mesh.centroid)).sum(1)
            assert (outward > 0).mean() > 0.9
            assert 0.004 < np.ptp(mesh.vertices[:, 0]) < 0.014

    def test_shading_is_smooth(self) -> None:
        """Three in four edges bend by little more than a sector's 20 to 36 degrees."""
        for triangles in teeth():
            used, local = np.unique(triangles, return_inverse=True)
            mesh = trimesh.Trimesh(MEAN[used], local.reshape(-1, 3), process=False)
            limit = 30 if MEAN[used, 2].mean() > 0.09 else 45
            assert np.quantile(np.degrees(mesh.face_adjacency_angles), 0.75) < limit

    def test_each_lies_in_its_cell(self) -> None:
        part = HEAD.part == HEAD.part_names.index("teeth")
        uv = HEAD.uv[HEAD.uv_triangles[part]].numpy()
        cell = np.floor(uv * [TEETH_COLUMNS, TEETH_ROWS])
        assert (cell == cell[:, :1]).all()
        x, y, z = MEAN[HEAD.triangles[part].numpy()].mean(1).T
        assert (x[cell[:, 0, 1] % 2 == 0] > -0.001).all()  # even rows: the person's left
        assert y[cell[:, 0, 1] < 2].mean() > y[cell[:, 0, 1] >= 2].mean() + 0.005
        assert np.corrcoef(z, cell[:, 0, 0])[0, 1] < -0.95

    def test_jaw_moves_the_lower_ones_only(self) -> None:
        moved = HEAD.expression[HEAD.expression_index("jawOpen")].norm(dim=1).numpy()
        height = [(MEAN[np.unique(t), 1].mean(), moved[np.unique(t)]) for t in teeth()]
        height.sort(key=lambda item: item[0])
        assert all(m.min() > 0.01 for _, m in height[:16])
        assert all(m.max() < 1e-4 for _, m in height[16:])

    def test_front_ones_are_seen_more_than_back_ones(self) -> None:
        at, seen = MEAN[rows("teeth"), 2], HEAD.occlusion.numpy()[rows("teeth")]
        assert np.quantile(seen[at > 0.098], 0.75) > 2.5 * np.quantile(seen[at < 0.075], 0.75)
        assert seen[at > 0.098].max() > 0.5


class TestTongue:
    def test_only_the_tongue_comes_out(self) -> None:
        moved = HEAD.expression[HEAD.expression_index("tongueOut")].norm(dim=1).numpy()
        others = np.setdiff1d(np.arange(len(MEAN)), rows("tongue"))
        assert moved[others].max() == 0 and 0.02 < moved.max() < 0.045
        assert moved[HEAD.regions["tongue"].numpy() < 0.2].max() == 0
        assert moved[HEAD.regions["tongue"].numpy() > 0.8].mean() > 0.008

    def test_it_clears_the_lower_teeth(self) -> None:
        out = HEAD.shape(torch.zeros(1, 1), self.weights(tongueOut=1.0, jawOpen=0.4))[0].numpy()
        moved = HEAD.regions["tongue"].numpy() > 0.7
        middle = moved & (np.abs(out[:, 0]) < 0.006) & (np.abs(out[:, 2] - 0.094) < 0.004)
        lower = [np.unique(t) for t in teeth() if MEAN[np.unique(t), 1].mean() < -0.033]
        front = np.concatenate([t for t in lower if np.abs(out[t, 0]).max() < 0.009])
        assert out[middle, 1].min() > out[front, 1].max() - 0.001

    def weights(self, **values: float) -> torch.Tensor:
        out = torch.zeros(1, len(HEAD.expression_names))
        for name, value in values.items():
            out[0, HEAD.expression_index(name)] = value
        return out

    def test_the_sheet_stays_smooth(self) -> None:
        triangles = HEAD.part_triangles("tongue").numpy()
        out = HEAD.shape(torch.zeros(1, 1), self.weights(tongueOut=1.0))[0].numpy()
        seen = (HEAD.regions["tongue"].numpy()[triangles] > 0.9).all(1)
        normals = vertex_normals(out, triangles)
        a, b, c = (out[triangles[seen][:, k]] for k in range(3))
        face = np.cross(b - a, c - a)
        face /= np.linalg.norm(face, axis=1, keepdims=True)
        agree = (face * normals[triangles[seen]].mean(1)).sum(1)
        assert np.quantile(agree, 0.02) > 0.8


class TestMaterials:
    def test_enamel(self) -> None:
        albedo = teeth_albedo(256)
        assert albedo.min() > 0 and albedo.max() < 0.85
        body, neck, between = albedo[26, 16], albedo[50, 16], albedo[50, 8]
        assert between[1] < 0.5 * between[0]  # gum
        assert (neck < body).all() and neck[2] / neck[0] < body[2] / body[0]
        lightness = albedo.mean(-1).reshape(TEETH_ROWS, 64, TEETH_COLUMNS, 32).mean((0, 1, 3))
        assert (lightness.diff() < 0).all() and lightness[-1] < 0.4 * lightness[0]

    def test_gums_and_tongue_are_pink(self) -> None:
        albedo = tongue_albedo(128)
        assert albedo.min() > 0 and albedo.max() < 0.6
        assert (albedo[..., 0] > 1.8 * albedo[..., 1]).all()
        assert albedo[32, 96].mean() > 2 * albedo[32, 64].mean()

    def test_the_bag_is_dark_at_its_end(self) -> None:
        albedo = mouth_albedo(64).mean(-1)
        assert albedo[32, 32] < 0.35 * albedo[32, 1]

    def test_parts_get_theirs(self) -> None:
        drawn = mouth_materials("cpu")
        assert mouth_materials("cpu") is drawn
        skin = eyes = drawn[Role.MOUTH]
        found = zip(HEAD.parts, part_materials(HEAD, skin, eyes), strict=True)
        inside = [(part, material) for part, material in found if part.is_inside_mouth]
        assert [part.name for part, _ in inside] == ["mouth", "teeth", "tongue"]
        assert all(material is drawn[part.role] for part, material in inside)


class TestRecipe:
    def slab(self) -> mouth.Surface:
        """An upright box, its middle at the origin, with a basis of nothing else."""
        box = trimesh.creation.box((0.008, 0.02, 0.006)).subdivide().subdivide().subdivide()
        basis = np.zeros((158, len(box.vertices), 3))
        basis[0] = box.vertices + np.array([0.0, 0.0, 0.1])
        return mouth.Surface(basis, np.array(box.faces))

    @pytest.mark.parametrize("column", [0, 6])
    @pytest.mark.parametrize("upper", [True, False])
    def test_a_tooth_lies_on_its_surface(self, upper: bool, column: int) -> None:
        basis, triangles, uv, uv_triangles = mouth._tooth(self.slab(), upper, column)
        away = np.abs(basis[0] - [0.0, 0.0, 0.1]) / [0.004, 0.01, 0.003]
        np.testing.assert_allclose(away.max(1), 1.0, atol=1e-6)
        assert triangles.shape == uv_triangles.shape
        assert uv.min() >= 0 and uv.max() <= 1
        tip = basis[0][0, 1]
        assert tip == pytest.approx(-0.01 if upper else 0.01)
        mesh = trimesh.Trimesh(basis[0], triangles, process=False)
        assert mesh.is_winding_consistent

    def test_spread_keeps_rim_and_hole(self) -> None:
        ring = trimesh.creation.annulus(r_min=0.03, r_max=0.06, height=0.001, sections=64)
        flat = ring.submesh([np.flatnonzero(ring.face_normals[:, 2] > 0.9)], append=True)
        flat = flat.subdivide().subdivide()
        flat.merge_vertices()
        fine = mouth.Surface(flat.vertices[None].repeat(2, axis=0), np.array(flat.faces))
        index, weights, triangles = mouth._spread(fine, np.full(len(flat.vertices), 0.0025))
        points = fine.bind(index, weights)[0]
        mesh = trimesh.Trimesh(points, triangles, process=False)
        assert mesh.euler_number == 0  # a ring
        assert mesh.area == pytest.approx(np.pi * (0.06**2 - 0.03**2), rel=0.02)
        assert np.quantile(np.degrees(mesh.face_angles).min(1), 0.05) > 15
