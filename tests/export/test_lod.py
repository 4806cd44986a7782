"""Levels of detail: few triangles, the same surface, texture and expressions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from fitme.export.frames import vertex_normals
from fitme.export.lod import head_level
from fitme.head.model import load_head
from fitme.runtime.errors import InputError

HEAD = load_head()
SHARES = {1: (0.48, 0.55), 2: (0.18, 0.22)}
# Mean and largest distance in mm to the full head's surface.
DISTANCES = {1: (0.05, 1.3), 2: (0.25, 3.0)}


def part(model, name="head"):
    """(triangles, uv_triangles) of one part as numpy arrays."""
    chosen = model.part == model.part_names.index(name)
    return model.triangles[chosen].numpy(), model.uv_triangles[chosen].numpy()


def rim(triangles):
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, ::2]]))
    unique, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() == 2
    return {tuple(edge) for edge in unique[count == 1]}


def keys(triangles):
    return {tuple(sorted(t)) for t in triangles.tolist()}


@pytest.mark.parametrize("level", [1, 2])
class TestLevels:
    def test_share(self, level):
        low, high = SHARES[level]
        assert low < len(head_level(HEAD, level).triangles) / len(HEAD.triangles) < high

    def test_rims_of_lids_lips_and_neck_stay(self, level):
        assert rim(part(head_level(HEAD, level))[0]) == rim(part(HEAD)[0])

    def test_symmetric(self, level):
        triangles, _ = part(head_level(HEAD, level))
        assert keys(triangles) == keys(HEAD.mirror.numpy()[triangles])

    @pytest.mark.parametrize("name", ["head", "eye_L", "eye_R", "mouth"])
    def test_texture_lies_without_folds_and_covers_the_same(self, level, name):
        def areas(model):
            a, b, c = np.moveaxis(model.uv.numpy()[part(model, name)[1]], 1, 0).astype(float)
            return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2

        full, coarse = areas(HEAD), areas(head_level(HEAD, level))
        if (full < 0).all():
            assert (coarse < 0).all()
            assert coarse.sum() == pytest.approx(full.sum(), rel=0.02)

    def test_corners_pair_vertices_and_texture_as_the_full_head_does(self, level):
        def pairs(model):
            corners = torch.stack([model.triangles.flatten(), model.uv_triangles.flatten()], 1)
            return {tuple(pair) for pair in corners.tolist()}

        assert pairs(head_level(HEAD, level)) <= pairs(HEAD)

    @pytest.mark.parametrize(
        "weights", [{}, {"jawOpen": 1.0}, {"eyeBlinkLeft": 1.0, "mouthPucker": 1.0}]
    )
    def test_surface(self, level, weights):
        identity = torch.randn(1, len(HEAD.identity), generator=torch.Generator().manual_seed(1))
        expression = torch.zeros(1, len(HEAD.expression_names))
        for name, weight in weights.items():
            expression[0, HEAD.expression_index(name)] = weight
        vertices = HEAD.shape(identity, expression)[0].numpy().astype(float)
        full, _ = part(HEAD)
        coarse, _ = part(head_level(HEAD, level))
        one, other = (trimesh.Trimesh(vertices, t, process=False) for t in (full, coarse))
        points, faces = trimesh.sample.sample_surface(one, 3000, seed=0)
        _, distance, nearest = trimesh.proximity.closest_point(other, points)
        mean, largest = DISTANCES[level]
        assert 1000 * distance.mean() < mean and 1000 * distance.max() < largest
        facing = (one.face_normals[faces] * other.face_normals[nearest]).sum(1)
        assert (facing < 0).mean() < 0.005  # points in creases have two sides near

    def test_no_triangle_turned_over(self, level):
        full, _ = part(HEAD)
        coarse, _ = part(head_level(HEAD, level))
        position = HEAD.mean.numpy().astype(float)
        old = keys(full)
        new = np.array([t for t in coarse.tolist() if tuple(sorted(t)) not in old])
        a, b, c = np.moveaxis(position[new], 1, 0)
        normals = vertex_normals(position, full)[new].sum(1)
        assert ((np.cross(b - a, c - a) * normals).sum(1) > 0).all()


class TestExceptions:
    def test_level_0_is_the_head(self):
        assert head_level(HEAD, 0) is HEAD

    def test_unknown_level(self):
        with pytest.raises(InputError, match="there are 0"):
            head_level(HEAD, 3)

    def test_another_template(self):
        other = replace(HEAD, triangles=HEAD.triangles[:, [1, 2, 0]])
        with pytest.raises(InputError, match="use --lod 0"):
            head_level(other, 1)

    def test_missing_file(self, tmp_path):
        with pytest.raises(InputError, match="reinstall"):
            head_level(HEAD, 1, tmp_path / "none.safetensors")
