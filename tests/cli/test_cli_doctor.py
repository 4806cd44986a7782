from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitme import doctor
from fitme.cli.main import app

runner = CliRunner()


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the slow parts."""
    monkeypatch.setenv("FITME_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "_generator", lambda: iter(()))
    monkeypatch.setattr(doctor, "_landmarks", lambda: iter(()))


class TestReport:
    def test_everything(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("FITME_CACHE", str(tmp_path))
        result = runner.invoke(app, ["doctor", "--json"])
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert report["ok"]
        checks = {check["name"]: check for check in report["checks"]}
        for name in ("fitme", "python", "torch", "numpy", "numba", "mediapipe", "device",
                     "render cpu", "head model", "generator", "landmarks"):  # fmt: skip
            assert checks[name]["status"] == "ok", checks[name]
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
        def absent(module: str) -> None:
            if module == "numba":
                raise ImportError("no module named numba")

        monkeypatch.setattr(doctor, "_quiet_import", absent)
        problems = [check for check in doctor.diagnose() if check.status == "problem"]
        assert [check.name for check in problems] == ["numba"]

    @pytest.mark.parametrize(("free", "status"), [(1000, "note"), (9000, "ok")])
    def test_memory(self, monkeypatch, free: int, status: str) -> None:
        monkeypatch.setattr(doctor, "_free_memory_mb", lambda: free)
        assert [check.status for check in doctor._memory()] == [status]
