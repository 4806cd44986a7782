"""Fine skin is drawn on the surface, by person, and only beyond what maps hold already."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitme.detail.displacement import texel_metres, tilts
from fitme.detail.fine import enlarged, fine_skin, seed_of, strength
from fitme.detail.fine_places import TEXELS, FinePlaces, fine_places
from fitme.detail.kernels_fine import scattered
from fitme.head.model import HeadModel, load_head
from fitme.render import Material

OWN, SIDE = 256, 512


def material(spread: float = 0.0125) -> Material:
    """Skin whose normals have tilts of one strength."""
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((1, OWN, OWN, 2)))
    normal = torch.cat([spread * 2 * noise.float(), torch.ones(1, OWN, OWN, 1)], -1)
    normal = torch.nn.functional.normalize(normal, dim=-1)
    albedo = torch.tensor([0.5, 0.35, 0.25]).expand(1, OWN, OWN, 3).contiguous()
    return Material(albedo, torch.full((1, OWN, OWN, 1), 0.028), normal, 0.45)


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="module")
def places(head: HeadModel) -> FinePlaces:
    return fine_places(head, head.mean[None])


class TestPlaces:
    def test_millimetres_are_those_of_the_atlas(self, head: HeadModel, places: FinePlaces) -> None:
        metres = texel_metres(head, head.mean[None], TEXELS).numpy()
        face = np.s_[100:200, 60:190]
        found = np.sqrt(places.millimetres[face][..., 0]) / TEXELS / 1000
        assert abs(np.median(found / metres[face][..., 0]) - 1) < 0.05

    def test_a_bigger_head_has_the_same_pores(self, head: HeadModel, places: FinePlaces) -> None:
        bigger = fine_places(head, 1.2 * head.mean[None])
        ratio = bigger.pores / np.where(np.abs(places.pores) > 1e-3, places.pores, np.nan)
        assert abs(np.nanmedian(ratio[60:200, 60:190]) - 1.44) < 0.02


class TestScattered:
    def test_points_keep_their_distance_and_fill_the_tile(self) -> None:
        bins, apart = 64, 0.05
        square = np.zeros((8, 8, 3), np.float32)
        square[..., 0] = 1 / apart**2
        square[..., 2] = 1 / (2 * apart) ** 2  # twice as far apart along v
        jitter = np.random.default_rng(0).random((6, bins, bins, 2), np.float32)
        held = np.full((bins, bins), -1, np.int32)
        points = np.zeros((bins * bins, 2), np.float32)
        count = scattered(square, jitter, held, points)
        scaled = points[:count] / [apart, 2 * apart]
        away = np.linalg.norm(scaled[:, None] - scaled, axis=-1) + 9 * np.eye(count)
        assert away.min() >= 0.999
        assert 0.6 < count * apart * 2 * apart < 0.95  # darts fill about 0.7 of the tightest


class TestEnlarged:
    def test_only_what_is_finer_is_added(self, head: HeadModel) -> None:
        skin = material()
        made = enlarged(head, head.mean[None], skin, SIDE)
        assert made.diffuse_albedo.shape == made.normals().shape == (1, SIDE, SIDE, 3)
        again = torch.nn.functional.avg_pool2d(made.diffuse_albedo.movedim(-1, 1), 16)
        miss = (again.movedim(1, -1) / skin.diffuse_albedo[0, 0, 0] - 1).abs()
        assert float(miss.median()) < 0.01  # broad colour stays
        more = tilts(made.normals())[:, 200:400, 120:380] - tilts(skin.normals()).mean((1, 2))
        assert float(more.mean().abs()) < 1e-3

    def test_the_same_for_a_person_and_another_for_the_next(self, head: HeadModel) -> None:
        skin = material()
        one, two = (enlarged(head, head.mean[None], skin, SIDE) for _ in range(2))
        assert torch.equal(one.normals(), two.normals())
        assert torch.equal(one.diffuse_albedo, two.diffuse_albedo)
        assert seed_of(head, head.mean[None]) != seed_of(head, 1.01 * head.mean[None])

    def test_smooth_skin_gets_less_than_rough_skin(self, places: FinePlaces) -> None:
        smooth, rough = (strength(material(spread).normals(), places) for spread in (0.002, 0.05))
        face = np.s_[100:200, 60:190]
        assert smooth[face].mean() < 0.7 and rough[face].mean() > 1.4

    def test_gloss_is_that_of_broad_light(self, head: HeadModel) -> None:
        made = enlarged(head, head.mean[None], material(0.0), SIDE)
        assert isinstance(made.roughness, torch.Tensor)
        face = np.s_[:, 200:400, 120:380]
        alpha2 = (
            made.roughness[face].pow(4).mean() + tilts(made.normals())[face].square().mean() * 2
        )
        assert abs(float(alpha2) / 0.45**4 - 1) < 0.1

    def test_heights_are_tenths_of_a_millimetre(self, places: FinePlaces) -> None:
        fine = fine_skin(places, 1024, 1024, 3)
        assert np.isfinite(fine.height).all() and np.abs(fine.height).max() < 2e-4
        assert 0.003 < float(fine.pore[400:800, 250:770].mean()) < 0.2
