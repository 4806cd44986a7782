"""Recognition networks from files of random weights, and the losses of a fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fitme.learned import LearnedLosses, load_identity, similarity
from fitme.learned.faces import ARCFACE, FACENET, aligned_faces
from fitme.runtime.errors import InputError, ModelError
from tests.learned.weight_files import arcface_file, facenet_file, install, squeezenet_file

FIVE = torch.tensor([[[60.0, 70.0], [95.0, 68.0], [80.0, 88.0], [65.0, 108.0], [95.0, 106.0]]])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the three files."""
    folder = tmp_path_factory.mktemp("weights")
    for package, name, write in (
        ("facenet_pytorch", "facenet", facenet_file),
        ("onnx", "arcface", arcface_file),
        ("lpips", "lpips-squeeze", squeezenet_file),
    ):
        pytest.importorskip(package, reason="extras `learned` and `facenet` are not installed")
        write(folder / name)
    return folder


def image(seed: int = 0) -> torch.Tensor:
    rough = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(rough, (160, 160), mode="bicubic", antialias=True)
    return smooth.movedim(1, -1).clamp(0, 1)


class TestFacenet:
    def test_loss(self, weights: Path, monkeypatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "facenet", weights / "facenet")
        network = load_identity()
        assert network is not None and network.differentiable
        seen, wanted = image(1).requires_grad_(True), image(2)
        first, second = network.embed(seen, FIVE), network.embed(wanted, FIVE)
        assert first.shape == (1, 512)
        torch.testing.assert_close(first.norm(dim=1), torch.ones(1))
        loss = network.distance(first, second).mean()
        (gradient,) = torch.autograd.grad(loss, seen)
        assert 0 < float(loss.detach()) <= 2 and float(gradient.abs().max()) > 0
        crops = aligned_faces(wanted, FIVE, FACENET)
        from facenet_pytorch import fixed_image_standardization

        theirs = network._network(fixed_image_standardization(crops * 255))  # type: ignore
        torch.testing.assert_close(second, theirs)
        assert similarity(image(1)[0], FIVE[0], image(1)[0], FIVE[0], network) == pytest.approx(1)

    def test_other_tensors(self, weights: Path, monkeypatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "facenet", weights / "lpips-squeeze")
        with pytest.raises(ModelError, match="pull facenet --force"):
            load_identity()


class TestArcFace:
    def test_is_insightface_s(self, weights: Path, monkeypatch, tmp_path: Path) -> None:
        arcface = pytest.importorskip("insightface.model_zoo.arcface_onnx")
        install(monkeypatch, tmp_path, "arcface", weights / "arcface")
        network = load_identity(name="arcface")
        assert network is not None and not network.differentiable
        found = network.embed(image(1).expand(2, -1, -1, -1), FIVE.expand(2, -1, -1))
        assert found.shape == (2, 512)
        theirs = arcface.ArcFaceONNX(str(weights / "arcface"))
        crop = aligned_faces(image(1), FIVE, ARCFACE)[0].movedim(0, -1)
        rounded = (crop.flip(-1) * 255).round().byte().numpy()  # BGR, as cv2 reads
        expected = torch.nn.functional.normalize(torch.from_numpy(theirs.get_feat(rounded)), dim=1)
        assert float((found[:1] * expected).sum()) > 0.9999

    def test_damaged(self, weights: Path, monkeypatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "arcface", weights / "lpips-squeeze")
        with pytest.raises(ModelError, match="pull arcface --force"):
            load_identity(name="arcface")

    def test_other_name(self) -> None:
        with pytest.raises(InputError):
            load_identity(name="vggface")  # type: ignore[arg-type]


class TestLearnedLosses:
    def test_without_the_extras(self) -> None:
        """The module works, and says what is off, where none of the packages is installed."""
        program = """
import importlib.util
find = importlib.util.find_spec
absent = ("lpips", "torchvision", "facenet_pytorch", "onnxruntime", "insightface", "onnx")
importlib.util.find_spec = lambda name, *a: None if name in absent else find(name, *a)
import sys
sys.modules.update(dict.fromkeys(absent))  # importing one of them raises
from fitme.learned import LearnedLosses, load_identity
print(bool(LearnedLosses.load(note=print)), load_identity(note=print, name="arcface"))
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stderr == ""
        lines = done.stdout.splitlines()
        assert "lpips is not installed" in lines[0] and "--no-deps facenet-pytorch" in lines[0]
        assert "onnxruntime is not installed" in lines[1] and lines[2] == "False None"

    def test_nothing_is_there(self, monkeypatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "lpips")
        said: list[str] = []
        losses = LearnedLosses.load(note=said.append)
        assert not losses
        assert len(said) == 1 and "\n" not in said[0]
        assert "pull lpips`" in said[0] and "pull facenet`" in said[0]
        seen = image(1)
        assert losses.terms(seen, losses.target(image(2), FIVE)) == {}

    def test_terms(self, weights: Path, monkeypatch, tmp_path: Path) -> None:
        install(monkeypatch, tmp_path, "facenet", weights / "facenet")
        install(monkeypatch, tmp_path, "lpips-squeeze", weights / "lpips-squeeze")
        losses = LearnedLosses.load(lpips="lpips-squeeze")
        assert losses
        wanted = image(2)
        target = losses.target(wanted, FIVE)
        weight = torch.zeros(1, 160, 160)
        weight[:, 40:130, 40:120] = 1
        seen = image(1).requires_grad_(True)
        terms = losses.terms(seen, target, weight)
        assert set(terms) == {"lpips", "identity"}
        (gradient,) = torch.autograd.grad(sum(terms.values()), seen)
        assert float(gradient[0, :20].abs().max()) == 0 < float(gradient.abs().max())
        assert all(float(v.detach()) > 0 and v.dim() == 0 for v in terms.values())
        same = losses.terms(wanted, target, weight)
        assert all(float(v) == pytest.approx(0, abs=1e-5) for v in same.values())
