"""An avatar directory is read back as it was written, and damage is one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fitme
from fitme.avatar.folder import fit_json
from fitme.avatar.model import Avatar
from fitme.detail.deformation import Deformation, as_stored
from fitme.export.materials import MAPS
from fitme.runtime.errors import InputError, OutputError
from fitme.runtime.files import check_output_dir
from tests.export.glb_reader import Glb
from tests.small_avatar import creased, make_avatar, small_avatar
from tests.tiny_head import tiny_head


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "avatar"
    small_avatar().save(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(saved: Path) -> Avatar:
    return fitme.Avatar.load(saved)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A directory of the tiny head's avatar, with folds."""
    creased(make_avatar(tiny_head())).save(tmp_path / "tiny")
    return tmp_path / "tiny"


def deformed_avatar() -> Avatar:
    """The tiny head's avatar with a deformation of up to 2 mm."""
    avatar = make_avatar(tiny_head())
    layer = Deformation.none(avatar.head, 8)
    layer.map.copy_(0.002 * torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(5)))
    geometry = as_stored(replace(avatar.geometry, layers=(layer,)))
    return replace(avatar, geometry=geometry)


@pytest.fixture
def deformed(tmp_path: Path) -> Path:
    """Its directory."""
    deformed_avatar().save(tmp_path / "deformed")
    return tmp_path / "deformed"


