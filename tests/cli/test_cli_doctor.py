from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fitme import doctor
from fitme.cli.main import app
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks

runner = CliRunner()


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch, bare_cache: Path) -> None:
    """Without the slow parts."""
    monkeypatch.setattr(doctor, "_generator", lambda: iter(()))
    monkeypatch.setattr(doctor, "_encoder", lambda: iter(()))
    monkeypatch.setattr(doctor, "_landmarks", lambda: iter(()))


class TestReport:
    def test_everything(self, bare_cache: Path) -> None:
        result = runner.invoke(app, ["doctor", "--json"])
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["ok"]
        checks = {check["name"]: check for check in report["checks"]}
        for name in ("fitme", "python", "torch", "numpy", "numba", "tflite", "device",
                     "render cpu", "head model", "generator", "encoder", "landmarks"):  # fmt: skip
            assert checks[name]["status"] == "ok", checks[name]
        assert "478 landmarks" in checks["landmarks"]["text"]
        assert checks["model lpips"]["status"] == "note"
        assert checks["model lpips"]["cure"] == "fitme models pull lpips"
        assert {check["status"] for check in report["checks"]} <= {"ok", "note", "problem"}
        assert all(check["cure"] for check in report["checks"] if check["status"] == "problem")
        assert all("\n" not in check["text"] for check in report["checks"])

    def test_text(self, light: None) -> None:
        result = runner.invoke(app, ["doctor"])
        assert result.exit_code == 0 and result.output.endswith("ready\n")
        assert "ok torch: " in result.output
        assert "-> fitme models pull lpips" in result.output
        assert runner.invoke(app, ["doctor", "-q"]).output == ""

    def test_problem(self, light: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*args: object) -> None:
            raise OSError("head.safetensors is\ngone")

        monkeypatch.setattr("fitme.head.model.load_head", broken)
        result = runner.invoke(app, ["doctor"])
        assert result.exit_code == 1
        assert "!! head: head.safetensors is gone -> install fitme again" in result.output
        assert result.output.endswith("not ready: see the lines with !!\n")
        assert json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)["ok"] is False

    def test_missing_package(self, light: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "numba", None)
        problems = [check for check in doctor.diagnose() if check.status == "problem"]
        assert [check.name for check in problems] == ["numba"]
        assert problems[0].cure.startswith("install fitme again")

    def test_missing_libgl_has_its_own_cure(self, light: None, monkeypatch) -> None:
        def absent(module: str) -> None:
            if module == "cv2":
                raise ImportError(
                    "libGL.so.1: cannot open shared object file: No such file or directory"
                )

        monkeypatch.setattr("importlib.import_module", absent)
        result = runner.invoke(app, ["doctor", "-q"])
        assert result.exit_code == 1
        lines = result.output.splitlines()
        assert [line.split(":")[0] for line in lines] == ["!! opencv-python-headless"]
        assert all("apt-get install libgl1 libglib2.0-0" in line for line in lines)

    @pytest.mark.parametrize("cuda", ["13.2", None])
    def test_torch_for_a_gpu_that_is_not_here(self, cuda, monkeypatch) -> None:
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        checks = {check.name: check for check in doctor._device()}
        assert checks["device"].status == "ok" and ("torch build" in checks) == bool(cuda)
        if cuda:
            assert "--torch-backend cpu" in checks["torch build"].cure

    @pytest.mark.parametrize(("free", "status"), [(1, "note"), (9, "ok")])
    def test_memory(self, monkeypatch, free: int, status: str) -> None:
        monkeypatch.setattr(doctor, "free_memory", lambda: free * 2.0**30)
        assert [check.status for check in doctor._memory()] == [status]


class TestLandmarks:
    """The check that detects a face, where detection does not work."""

    def check(self) -> doctor.Check:
        (check,) = (c for c in doctor.diagnose() if c.name == "landmarks")
        return check

    @pytest.fixture(autouse=True)
    def only_this(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in (
            "_packages",
            "_backends",
            "_head",
            "_generator",
            "_encoder",
            "_learned",
            "_tools",
        ):
            monkeypatch.setattr(doctor, name, lambda: iter(()))

    def test_not_here_yet(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FITME_CACHE", str(tmp_path))
        monkeypatch.setattr("fitme.learned.store.find_package", lambda name: None)
        check = self.check()
        assert check.status == "note" and check.cure == "fitme models pull landmarks"
        assert not list(tmp_path.iterdir())  # asking is not fetching

    @pytest.mark.parametrize("count", [0, 2])
    def test_another_number_of_faces(self, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
        face = FaceLandmarks(torch.zeros(478, 2))
        monkeypatch.setattr(MediaPipeLandmarks, "detect", lambda *_: [face] * count)
        check = self.check()
        assert check.status == "problem" and check.text.startswith(f"{count} faces")

    def test_a_face_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        face = FaceLandmarks(torch.full((478, 2), 60.0))
        monkeypatch.setattr(MediaPipeLandmarks, "detect", lambda *_: [face])
        assert self.check().status == "problem"
