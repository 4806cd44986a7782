"""Random avatars: one seed gives the same people and bytes; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.head.model import HeadModel
from fitme.image.png import decode_png
from fitme.models.stylegan2 import GENERATORS, ReflectanceGenerator
from fitme.models.train.reflectance_real import Correction, extended
from fitme.reflectance.regions import AtlasRegions
from fitme.runtime.errors import InputError, OutputError
from fitme.runtime.files import check_output_dir
from fitme.sample import draw_samples, portrait_camera, sample_avatar, sample_avatars
from tests.tiny_head import tiny_head

SIZE = 32


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return tiny_head()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random generator whose output depends on w and noise, as a trained one's does."""
    generator, draw = ReflectanceGenerator(GENERATORS["tiny"]), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in generator.synthesis.blocks:
            for weight in block.to_signal.weight.values():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draw))
    generator.measure_w(draw, 1000)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    generator.save(path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class TestSamples:
    def test_the_first_of_many_are_the_few(self, weights: Path, head: HeadModel) -> None:
        generator = ReflectanceGenerator.load(weights)
        few, many = draw_samples(generator, head, 2, 5), draw_samples(generator, head, 4, 5)
        for a, b in zip(few, many, strict=False):
            assert torch.equal(a.w, b.w) and torch.equal(a.identity, b.identity)
            assert torch.equal(a.iris, b.iris) and a.noise_seed == b.noise_seed
        assert not torch.equal(many[0].w, many[1].w)
        assert not torch.equal(draw_samples(generator, head, 1, 6)[0].w, few[0].w)

    def test_what_photos_taught_is_drawn_too(self, weights: Path, head: HeadModel) -> None:
        plain = ReflectanceGenerator.load(weights)
        none = Correction(torch.zeros(3, 16, 16), torch.zeros(0, 3, 16, 16))
        new = 0.1 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        taught = extended(plain, none, new)
        steps, before = taught.photo_directions(), draw_samples(plain, head, 40, 5)
        after = draw_samples(taught, head, 40, 5)
        moved = torch.cat([b.w - a.w for a, b in zip(before, after, strict=True)])
        amounts = torch.linalg.lstsq(steps.T, moved.T).solution.T
        torch.testing.assert_close(amounts @ steps, moved)
        assert 0.7 < float(amounts.std()) < 1.3
        assert all(torch.equal(a.identity, b.identity) for a, b in zip(before, after, strict=True))
        torch.testing.assert_close(draw_samples(taught, head, 1, 5, 0.0)[0].w[0], taught.w_mean)

    def test_truncation_goes_to_the_mean(self, weights: Path, head: HeadModel) -> None:
        generator = ReflectanceGenerator.load(weights)
        (whole,), (half,), (none,) = (
            draw_samples(generator, head, 1, 0, truncation) for truncation in (1.0, 0.5, 0.0)
        )
        torch.testing.assert_close(none.w[0], generator.w_mean)
        torch.testing.assert_close(half.w, (whole.w + none.w) / 2)
        assert torch.equal(half.identity, whole.identity)

    def test_the_maps_are_the_heads_and_the_rest_the_means(
        self, weights: Path, head: HeadModel
    ) -> None:
        generator = ReflectanceGenerator.load(weights)
        (sample,) = draw_samples(generator, head, 1, 0)
        avatar = sample_avatar(generator, head, AtlasRegions(head, 16), sample, SIZE)
        skin, eye = avatar.materials[0], avatar.materials[1]
        assert skin.diffuse_albedo.shape == (1, SIZE, SIZE, 3)
        assert skin.specular_albedo.shape == (1, SIZE, SIZE, 1)
        assert skin.normal is not None and skin.normal.shape == (1, SIZE, SIZE, 3)
        assert isinstance(skin.roughness, torch.Tensor)
        assert eye.diffuse_albedo.shape[1] > SIZE and eye.normal is None
        again = sample_avatar(generator, head, AtlasRegions(head, 16), sample, SIZE)
        assert torch.equal(again.materials[0].diffuse_albedo, skin.diffuse_albedo)

    def test_pores_differ_and_a_smaller_map_shows_the_same_person(
        self, weights: Path, head: HeadModel
    ) -> None:
        generator, regions = ReflectanceGenerator.load(weights), AtlasRegions(head, 16)
        (sample,) = draw_samples(generator, head, 1, 0)
        other = type(sample)(sample.w, sample.identity, sample.iris, sample.noise_seed + 1)
        large, moved, small = (
            sample_avatar(generator, head, regions, who, size).materials[0].diffuse_albedo
            for who, size in ((sample, SIZE), (other, SIZE), (sample, SIZE // 2))
        )
        assert not torch.equal(large, moved)
        level = generator.signals(
            sample.w, SIZE, noise="random",
            generator=torch.Generator().manual_seed(sample.noise_seed),
        )[SIZE // 2]  # fmt: skip
        torch.testing.assert_close(
            small, type(generator.synthesize(sample.w)).from_signal(level).diffuse_albedo
        )

    @pytest.mark.parametrize("yaw", [0.0, 45.0])
    def test_the_camera_has_the_head_in_full(self, head: HeadModel, yaw: float) -> None:
        camera = portrait_camera(head, 64, 64, yaw)
        points = camera.project(head.mean[None])[0]
        assert points.min() > 0 and points.max() < 64
        nose = camera.project(torch.tensor([[[0.0, 0.0, 0.1]]]))[0, 0]
        skull = camera.project(torch.tensor([[[0.0, 0.0, -0.1]]]))[0, 0]
        turned = float(nose[0] - skull[0])
        assert turned > 5 if yaw else abs(turned) < 1e-3  # to the image's right


class TestFiles:
    def test_folders(self, weights: Path, head: HeadModel, tmp_path: Path) -> None:
        options = {"count": 2, "seed": 3, "size": SIZE, "weights": weights, "head": head}
        lights = ("studio", "rim", "studio")
        sample_avatars(tmp_path / "a", **options, lights=lights)
        sample_avatars(tmp_path / "b", **options, lights=lights)
        first, second = files(tmp_path / "a"), files(tmp_path / "b")
        assert first == second
        maps = ("diffuse_albedo", "normal", "specular_albedo")
        wanted = {f"{n}/textures/{name}.png" for n in ("000", "001") for name in maps}
        wanted |= {f"{n}/render_{light}.png" for n in ("000", "001") for light in lights}
        assert set(first) == wanted | {"fitme_sample.json"}
        assert decode_png(first["000/textures/diffuse_albedo.png"]).shape == (SIZE, SIZE, 3)
        picture = decode_png(first["001/render_rim.png"])
        assert picture.shape[2] == 4 and 0 < (picture[..., 3] > 128).mean() < 1
        about = json.loads(first["fitme_sample.json"])
        assert about["lights"] == ["studio", "rim"] and about["seed"] == 3
        assert len(about["avatars"]) == 2 and len(about["avatars"][0]["identity"]) == 2

    def test_another_seed_is_another_person(
        self, weights: Path, head: HeadModel, tmp_path: Path
    ) -> None:
        for seed in (0, 1):
            sample_avatars(tmp_path / str(seed), count=1, seed=seed, size=SIZE, weights=weights,
                           head=head)  # fmt: skip
        one, two = files(tmp_path / "0"), files(tmp_path / "1")
        assert one.keys() == two.keys()
        assert all(one[name] != two[name] for name in one)

    def test_sheet(self, weights: Path, head: HeadModel, tmp_path: Path) -> None:
        sample_avatars(tmp_path / "a", count=2, size=SIZE, weights=weights, head=head,
                       lights=("studio", "side"), sheet=True)  # fmt: skip
        found = files(tmp_path / "a")
        assert set(found) == {"fitme_sample.json", "sheet.png"}
        picture = decode_png(found["sheet.png"])
        assert picture.shape == (2 * 256, 6 * 256, 3)
        panels = picture.reshape(2, 256, 6, 256, 3).std((1, 3))
        assert (panels.max(-1) > 1).all()  # nothing is blank
        assert np.abs(picture[:256].astype(int) - picture[256:]).max() > 10

    def test_overwriting_replaces_an_earlier_set_only(
        self, weights: Path, head: HeadModel, tmp_path: Path
    ) -> None:
        out = tmp_path / "a"
        options = {"size": SIZE, "weights": weights, "head": head}
        sample_avatars(out, count=2, **options)
        with pytest.raises(OutputError, match="--overwrite"):
            sample_avatars(out, count=1, **options)
        sample_avatars(out, count=1, **options, overwrite=True)
        assert not (out / "001").exists()
        sample_avatars(out, count=1, **options, sheet=True, overwrite=True)
        assert not (out / "000").exists()
        (out / "000" / "textures").mkdir(parents=True)
        (out / "000" / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match=r"000/notes\.txt"):
            check_output_dir(out, overwrite=True)


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"count": 0}, "--count 0"),
            ({"count": 1001}, "1 to 1000"),
            ({"size": 48}, "4, 8, 16, 32"),
            ({"size": 64}, "--size 64"),
            ({"truncation": -0.1}, "--truncation"),
            ({"truncation": float("nan")}, "--truncation"),
            ({"lights": ("studio", "moon\nlight")}, "studio, side"),
            ({"lights": ()}, "no light"),
        ],
    )
    def test_options(
        self, options: dict, words: str, weights: Path, head: HeadModel, tmp_path: Path
    ) -> None:
        arguments = {"count": 1, "size": SIZE, "weights": weights, "head": head, **options}
        with pytest.raises(InputError) as caught:
            sample_avatars(tmp_path / "out", **arguments)
        assert words in str(caught.value) and "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())

    def test_weights(self, head: HeadModel, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.safetensors: no such file.*--weights"):
            sample_avatars(tmp_path / "out", weights=tmp_path / "none.safetensors", head=head)
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(b"no weights")
        with pytest.raises(InputError, match=r"broken\.safetensors.*pass another file"):
            sample_avatars(tmp_path / "out", weights=broken, head=head)
        assert [path.name for path in tmp_path.iterdir()] == ["broken.safetensors"]
