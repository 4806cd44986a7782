"""LPIPS against the package's own forward pass, its mask, and what happens without it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from fitme.learned import load_perceptual
from fitme.learned.perceptual import Perceptual
from fitme.runtime.errors import InputError, ModelError
from tests.learned.weight_files import install, squeezenet_file

lpips = pytest.importorskip("lpips", reason="extra `learned` is not installed")
NAME = "lpips-squeeze"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "squeeze.pth"
    squeezenet_file(path)
    return path


@pytest.fixture
def perceptual(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Perceptual:
    install(monkeypatch, tmp_path, NAME, weights)
    loaded = load_perceptual(name=NAME)
    assert loaded is not None
    return loaded


def pictures(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    return tuple(torch.rand(batch, 72, 80, 3, generator=draw) for _ in range(2))  # type: ignore


class TestDistance:
    def test_is_the_package_s(self, perceptual: Perceptual, weights: Path) -> None:
        seen, wanted = pictures()
        theirs = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        features = torch.load(weights, weights_only=True)
        slices = {
            f"{s}.{k[9:]}": v
            for s in (f"slice{i}" for i in range(1, 8))
            for k, v in features.items()
            if f"{s}.{k[9:]}" in theirs.net.state_dict()
        }
        theirs.net.load_state_dict(slices)
        with torch.no_grad():
            expected = theirs(seen.movedim(-1, 1), wanted.movedim(-1, 1), normalize=True).flatten()
        torch.testing.assert_close(perceptual(seen, wanted), expected.mean())
        assert float(expected.min()) > 0.01
        everywhere = torch.ones(2, 72, 80)
        torch.testing.assert_close(perceptual(seen, wanted, everywhere), expected.mean())

    def test_same_picture_is_zero_and_finite(self, perceptual: Perceptual) -> None:
        seen = torch.zeros(1, 64, 64, 3, requires_grad=True)
        value = perceptual(seen, torch.zeros(1, 64, 64, 3))
        (gradient,) = torch.autograd.grad(value, seen)
        assert float(value) == 0 and bool(gradient.isfinite().all())

    def test_mask(self, perceptual: Perceptual) -> None:
        seen, wanted = pictures()
        weight = torch.zeros(2, 72, 80)
        weight[:, 20:50, 20:50] = 1
        seen.requires_grad_(True)
        value = perceptual(seen, wanted, weight)
        (gradient,) = torch.autograd.grad(value, seen)
        outside = gradient[(weight == 0)[..., None].expand_as(gradient)]
        assert float(value) > 0 and float(outside.abs().max()) == 0
        assert float(gradient.abs().max()) > 0
        assert float(perceptual(seen, wanted, torch.zeros(2, 72, 80))) == 0

    def test_shapes(self, perceptual: Perceptual) -> None:
        with pytest.raises(ValueError, match="H, W >= 64"):
            perceptual.features(torch.rand(1, 32, 80, 3))
        with pytest.raises(ValueError, match="weight"):
            perceptual(*pictures(), torch.ones(1, 72, 80))


class TestLoading:
    def test_nothing_pulled(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "lpips")
        said: list[str] = []
        assert load_perceptual(note=said.append) is None
        assert said == ["LPIPS is off: its backbone is not in the cache; `fitme models pull lpips`"]
        assert load_perceptual() is None  # also silently

    def test_no_package(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights) -> None:
        install(monkeypatch, tmp_path, NAME, weights)
        monkeypatch.delitem(sys.modules, "lpips")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        said: list[str] = []
        assert load_perceptual(note=said.append, name=NAME) is None
        assert "not installed" in said[0] and "fitme[learned]" in said[0]

    def test_old_file_format(self, monkeypatch, tmp_path: Path, weights: Path) -> None:
        """Some of torchvision's files are from before PyTorch wrote archives."""
        path = tmp_path / "old.pth"
        state = torch.load(weights, weights_only=True)
        torch.save(state, path, _use_new_zipfile_serialization=False)
        install(monkeypatch, tmp_path, NAME, path)
        assert load_perceptual(name=NAME) is not None

    def test_alexnet(self, monkeypatch, tmp_path: Path) -> None:
        torchvision = pytest.importorskip("torchvision")
        state = torchvision.models.alexnet(weights=None).state_dict()
        path = tmp_path / "alexnet.pth"
        torch.save({k: v for k, v in state.items() if k.startswith("features.")}, path)
        install(monkeypatch, tmp_path, "lpips", path)
        loaded = load_perceptual()
        assert loaded is not None and len(loaded.features(pictures(1)[0])) == 5

    @pytest.mark.parametrize("content", ["garbage", "other tensors", "other shapes", "a list"])
    def test_damaged(self, monkeypatch, tmp_path: Path, weights: Path, content: str) -> None:
        path = tmp_path / "bad.pth"
        state = torch.load(weights, weights_only=True)
        if content == "garbage":
            path.write_bytes(b"no tensors at all")
        elif content == "other tensors":
            torch.save({"features.0.weight": state["features.0.weight"]}, path)
        elif content == "other shapes":
            torch.save({**state, "features.0.weight": torch.zeros(2, 3)}, path)
        else:
            torch.save([1, 2], path)
        install(monkeypatch, tmp_path, NAME, path)
        with pytest.raises(ModelError, match="pull lpips-squeeze --force") as caught:
            load_perceptual(name=NAME)
        assert "\n" not in str(caught.value)

    def test_code_in_a_file_is_not_run(self, monkeypatch, tmp_path: Path) -> None:
        import os
        import pickle

        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "run"),)

        path = tmp_path / "evil.pth"
        path.write_bytes(pickle.dumps(Evil()))
        install(monkeypatch, tmp_path, NAME, path)
        with pytest.raises(ModelError):
            load_perceptual(name=NAME)
        assert not (tmp_path / "run").exists()

    def test_other_name(self) -> None:
        with pytest.raises(InputError):
            load_perceptual(name="clip")
