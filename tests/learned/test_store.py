"""Pulling a model: from an address, a file, an archive; and everything that can go wrong."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fitme.learned import registry, store
from fitme.runtime.errors import InputError, ModelError

DATA = bytes(range(256)) * 40


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> registry.LearnedModel:
    """A small model whose address is a file, and an empty cache."""
    monkeypatch.setenv("FITME_CACHE", str(tmp_path / "cache"))
    served = tmp_path / "served.pth"
    served.write_bytes(DATA)
    return replace(
        registry.MODELS[0],
        url=served.as_uri(),
        sha256=hashlib.sha256(DATA).hexdigest(),
        size=len(DATA),
        download=len(DATA),
    )


@pytest.fixture
def server() -> Iterator[str]:
    """An address that answers /missing with 404, /short with too little and then hangs up."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path != "/missing"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            if found:
                self.wfile.write(DATA[:100] if self.path == "/short" else DATA)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


def left_over() -> list[str]:
    return sorted(p.name for p in store.cache_dir().iterdir()) if store.cache_dir().exists() else []


class TestPull:
    def test_file_address(self, model: registry.LearnedModel) -> None:
        assert not store.is_pulled(model) and not store.verify(model)
        path = store.pull(model)
        assert path.read_bytes() == DATA and left_over() == [model.file]
        assert store.is_pulled(model) and store.verify(model)

    def test_http(self, model: registry.LearnedModel, server: str) -> None:
        assert store.pull(replace(model, url=f"{server}/good")).read_bytes() == DATA

    def test_by_hand(self, model: registry.LearnedModel, tmp_path: Path) -> None:
        mine = tmp_path / "mine.bin"
        mine.write_bytes(DATA)
        assert store.pull(replace(model, url="https://nowhere.invalid/x"), str(mine)).exists()

    def test_archive(self, model: registry.LearnedModel, tmp_path: Path) -> None:
        packed = tmp_path / "pack.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("other.onnx", b"x")
            archive.writestr(f"buffalo/{model.file}", DATA)
        size = packed.stat().st_size
        zipped = replace(model, url=packed.as_uri(), download=size)
        assert store.pull(zipped).read_bytes() == DATA and left_over() == [model.file]

    def test_again_reads_nothing(self, model: registry.LearnedModel, tmp_path: Path) -> None:
        store.pull(model)
        (tmp_path / "served.pth").unlink()
        store.pull(model)
        with pytest.raises(ModelError):
            store.pull(model, force=True)
        assert store.verify(model)  # what was there stays

    def test_damaged_is_replaced(self, model: registry.LearnedModel) -> None:
        path = store.pull(model)
        path.write_bytes(DATA[::-1])
        assert store.is_pulled(model) and not store.verify(model)
        assert store.pull(model).read_bytes() == DATA

    def test_remove(self, model: registry.LearnedModel) -> None:
        store.pull(model)
        assert store.remove(model) and not store.remove(model)


class TestWhatGoesWrong:
    @pytest.mark.parametrize(
        ("data", "words"),
        [(DATA[::-1], "SHA-256"), (DATA + b"x", "larger"), (DATA[:-1], "10239 of 10240 bytes")],
    )
    def test_wrong_file(self, model, tmp_path: Path, data: bytes, words: str) -> None:
        (tmp_path / "served.pth").write_bytes(data)
        with pytest.raises(ModelError, match=words) as caught:
            store.pull(model)
        assert "\n" not in str(caught.value) and "--from FILE" in str(caught.value)
        assert left_over() == []

    @pytest.mark.parametrize("content", [b"no archive", None])
    def test_wrong_archive(self, model, tmp_path: Path, content: bytes | None) -> None:
        packed = tmp_path / "pack.zip"
        if content is None:
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("other.onnx", b"x")
        else:
            packed.write_bytes(content)
        with pytest.raises(ModelError, match=r"archive|holds no"):
            store.pull(model, str(packed))
        assert left_over() == []

    @pytest.mark.parametrize(
        ("path", "words"), [("missing", "404"), ("short", r"100 of|IncompleteRead")]
    )
    def test_server(self, model, server: str, path: str, words: str) -> None:
        with pytest.raises(ModelError, match=words):
            store.pull(model, f"{server}/{path}")
        assert left_over() == []

    def test_no_network(self, model: registry.LearnedModel) -> None:
        with pytest.raises(ModelError, match="check the network"):
            store.pull(model, "http://127.0.0.1:9/x")  # nobody listens on this port

    def test_no_such_file(self, model: registry.LearnedModel) -> None:
        with pytest.raises(ModelError, match="is no file"):
            store.pull(model, "/nowhere/x.pth")

    def test_disk_full(self, model, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage("/")._replace(free=100)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(ModelError, match="free some room"):
            store.pull(model)

    def test_cache_is_a_file(self, model, monkeypatch, tmp_path: Path) -> None:
        (tmp_path / "taken").write_text("")
        monkeypatch.setenv("FITME_CACHE", str(tmp_path / "taken"))
        with pytest.raises(ModelError, match="FITME_CACHE"):
            store.pull(model)


class TestRegistry:
    def test_entries(self) -> None:
        assert len({m.name for m in registry.MODELS}) == len(registry.MODELS)
        assert len({m.file for m in registry.MODELS}) == len(registry.MODELS)
        for model in registry.MODELS:
            assert len(model.sha256) == 64 and int(model.sha256, 16)
            assert model.url.startswith("https://") != (model.carrier is not None)
            assert model.size <= model.download
            if "download.pytorch.org" in model.url:  # torchvision names files after the checksum
                assert f"-{model.sha256[:8]}." in model.file

    def test_unknown(self) -> None:
        with pytest.raises(InputError, match="lpips, lpips-vgg"):
            registry.find_model("clip")

    def test_platform_cache(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("FITME_CACHE", raising=False)
        assert store.cache_dir().name == "models" and store.cache_dir().parent.name == "fitme"
