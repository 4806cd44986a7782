"""dlib's face network: our reading of its file against dlib itself, and of damaged files."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.landmarks.example import example_photo
from fitme.learned import load_identity, similarity
from fitme.learned.dlib_face import DlibNetwork
from fitme.learned.dlib_reader import BLOCKS, DamagedError, read_face_network
from fitme.learned.registry import find_model
from fitme.learned.store import is_pulled, model_path, pull, verify
from fitme.runtime.errors import ModelError
from tests.learned.weight_files import dlib_bytes, install

LANDMARKS = torch.rand(1, 478, 2, generator=torch.Generator().manual_seed(1)) * 100 + 30


@pytest.fixture(scope="module")
def data() -> bytes:
    return dlib_bytes()


def chips(count: int) -> torch.Tensor:
    """Smooth random pictures [count,3,150,150] of whole 255ths in 0..1."""
    rough = torch.rand(count, 3, 15, 15, generator=torch.Generator().manual_seed(3))
    smooth = torch.nn.functional.interpolate(rough, (150, 150), mode="bicubic", antialias=True)
    return (smooth.clamp(0, 1) * 255).round() / 255


class TestAgainstDlib:
    """Needs the packages dlib-bin and face-recognition-models, as the dev group brings them."""

    def test_descriptors(self) -> None:
        dlib = pytest.importorskip("dlib", reason="dlib-bin is not installed")
        path = model_path(find_model("dlib"))
        if not path.exists():
            pytest.skip("face-recognition-models is not installed")
        mine = load_identity(name="dlib")
        assert mine is not None and verify(find_model("dlib"))
        theirs = dlib.face_recognition_model_v1(str(path))
        photo = example_photo()  # 256 pixels of a portrait
        pictures = torch.cat([chips(3), photo.pixels[None, 40:190, 40:190].movedim(-1, 1).cpu()])
        pictures = (pictures * 255).round() / 255
        found = mine.network(pictures)  # type: ignore[attr-defined]
        for picture, own in zip(pictures, found, strict=True):
            pixels = (picture.movedim(0, -1) * 255).round().byte().numpy()
            wanted = np.array(theirs.compute_face_descriptor(np.ascontiguousarray(pixels)))
            assert np.linalg.norm(own.numpy() - wanted) < 0.01


class TestReader:
    def test_layers(self, data: bytes) -> None:
        network = read_face_network(data)
        assert network.mean == pytest.approx((122.782, 117.001, 104.298), abs=1e-3)
        assert len(network.blocks) == len(BLOCKS) == 14
        assert network.first.weight.shape == (32, 3, 7, 7) and network.first.stride == 2
        halved = [inner.stride == 2 for inner, _ in network.blocks]
        assert [i for i, halves in enumerate(halved) if halves] == [3, 7, 10, 13]
        assert network.last.shape == (256, 128)

    def test_cut_off(self, data: bytes) -> None:
        whole = len(data)
        for length in [0, 1, 2, 20, 60, 100, 300, 20_000, 1_000_000, whole - 5000, whole - 1]:
            with pytest.raises(DamagedError, match=r"it ends after|no integer|no layer"):
                read_face_network(data[:length])

    def test_longer(self, data: bytes) -> None:
        with pytest.raises(DamagedError, match="1 bytes too many"):
            read_face_network(data + b"0")

    def test_altered_bytes_raise_nothing_else(self, data: bytes) -> None:
        """Any byte before the first tensor and of a layer's fields, as anything."""
        start = data.index(b"affine_")
        for at in [*range(0, 120, 3), *range(start - 60, start + 20, 2)]:
            for value in (0x00, 0x7F, 0x88, 0xFF):
                altered = data[:at] + bytes([value]) + data[at + 1 : start + 4000]
                with pytest.raises(DamagedError):
                    read_face_network(altered)

    def test_a_huge_tensor_takes_no_memory(self, data: bytes) -> None:
        at = data.index(b"con_4") + 5
        huge = b"\x01\x02" + b"\x08\xff\xff\xff\xff\xff\xff\xff\x7f" * 4
        with pytest.raises(DamagedError, match="a tensor of sizes"):
            read_face_network(data[:at] + huge + data[at:])

    def test_no_numbers(self, data: bytes) -> None:
        at = data.index(b"con_4") + 40
        with pytest.raises(DamagedError, match="no finite numbers"):
            read_face_network(data[:at] + b"\xff" * 16 + data[at + 16 :])


class TestNetwork:
    def test_a_short_cut_of_another_size_is_filled_up(self, data: bytes) -> None:
        """Its last blocks have short cuts that are larger than what is added to them."""
        network = DlibNetwork(read_face_network(data))
        sizes = []
        for block in network.blocks:
            block.register_forward_hook(lambda *at: sizes.append(tuple(at[2].shape[1:])))
        assert network(chips(2)).shape == (2, 128)
        assert sizes == [
            *[(32, 35, 35)] * 3, *[(64, 17, 17)] * 4, *[(128, 8, 8)] * 3, *[(256, 4, 4)] * 3,
            (256, 2, 2),
        ]  # fmt: skip

    def test_loss(self, data: bytes, monkeypatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(data)
        install(monkeypatch, tmp_path / "cache", "dlib", tmp_path / "file")
        network = load_identity(name="dlib")
        assert network is not None and network.differentiable
        seen = torch.rand(1, 160, 160, 3, requires_grad=True)
        wanted = network.embed(torch.rand(1, 160, 160, 3), LANDMARKS)
        distance = network.distance(network.embed(seen, LANDMARKS), wanted)
        assert distance.shape == (1,) and float(distance.detach()) > 0
        (gradient,) = torch.autograd.grad(distance.sum(), seen)
        assert float(gradient.abs().max()) > 0
        picture = seen.detach()[0]
        same = similarity(picture, LANDMARKS[0], picture, LANDMARKS[0], network)
        assert same == pytest.approx(1)


class TestFile:
    def test_damaged_is_one_line(self, data: bytes, monkeypatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(data[:-100])
        install(monkeypatch, tmp_path / "cache", "dlib", tmp_path / "file")
        with pytest.raises(ModelError, match="it ends after") as raised:
            load_identity(name="dlib")
        assert "\n" not in str(raised.value)
        assert "pip install --force-reinstall face-recognition-models" in str(raised.value)

    def test_absent(self, monkeypatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FITME_CACHE", str(tmp_path))
        monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
        said: list[str] = []
        assert load_identity(note=said.append, name="dlib") is None
        assert said == [
            "dlib's face network is off: its file is not installed;"
            ' `pip install "fitme[identity]"`'
        ]
        with pytest.raises(ModelError, match=r"pip install .*--from FILE"):
            pull(find_model("dlib"))

    def test_in_its_package(self, monkeypatch, tmp_path: Path) -> None:
        """Found there without importing the package, whose import needs setuptools."""
        package = tmp_path / "face_recognition_models"
        (package / "models").mkdir(parents=True)
        spec = ModuleSpec(package.name, None, is_package=True)
        spec.submodule_search_locations = [str(package)]
        monkeypatch.setattr("importlib.util.find_spec", lambda name: {package.name: spec}[name])
        model = find_model("dlib")
        (package / "models" / model.file).write_bytes(b"x" * model.size)
        monkeypatch.setenv("FITME_CACHE", str(tmp_path / "cache"))
        assert model_path(model) == package / "models" / model.file
        assert is_pulled(model) and not verify(model)
