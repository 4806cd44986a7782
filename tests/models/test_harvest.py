"""Harvest of a made head: the albedo that W lacks is found, and light is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.settings import FitSettings, LightSettings
from fitme.head.mesh import head_mesh
from fitme.head.model import load_head
from fitme.head.view import View, head_rotation
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.models.stylegan2 import load_generator
from fitme.models.train.harvest import (
    TEXELS,
    Harvest,
    Harvester,
    chosen,
    held_out,
    light_field,
    load_harvests,
    normals_of,
)
from fitme.reflectance.generated import generated_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import render
from fitme.render.camera import matrix_to_axis_angle
from fitme.render.light import Light
from fitme.runtime.errors import InputError


def test_known_spots_are_found() -> None:
    head, generator = load_head(), load_generator()
    view = View(
        matrix_to_axis_angle(head_rotation(0))[None],
        torch.tensor([[0.0, 0.03, 0.9]]), torch.tensor([900.0]), 320, 320,
        torch.zeros(1, len(head.expression_names)), torch.zeros(1, 2, 2),
    )  # fmt: skip
    identity = torch.zeros(1, head.identity.shape[0])
    true = torch.zeros(TEXELS, TEXELS)
    bare = AtlasRegions(head, TEXELS).bare > 0.9
    rows, columns = torch.meshgrid(torch.arange(TEXELS), torch.arange(TEXELS), indexing="ij")
    spots = bare & ((rows // 6 + columns // 6) % 2 == 0)
    true[spots] = -0.3
    with torch.no_grad():
        maps = generator.synthesize(generator.w_mean[None], TEXELS)
        albedo = maps.diffuse_albedo * true.exp()[None, ..., None]
        materials = generated_materials(
            head, AtlasRegions(head, 256), replace(maps, diffuse_albedo=albedo), torch.zeros(1, 1)
        )
        light = Light.ambient(0.8)
        sh = light.sh.clone()
        sh[:, 3] += 0.4  # from +x
        light = Light(sh, light.directions, light.colors)
        vertices = view.posed(head, identity)
        out = render(head_mesh(head, vertices), materials, view.camera(), light)
    points = view.camera().project(head.landmarks(vertices))[0]
    photo = Photo(Path("made.png"), out.color[0].clamp(0, 1))
    seen = Observation(photo, FaceLandmarks(points), view)
    models = Models(head, generator)
    settings = FitSettings(light=LightSettings(pixels=128))
    found = Harvester(models, settings, steps=25)(seen, identity)

    assert found.code.shape == (models.codes.size,) and found.ratio.shape == (3, TEXELS, TEXELS)
    ok = bare & (found.weight > 0.5)
    assert ok.sum() > 0.5 * bare.sum()
    grey = found.ratio.mean(0)
    depth = grey[ok & spots].mean() - grey[ok & ~spots].mean()
    assert -0.32 < depth < -0.15  # a texel is a pixel here: spots are blurred
    agree = torch.corrcoef(torch.stack([grey[ok], true[ok]]))[0, 1]
    assert agree > 0.7
    # The side light went to the light: the sides differ by little.
    left = columns < TEXELS // 2
    assert abs(float(grey[ok & left].mean() - grey[ok & ~left].mean())) < 0.06


def test_light_is_taken_out_and_marks_are_not() -> None:
    head = load_head()
    normals = normals_of(head, head.mean[None])
    weight = (AtlasRegions(head, TEXELS).skin > 0.5).float()
    light = 0.3 * normals[..., 0] - 0.2 * normals[..., 1] * normals[..., 2]
    marks = torch.zeros(TEXELS, TEXELS)
    marks[50:54, 40:60] = -0.6
    ratio = (light + marks)[..., None].expand(-1, -1, 3)
    field = light_field(ratio, weight, normals, torch.ones(TEXELS, TEXELS))
    miss = (field - light[..., None])[weight > 0]
    assert miss.abs().mean() < 0.02


def test_held_out_portraits_are_not_chosen_from() -> None:
    paths = [Path(f"{k:03d}.jpg") for k in range(800)]
    kept_back = held_out(paths)
    assert len(kept_back) == 50 and kept_back[:2] == [paths[0], paths[16]]
    tones = [40.0] * 700 + [0.0] * 100
    some = chosen(paths, tones, 60)
    assert len(set(some)) == 60
    assert 25 <= sum(path in paths[700:] for path in some) <= 35
    assert some[:20] == chosen(paths, tones, 20)


def test_files(tmp_path: Path) -> None:
    one = Harvest(torch.randn(5), torch.rand(4, 4), torch.rand(3, 4, 4), 12.5)
    one.save(tmp_path / "a.safetensors")
    (again,) = load_harvests(tmp_path)
    assert again.tone == 12.5
    torch.testing.assert_close(again.ratio, one.ratio, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.code, one.code)
    (tmp_path / "b.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="no readable harvest"):
        load_harvests(tmp_path)
    with pytest.raises(InputError, match="no harvests"):
        load_harvests(tmp_path / "none")