class TestRoundTrip:
    def test_geometry_exactly(self, loaded: Avatar) -> None:
        before = small_avatar()
        assert torch.equal(loaded.identity, before.identity)
        assert torch.equal(loaded.neutral(), before.neutral())
        old, new = before.photos[0], loaded.photos[0]
        posed = [p.view.posed(before.head, before.identity) for p in (old, new)]
        assert torch.equal(*posed)
        pixels = [p.view.camera().project(posed[0]) for p in (old, new)]
        assert (pixels[0] - pixels[1]).abs().max() < 1e-3

    def test_the_rest_of_the_photo(self, loaded: Avatar) -> None:
        before, after = small_avatar().photos[0], loaded.photos[0]
        for one, two in zip(before.light.tensors(), after.light.tensors(), strict=True):
            assert torch.equal(one, two)
        assert (before.path, before.losses, before.landmark_error) == (
            after.path, after.losses, after.landmark_error
        )  # fmt: skip
        assert loaded.run == small_avatar().run

    def test_render_differs_by_less_than_one_step(self, loaded: Avatar) -> None:
        one, two = (a.render_photo().color for a in (small_avatar(), loaded))
        assert one.max() > 0.1
        assert (one - two).abs().mean() < 0.2 / 255
        assert (one - two).abs().max() < 0.05  # highlights on 8-bit normals

    def test_materials(self, loaded: Avatar) -> None:
        head = loaded.head
        before = dict(zip(head.part_names, small_avatar().materials, strict=True))
        after = dict(zip(head.part_names, loaded.materials, strict=True))
        for name, old in before.items():
            for key in MAPS:
                one, two = getattr(old, key), getattr(after[name], key)
                if isinstance(one, torch.Tensor):
                    atol = 0.006 if key == "normal" else 0.004
                    torch.testing.assert_close(*torch.broadcast_tensors(one, two),
                                               atol=atol, rtol=0)  # fmt: skip
                else:
                    assert one == two
        assert after["eye_L"] is after["eye_R"]  # one material, stored once
        assert before["teeth"].diffuse_albedo.tolist() == after["teeth"].diffuse_albedo.tolist()

    def test_saving_again_gives_the_same_files(
        self, saved: Path, loaded: Avatar, tmp_path: Path
    ) -> None:
        loaded.save(tmp_path / "again")
        names = [sorted(p.relative_to(f).as_posix() for p in f.rglob("*.*"))
                 for f in (saved, tmp_path / "again")]  # fmt: skip
        assert names[0] == names[1]
        assert "textures/eye_L_diffuse_albedo.png" in names[0]
        assert "textures/eye_R_diffuse_albedo.png" not in names[0]
        for name in names[0]:
            if "albedo" in name or "roughness" in name:
                assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()

    def test_moving_keeps_shared_what_is_shared(self) -> None:
        avatar = small_avatar()
        skin, eyes = avatar.materials[:2]
        other = replace(eyes, roughness=0.5)  # another material with the same maps
        avatar = replace(avatar, materials=(skin, eyes, other, *avatar.materials[3:]))
        for device in ("cpu", "meta"):  # one copies nothing, the other everything
            moved = avatar.to(device)
            assert moved.materials[1].diffuse_albedo is moved.materials[2].diffuse_albedo
            assert moved.materials[1] is not moved.materials[2]
            assert moved.materials[3] is moved.materials[4] is moved.materials[5]
            assert moved.skin.normal is not None and moved.skin.normal.device.type == device
            assert moved.geometry.identity.device.type == device

    def test_a_shared_map_is_one_file_and_one_image(self, tmp_path: Path) -> None:
        avatar = small_avatar().to("cpu")
        other = replace(avatar.materials[1], roughness=0.5)
        materials = (*avatar.materials[:2], other, *avatar.materials[3:])
        for name, eyes in (("same", avatar.materials), ("alike", materials)):
            replace(avatar, materials=eyes).save(tmp_path / name)
            files = {p.name for p in (tmp_path / name / "textures").iterdir()}
            assert "eye_L_diffuse_albedo.png" in files and "eye_R_diffuse_albedo.png" not in files
            images = Glb((tmp_path / name / "avatar.glb").read_bytes()).json["images"]
            assert [i["name"] for i in images].count("eye_L_base_color") == 1
            assert not any(i["name"].startswith("eye_R") for i in images)
        loaded = Avatar.load(tmp_path / "alike")
        assert loaded.materials[1] is not loaded.materials[2]
        assert loaded.materials[1].diffuse_albedo is loaded.materials[2].diffuse_albedo

    def test_terms_and_scale_are_said(self, tiny: Path) -> None:
        data = json.loads((tiny / "fit.json").read_text())
        assert "likeness stay with their holders" in data["licence"]
        assert data["scale"]["unit"] == "m" and data["scale"]["known"] is False
        assert "a guess" in data["scale"]["note"]
        assert not {"licence", "scale"} & set(Avatar.load(tiny, tiny_head()).run.extra)

    def test_where_the_photo_lay_is_not_told(self, tmp_path: Path) -> None:
        avatar = make_avatar(tiny_head())
        photo = replace(avatar.photos[0], path=Path("/home/somebody/secret/me.jpg"))
        replace(avatar, photos=(photo,)).save(tmp_path / "a")
        assert "secret" not in (tmp_path / "a" / "fit.json").read_text()
        assert Avatar.load(tmp_path / "a", tiny_head()).photos[0].path == Path("me.jpg")

    def test_a_deformation_bit_for_bit(self, deformed: Path) -> None:
        before, after = deformed_avatar(), Avatar.load(deformed, tiny_head())
        assert torch.equal(before.neutral(), after.neutral())
        assert not torch.equal(after.neutral(), make_avatar(tiny_head()).neutral())
        assert after.geometry.layers[0].parameters()["map"].abs().max() > 0

    def test_a_deformation_is_in_the_exported_model(self, deformed: Path) -> None:
        glb = Glb((deformed / "avatar.glb").read_bytes())
        skin = next(mesh for mesh in glb.json["meshes"] if mesh["name"] == "head")
        low, high = (
            torch.tensor(
                glb.json["accessors"][skin["primitives"][0]["attributes"]["POSITION"]][key]
            )
            for key in ("min", "max")
        )
        head = tiny_head()
        own = deformed_avatar().neutral()[0, head.part_vertices(head.skin.name)]
        assert torch.allclose(low, own.amin(0), atol=1e-5)
        assert torch.allclose(high, own.amax(0), atol=1e-5)

    def test_its_file_is_known_as_ours(self, deformed: Path) -> None:
        check_output_dir(deformed, overwrite=True)

    @pytest.mark.parametrize("data", [None, b"", b"cut short"])
    def test_a_damaged_deformation_is_one_line(self, deformed: Path, data: bytes | None) -> None:
        file = deformed / "deformation.safetensors"
        file.unlink()
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(
            InputError, match=r"deformation\.safetensors .*fit the photo again"
        ) as e:
            Avatar.load(deformed, tiny_head())
        assert "\n" not in str(e.value)

    def test_layers_are_not_lost_in_silence(self, tmp_path: Path) -> None:
        avatar = make_avatar(tiny_head())
        shape = replace(avatar.geometry, layers=(object(),))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="1 layers"):
            fit_json(replace(avatar, geometry=shape))

    def test_avatars_without_photos(self, tmp_path: Path) -> None:
        avatar = make_avatar(tiny_head())
        Avatar(avatar.geometry, avatar.materials).save(tmp_path / "a")
        assert Avatar.load(tmp_path / "a", tiny_head()).photos == ()

    def test_an_edited_map_is_what_is_loaded(self, tiny: Path) -> None:
        from fitme.export.textures import encode_albedo

        red = encode_albedo(np.broadcast_to(np.float32([0.8, 0, 0]), (16, 16, 3)))
        (tiny / "textures" / "diffuse_albedo.png").write_bytes(red)
        skin = Avatar.load(tiny, tiny_head()).materials[0].diffuse_albedo
        assert skin.shape == (1, 16, 16, 3) and skin[..., 0].min() > 0.75

    def test_every_file_is_known_as_ours(self, saved: Path) -> None:
        check_output_dir(saved, overwrite=True)

    def test_save_overwrites_only_when_told(self, tiny: Path) -> None:
        with pytest.raises(OutputError, match="--overwrite"):
            make_avatar(tiny_head()).save(tiny)
        make_avatar(tiny_head()).save(tiny, overwrite=True)


