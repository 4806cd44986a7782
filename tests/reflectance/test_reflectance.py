"""The mean reflectance: tones, masks, maps without holes."""

import pytest
import torch

from fitme.head.model import load_head
from fitme.image.color import individual_typology_angle
from fitme.reflectance.atlas import bake_vertex_field, fill_holes
from fitme.reflectance.eyes import eye_material
from fitme.reflectance.skin import MeanReflectance, Tone, skin_albedo


@pytest.fixture(scope="module")
def reflectance() -> MeanReflectance:
    return MeanReflectance(load_head(), 128)


def test_melanin_runs_from_light_to_dark_skin() -> None:
    melanin = torch.linspace(-2.5, 2.5, 11)[:, None]
    albedo = skin_albedo(melanin, torch.zeros_like(melanin))
    assert ((albedo > 0) & (albedo < 1)).all()
    ita = individual_typology_angle(albedo)
    assert (ita[1:] < ita[:-1]).all()
    assert ita[0] > 45 and ita[-1] < -30  # very light to dark, Chardon's classes


def test_haemoglobin_reddens() -> None:
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    pale, red = skin_albedo(zero, zero)[0], skin_albedo(zero, one)[0]
    assert red[0] / red[1] > pale[0] / pale[1]


def test_lips_are_redder_and_brows_darker_than_skin(reflectance: MeanReflectance) -> None:
    albedo = reflectance.head_material(Tone.zeros()).diffuse_albedo[0]
    skin_only = (reflectance.masks["face"] > 0.9)[..., 0]
    lips, brows = (reflectance.masks[n][..., 0] > 0.9 for n in ("lips", "brows"))
    skin = albedo[skin_only & ~lips & ~brows].mean(0)
    assert albedo[lips].mean(0)[0] / albedo[lips].mean(0)[1] > 1.1 * skin[0] / skin[1]
    assert (albedo[brows].mean(0) < 0.8 * skin).all()


def test_maps_have_no_holes_and_are_symmetric(reflectance: MeanReflectance) -> None:
    albedo = reflectance.head_material(Tone.zeros()).diffuse_albedo[0]
    assert (albedo > 0.01).all()
    assert (albedo - albedo.flip(1)).abs().max() < 0.12
    assert (albedo - albedo.flip(1)).abs().mean() < 2e-3


def test_tone_reaches_the_maps_with_gradients(reflectance: MeanReflectance) -> None:
    values = torch.zeros(1, 5, requires_grad=True)
    materials = reflectance.materials(Tone.unstacked(values))
    torch.stack([m.diffuse_albedo.sum() for m in materials]).sum().backward()
    assert values.grad is not None and (values.grad.abs() > 1e-3).all()


def test_tone_stacks_and_unstacks() -> None:
    values = torch.randn(2, 5)
    assert torch.equal(Tone.unstacked(values).stacked(), values)
    assert Tone.zeros(3).stacked().shape == (3, 5)


def test_eye_has_pupil_iris_and_sclera() -> None:
    albedo = eye_material(torch.tensor([[-3.0], [3.0]])).diffuse_albedo.mean(-1)
    middle = albedo.shape[1] // 2
    pupil, iris, sclera = (
        albedo[:, middle, middle],
        albedo[:, middle, middle + 13],
        albedo[:, middle, middle + 40],
    )
    assert (pupil < iris).all() and (iris < sclera).all()
    assert iris[0] > 2 * iris[1]  # blue against brown


def test_baked_field_reproduces_uv() -> None:
    head = load_head()
    corner = torch.zeros(head.mean.shape[0], 1)
    corner[head.part_vertices("head")] = 1.0
    baked = bake_vertex_field(head, corner, 64)
    torch.testing.assert_close(baked, torch.ones_like(baked), atol=1e-4, rtol=0)


def test_fill_holes_takes_the_neighbours_value() -> None:
    image, covered = torch.full((1, 16, 16, 1), 2.0), torch.ones(1, 16, 16, 1)
    covered[:, 5:9, 5:9] = 0
    filled = fill_holes(image * covered, covered)
    torch.testing.assert_close(filled, image)
