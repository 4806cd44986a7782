"""A dense mesh: finer, displaced by what the map says, closed where it was closed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fitme.export.dense import DEEP_M, dense_mesh, rounds_for
from fitme.export.frames import vertex_normals
from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.export.presets import ExportOptions, export_files
from fitme.runtime.errors import InputError
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar


def ball() -> ExportMesh:
    """A sphere of 10 cm without its lower end; in its texture all edges are seams."""
    import trimesh

    sphere = trimesh.creation.icosphere(2, 0.1)
    keep = sphere.triangles_center[:, 1] > -0.05
    triangles = sphere.faces[keep]
    corners = sphere.vertices[triangles].reshape(-1, 3)
    uv = np.stack([np.arctan2(corners[:, 0], corners[:, 2]) / 7 + 0.5, 0.5 - 4 * corners[:, 1]], -1)
    each = np.arange(len(uv)).reshape(-1, 3)  # every corner has its own: all edges are seams
    return ExportMesh(
        "ball", sphere.vertices, triangles, ExportMaterial("m"), uv=uv, uv_triangles=each,
        morph_targets={"up": np.tile([0, 0.01, 0], (len(sphere.vertices), 1))},
    )  # fmt: skip


def border(mesh: ExportMesh) -> np.ndarray:
    pairs = np.sort(np.stack([mesh.triangles, np.roll(mesh.triangles, -1, 1)], -1), -1)
    edges, uses = np.unique(pairs.reshape(-1, 2), axis=0, return_counts=True)
    assert uses.max() <= 2
    return edges[uses == 1]


class TestMesh:
    @pytest.mark.parametrize("rounds", [1, 2])
    def test_a_ball_stays_round_and_closed(self, rounds: int) -> None:
        mesh = ball()
        fine = dense_mesh(mesh, np.zeros((8, 8)), rounds)
        assert len(fine.triangles) == 4**rounds * len(mesh.triangles)
        assert len(border(fine)) == 2**rounds * len(border(mesh))
        upper = fine.vertices[fine.vertices[:, 1] > 0]  # a border's normals are one-sided
        radius = np.linalg.norm(upper, axis=1)
        assert radius.min() > 0.0995 and radius.max() < 0.1004  # the old edges' middles: 0.0988
        # What lies on the border is on the old edges.
        edges = border(mesh)
        a, b = mesh.vertices[edges[:, 0]], mesh.vertices[edges[:, 1]]
        for point in fine.vertices[np.unique(border(fine))]:
            along = b - a
            share = (((point - a) * along).sum(1) / (along**2).sum(1)).clip(0, 1)
            assert np.linalg.norm(a + share[:, None] * along - point, axis=1).min() < 1e-9
        np.testing.assert_allclose(fine.morph_targets["up"], [[0, 0.01, 0]] * len(fine.vertices))

    def test_moves_along_the_normals_by_the_map(self) -> None:
        height = np.tile(np.linspace(0, 1e-3, 64), (64, 1))  # grows with u
        mesh = ball()
        flat, high = dense_mesh(mesh, 0 * height, 1), dense_mesh(mesh, height, 1)
        inner = np.setdiff1d(high.triangles, border(high))
        moved = high.vertices - flat.vertices
        assert high.normals is not None
        lift = (moved * high.normals).sum(1)
        np.testing.assert_allclose(moved, lift[:, None] * high.normals, atol=1e-12)
        x, _, z = flat.vertices[inner].T
        # Away from where the angle jumps, and from the pole.
        inside = (np.abs(np.arctan2(x, z)) < 2.5) & (np.hypot(x, z) > 0.04)
        wanted = 1e-3 * ((np.arctan2(x, z) / 7 + 0.5) * 64 - 0.5) / 63
        np.testing.assert_allclose(lift[inner][inside], wanted[inside], atol=1.5e-5)
        assert not moved[np.unique(border(high))].any()
        smooth = vertex_normals(flat.vertices, flat.triangles)
        np.testing.assert_allclose(high.normals, smooth)

    def test_deep_detail_is_cut_twice(self) -> None:
        assert rounds_for(np.full((4, 4), 0.5 * DEEP_M)) == 1
        assert rounds_for(np.full((4, 4), -2 * DEEP_M)) == 2


def test_export(monkeypatch: pytest.MonkeyPatch) -> None:
    avatar = small_avatar()
    monkeypatch.setattr("fitme.export.dense.rounds_for", lambda height: 1)
    files = export_files(avatar, ExportOptions(dense=True))
    about = json.loads(files["fitme_export.json"])
    skin, others = (
        int((avatar.head.part == avatar.head.skin.index).eq(yes).sum()) for yes in (True, False)
    )
    assert about["dense"] is True and about["triangles"]["avatar"] == 4 * skin + others
    glb = Glb(files["avatar.glb"])
    assert len(glb.json["meshes"][0]["extras"]["targetNames"]) == 52
    with pytest.raises(InputError, match="leave --lod out"):
        ExportOptions(levels=(1,), dense=True).engine()
