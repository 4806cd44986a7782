"""Every script in examples/ runs, in a small setting, and the Python API they show."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import fitme
from fitme.fit.log import RunLog
from fitme.fit.request import FitRequest
from fitme.fit.settings import FitSettings, override
from fitme.runtime.errors import (
    FitmeError,
    InputError,
    LandmarkError,
    ModelError,
    OutputError,
    PhotoError,
)
from tests.small_avatar import small_avatar

REPOSITORY = Path(__file__).resolve().parent.parent

QUICK = override(
    FitSettings(),
    {
        "light.steps": 1, "light.pixels": 64, "invert.steps": 1, "invert.pixels": 96,
        "invert.texels": 128, "tune.steps": 0, "refine.on": False, "hair": "cropped",
    },
)  # fmt: skip
SIZE = 64


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "examples" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as `fitme fit` writes it."""
    path = tmp_path_factory.mktemp("avatar") / "me"
    small_avatar().save(path)
    return path


def test_every_example_is_tested() -> None:
    here = Path(__file__).read_text()
    for path in (REPOSITORY / "examples").glob("*.py"):
        assert f'example("{path.stem}")' in here
        assert f"python examples/{path.name} " in path.read_text()


class TestFitting:
    def test_one_photo(self, astronaut: Path, tmp_path: Path) -> None:
        out = tmp_path / "deep" / "me"
        avatar = example("one_photo").main(astronaut, out, QUICK, SIZE)
        assert avatar.run.preset == "custom" and avatar.run.timings_s["total"] > 0
        loaded = fitme.Avatar.load(out)
        torch.testing.assert_close(loaded.identity, avatar.identity)
        with Image.open(tmp_path / "deep" / "me_side.png") as picture:
            assert picture.size == (512, 512) and np.asarray(picture)[..., 3].max() == 255

    def test_several_photos(self, astronaut: Path, tmp_path: Path) -> None:
        photos = [astronaut, tmp_path / "absent.jpg"]
        avatar = example("several_photos").main(tmp_path / "me", photos, QUICK, SIZE)
        assert [seen.path for seen in avatar.photos] == [astronaut]
        assert (tmp_path / "me" / "overlay_00.png").is_file()

    def test_batch(self, astronaut: Path, tmp_path: Path) -> None:
        photos = tmp_path / "photos"
        photos.mkdir()
        (photos / "bad.jpg").write_text("no picture")
        (photos / "notes.txt").write_text("no photo at all")
        (photos / "good.png").write_bytes(astronaut.read_bytes())
        failed = example("batch").main(photos, tmp_path / "out", QUICK, SIZE)
        assert list(failed) == ["bad"]
        assert (tmp_path / "out" / "good" / "avatar.glb").is_file()
        rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").open()))
        assert [row["name"] for row in rows] == ["bad", "good"]
        assert rows[0]["problem"] and float(rows[1]["landmark_error"]) < 0.05


class TestAvatars:
    def test_relight(self, folder: Path, tmp_path: Path) -> None:
        written = example("relight").relight(folder, tmp_path / "relit", 64)
        assert [path.name for path in written] == ["studio.png", "rim.png", "sunset.png"]

    def test_unreal_textures(self, folder: Path, tmp_path: Path) -> None:
        base, normal, orm, specular = (
            np.asarray(Image.open(path)).astype(int)
            for path in example("unreal_textures").main(folder, tmp_path)
        )
        ours = {p.stem: np.asarray(Image.open(p)) for p in (folder / "textures").glob("*.png")}
        np.testing.assert_array_equal(base, ours["diffuse_albedo"])
        assert np.abs(normal[..., 0] - ours["normal"][..., 0]).max() <= 1
        assert np.abs(normal[..., 1] + ours["normal"][..., 1] - 255).max() <= 2  # green is down
        assert np.abs(orm - ours["metallic_roughness"]).max() <= 1
        assert (orm[..., 0] == 255).all() and (orm[..., 2] == 0).all()
        f0 = np.interp(ours["specular_albedo"][..., 0] / 255, *_srgb())
        assert specular.ndim == 2 and np.abs(specular - 255 * f0 / 0.08).max() <= 6

    def test_flame_head(self, tmp_path: Path) -> None:
        pytest.importorskip("h5py", reason="extra `heads` is not installed")
        from tests.head.formats import model_files

        model = model_files.write_flame(tmp_path, shapedirs=np.zeros((22, 3, 20)) + 1e-4)
        out = tmp_path / "out"
        example("flame_head").main(model, out)
        head = fitme.load_head(out / "head.safetensors")
        avatar = fitme.Avatar.load(out / "avatar", head)
        assert avatar.head.part_names == ("head", "eye_L", "eye_R")
        with pytest.raises(InputError, match="another head model"):
            fitme.Avatar.load(out / "avatar")
        pictures = [np.asarray(Image.open(out / f"{name}.png")) for name in ("neutral", "open")]
        assert all(picture[..., 3].max() == 255 for picture in pictures)

    def test_flame_head_shape_of_a_photo(self, astronaut: Path) -> None:
        """Any head with the 478 points can be aligned; here the shipped one."""
        identity = example("flame_head").shape_of_photo(fitme.load_head(), astronaut)
        assert identity.shape == (1, 90) and float(identity.abs().max()) > 0.1


def _srgb() -> tuple[np.ndarray, np.ndarray]:
    """Display values and the linear ones they mean."""
    from fitme.image.color import srgb_to_linear

    values = torch.linspace(0, 1, 256)
    return values.numpy(), srgb_to_linear(values).numpy()


class TestCallableFit:
    """`fitme.fit` is a package and a function."""

    def test_both(self) -> None:
        import fitme.fit.settings

        assert callable(fitme.fit) and fitme.fit.settings.PRESETS
        assert "fit" in fitme.__all__ and (fitme.fit.__doc__ or "").startswith("Photos to avatars")

    def test_arguments_arrive(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def fit_request(request: FitRequest, *_: object) -> SimpleNamespace:
            calls.append(request)
            return SimpleNamespace(avatar="avatar", log=RunLog())

        monkeypatch.setattr("fitme.fit.api.fit_request", fit_request)
        assert fitme.fit("a.jpg", preset="fast", landmarks="p.json", size=256) == "avatar"
        fitme.fit([Path("a.jpg"), "b.jpg"])
        assert calls[0].photos == (Path("a.jpg"),)
        assert calls[0].landmarks == Path("p.json") and calls[0].size == 256
        assert calls[1].photos == (Path("a.jpg"), Path("b.jpg"))

    def test_errors_are_the_libraries(self) -> None:
        with pytest.raises(PhotoError, match=r"nowhere\.jpg"):
            fitme.fit("nowhere.jpg")
        with pytest.raises(InputError, match="fast, default, best"):
            fitme.fit("nowhere.jpg", preset="slow")
        assert issubclass(PhotoError, InputError) and issubclass(LandmarkError, InputError)
        for kind in (InputError, OutputError, ModelError):
            assert issubclass(kind, FitmeError)

    def test_import_costs_nothing(self) -> None:
        import subprocess

        program = "import sys, fitme; fitme.fit; print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stdout == "False\n"