def change(edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A damage that edits the data of fit.json."""

    def damage(folder: Path) -> None:
        data = json.loads((folder / "fit.json").read_text())
        edit(data)
        (folder / "fit.json").write_text(json.dumps(data))

    return damage


def texture(name: str, data: bytes | None) -> Callable[[Path], None]:
    """A damage that replaces or removes one map."""

    def damage(folder: Path) -> None:
        (folder / "textures" / name).unlink()
        if data is not None:
            (folder / "textures" / name).write_bytes(data)

    return damage


def head_map(value: object) -> Callable[[Path], None]:
    return change(lambda d: d["materials"]["head"].update(diffuse_albedo=value))


def png(height: int, width: int, channels: int) -> bytes:
    from fitme.image.png import encode_png

    return encode_png(np.full((height, width, channels), 32768, np.uint16))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (shutil.rmtree, "is no directory"),
    "no json": (lambda f: (f / "fit.json").unlink(), "holds no fit.json"),
    "cut json": (lambda f: (f / "fit.json").write_text("{"), "not valid JSON"),
    "deep json": (lambda f: (f / "fit.json").write_text("[" * 100_000), "not valid JSON"),
    "binary json": (lambda f: (f / "fit.json").write_bytes(b"\xff\xfe\x00"), "not valid JSON"),
    "a list": (lambda f: (f / "fit.json").write_text("[]"), "no JSON object"),
    "nan": (lambda f: (f / "fit.json").write_text('{"a": NaN}'), "NaN"),
    "old": (change(lambda d: d.pop("format")), "this version"),
    "layers": (change(lambda d: d.update(layers={"deformation": "../x"})), "layers"),
    "other head": (change(lambda d: d.update(head="0")), "another head"),
    "identity": (change(lambda d: d.update(identity=[1e300, 0])), "identity"),
    "long identity": (change(lambda d: d.update(identity=[0.0] * 3)), "3 numbers of 2"),
    "photos": (change(lambda d: d.update(photos={})), "photos"),
    "photo": (change(lambda d: d.update(photos=[1])), "no object"),
    "path": (change(lambda d: d["photos"][0].update(path=1)), "path"),
    "light": (change(lambda d: d["photos"][0]["light"].pop("sh")), "light: sh"),
    "many lights": (
        change(lambda d: d["photos"][0]["light"].update(
            sh=[[[0.0] * 3] * 9] * 2, directions=[[[0.0] * 3]] * 2, colors=[[[0.0] * 3]] * 2,
            positions=None)),
        "2 images",
    ),
    "camera": (change(lambda d: d["photos"][0].pop("K")), "K is missing"),
    "error": (change(lambda d: d["photos"][0].update(landmark_error="x")), "landmark_error"),
    "materials": (change(lambda d: d.pop("materials")), "materials"),
    "run": (change(lambda d: d.update(timings_s="long")), "timings_s"),
    "one material": (change(lambda d: d["materials"].pop("eye_L")), "'eye_L'"),
    "half a material": (change(lambda d: d["materials"]["head"].pop("normal")), "'head'"),
    "path in a name": (head_map("../secret.png"), "secret"),
    "absolute name": (head_map("/etc/x.png"), "no name of a PNG"),
    "bright number": (head_map([2, 0, 0]), "0..1"),
    "too few numbers": (head_map([0.2]), "head: diffuse_albedo"),
    "no number": (head_map({}), "head: diffuse_albedo"),
    "wrinkles": (change(lambda d: d.update(wrinkles=[])), "wrinkles"),
    "no span": (change(lambda d: d["wrinkles"].pop("fold_per_strain")), "fold_per_strain"),
    "no depth": (change(lambda d: d["wrinkles"].update(height_metres=0)), "height_metres is 0"),
    "no folds": (texture("wrinkles_fold.png", None), "wrinkles_fold.png does not exist"),
    "no png of folds": (texture("wrinkles_height.png", b"GIF89a"), "wrinkles_height.png"),
    "grey folds": (texture("wrinkles_fold.png", png(64, 64, 1)), "wrinkles_fold.png: it is grey"),
    "oblong folds": (texture("wrinkles_height.png", png(64, 32, 3)), "32 x 64 texels"),
    "other size": (texture("wrinkles_shade.png", png(32, 32, 3)), "has 32 texels a side"),
    "no map": (texture("normal.png", None), "normal.png does not exist"),
    "no png": (texture("diffuse_albedo.png", b"GIF89a"), "diffuse_albedo.png"),
    "cut png": (texture("normal.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\0\1" * 8),
                "normal.png"),
}  # fmt: skip


class TestWrinkles:
    def test_back_within_half_a_step(self, tiny: Path) -> None:
        before = creased(make_avatar(tiny_head())).wrinkles
        after = Avatar.load(tiny, tiny_head()).wrinkles
        assert before is not None and after is not None
        spans = json.loads((tiny / "fit.json").read_text())["wrinkles"]
        for name, key in (
            ("compressed", "height_metres"), ("stretched", "height_metres"),
            ("shade", "shade_log"), ("fold", "fold_per_strain"),
        ):  # fmt: skip
            one, two = getattr(before, name), getattr(after, name)
            assert one.shape == two.shape and two.dtype == torch.float32
            assert (one - two).abs().max() <= 0.501 * spans[key] / 65535
            assert bool((two[one == 0] == 0).all())

    def test_none_where_there_are_none(self, saved: Path, loaded: Avatar) -> None:
        """A directory of an earlier version is like that too."""
        assert loaded.wrinkles is None and "wrinkles" not in (saved / "fit.json").read_text()
        assert not list((saved / "textures").glob("wrinkle*"))

    def test_flat_folds_and_folds_of_8_bits(self, tiny: Path) -> None:
        from fitme.image.png import encode_png

        grey = np.full((64, 64, 4), 128, np.uint8)
        (tiny / "textures" / "wrinkles_height.png").write_bytes(encode_png(grey))
        folds = Avatar.load(tiny, tiny_head()).wrinkles
        assert folds is not None and not folds.compressed.any() and folds.shade.any()
        assert folds.compressed.shape == (1, 64, 64)

    def test_the_picture_is_the_same(self, tmp_path: Path) -> None:
        avatar = creased(small_avatar())
        avatar.save(tmp_path / "a")
        one, two = (a.render_photo().color for a in (avatar, Avatar.load(tmp_path / "a")))
        plain = small_avatar().render_photo().color
        assert (one - two).abs().max() < 0.05  # highlights on 8-bit normals
        assert (one - two).abs().mean() < 0.5 * (one - plain).abs().mean()


class TestErrors:
    @pytest.mark.parametrize("case", DAMAGE)
    def test_one_line_that_names_the_file(self, tiny: Path, case: str) -> None:
        damage, word = DAMAGE[case]
        damage(tiny)
        with pytest.raises(InputError) as caught:
            Avatar.load(tiny, tiny_head())
        message = str(caught.value)
        assert "\n" not in message and str(tiny) in message and word in message, message
        assert "fitme fit" in message  # the cure

    def test_a_head_of_another_shape_is_told_apart(self, tiny: Path) -> None:
        with pytest.raises(InputError, match="another head model"):
            Avatar.load(tiny)


class TestPackage:
    def test_names_come_when_asked_for(self) -> None:
        assert fitme.Avatar is Avatar and {"Avatar", "Light", "load_head"} <= set(dir(fitme))
        with pytest.raises(AttributeError, match="nothing"):
            fitme.nothing  # noqa: B018
