"""Who may ask for what: token, host, limits, photos, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fitme.studio import exports, uploads
from fitme.studio.shelf import safe_file_name
from tests.studio.running import png, running, send, wait_for


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """With one head, called "ok"."""
    root = tmp_path_factory.mktemp("studio")
    (root / "other").mkdir()
    (root / "other" / "avatar.glb").write_bytes(b"of no fit")
    with running(root) as (studio, client):
        send(client, "ok.png")
        wait_for(studio, lambda jobs: jobs[0]["status"] == "done")
        yield client


class TestGuard:
    def test_the_token(self, client: Any) -> None:
        assert client.get("").status_code == 200
        for path in ("/", "/events", "/a-toke/", "/a-token", "/a-tokenx/events", "//"):
            assert client.get(f"http://127.0.0.1:8765{path}").status_code == 404, path

    @pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.evil.com", "", "[", "0.0.0.0:8765"])
    def test_other_hosts(self, client: Any, host: str) -> None:
        assert client.get("", headers={"host": host}).status_code == 400

    def test_other_origins(self, client: Any) -> None:
        at = {"origin": "http://evil.com"}
        assert client.post("fits/1/cancel", headers=at).status_code == 403
        for origin in ("http://127.0.0.1:8765", "http://localhost:9000"):  # a tunnel
            assert client.post("fits/99/cancel", headers={"origin": origin}).status_code == 404
        assert client.get("", headers={"origin": "null"}).status_code == 403

    def test_headers(self, client: Any) -> None:
        page = client.get("")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "http" not in page.text.replace("http-equiv", "")  # nothing from elsewhere

    def test_lengths(self, client: Any) -> None:
        def pieces() -> Any:
            yield b"x"

        assert client.post("fits", content=pieces()).status_code == 411
        big = {"content-length": str(uploads.MOST_BODY + 1)}
        answer = client.post("fits", content=b"x", headers=big)
        assert answer.status_code == 413 and "MiB" in answer.text


class TestUploads:
    @pytest.mark.parametrize(
        ("names", "data", "fields", "says"),
        [
            (["a.png"], b"hello", {}, "a.png is not an image fitme can read"),
            (["a.png"], b"", {}, "a.png is empty"),
            (["a.png"], png(8), {}, "a.png"),
            (["a.png"], None, {"preset": "../best"}, "no preset"),
            (["a.png"], None, {"hair": "beehive"}, "no hair 'beehive'"),
            (["a.mp4", "b.png"], None, {}, "a film is fitted alone"),
            (["a.png"] * 13, None, {}, "more than 12 photos"),
            ([], None, {}, "no photo is given"),
        ],
    )
    def test_refusals(
        self, client: Any, names: list[str], data: bytes | None, fields: dict, says: str
    ) -> None:
        answer = send(client, *names, data=data, **fields)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert says in error and "\n" not in error and "_studio" not in error

    def test_too_large(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(uploads, "MOST_BYTES", 100)
        answer = send(client, "a.png", data=png())
        assert answer.status_code == 400 and "choose a smaller file" in answer.json()["error"]

    def test_names(self) -> None:
        assert safe_file_name("../../etc/passwd", 0) == "passwd"
        assert safe_file_name("C:\\x\\Zoë (1).HEIC", 0) == "Zoë (1).HEIC"
        assert safe_file_name("..", 2) == "photo_3"
        assert safe_file_name("a\n<b>\0.png", 0) == "a__b__.png"
        assert len(safe_file_name("x" * 500 + ".png", 0)) <= 80


class TestFiles:
    def test_of_a_head(self, client: Any) -> None:
        got = client.get("heads/ok/avatar.glb?save")
        assert got.content == b"glTF"
        assert 'filename="ok_avatar.glb"' in got.headers["content-disposition"]
        report = client.get("heads/ok/report.html")
        assert "sandbox" in report.headers["content-security-policy"]
        assert "content-disposition" not in report.headers

    @pytest.mark.parametrize(
        "path",
        [
            "heads/ok/secret.txt", "heads/other/avatar.glb", "heads/_studio/avatar.glb",
            "heads/../ok/avatar.glb", "heads/%2e%2e/avatar.glb", "heads/ok/..%2fother%2favatar.glb",
            "heads/ok%2f..%2fother/avatar.glb", "heads/./avatar.glb", "heads/ok/exports/gltf.zip",
            "heads/ok/exports/..%2f..%2fx.zip", "heads/nobody/avatar.glb",
        ],
    )  # fmt: skip
    def test_no_other(self, client: Any, path: str) -> None:
        assert client.get(path).status_code == 404

    def test_exports(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        made = []

        async def fake(folder: Path, preset: str, out: Path) -> None:
            made.append(preset)
            (out / "textures").mkdir(parents=True)
            (out / "textures" / "normal.png").write_bytes(b"n")

        monkeypatch.setattr(exports, "_export", fake)
        for _ in range(2):
            answer = client.post("heads/ok/exports/web")
            assert answer.json() == {"file": "heads/ok/exports/web.zip"}
        assert made == ["web"]  # the second is the first's
        got = client.get("heads/ok/exports/web.zip")
        assert got.content[:2] == b"PK" and b"ok_web/textures/normal.png" in got.content
        assert client.post("heads/ok/exports/x").status_code == 400
        assert client.post("heads/nobody/exports/web").status_code == 404

    def test_delete(self, tmp_path: Path) -> None:
        with running(tmp_path) as (studio, client):
            send(client, "ok.png")
            wait_for(studio, lambda jobs: jobs[0]["status"] == "done")
            for name in ("_studio", "..", "nobody", ".", "%2e%2e"):
                assert client.post(f"heads/{name}/delete").status_code == 404
            export = studio.shelf.export("ok", "web")
            export.parent.mkdir()
            export.write_bytes(b"PK")
            refused = client.post("heads/ok/delete")
            assert refused.status_code == 400 and "secret.txt" in refused.json()["error"]
            assert (tmp_path / "ok" / "avatar.glb").is_file() and export.is_file()
            (tmp_path / "ok" / "secret.txt").unlink()
            assert client.post("heads/ok/delete").status_code == 200
            left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
            assert left == [] and studio.shelf.heads() == []

    def test_presets_are_those_of_the_export(self) -> None:
        from fitme.export.presets import PRESETS

        assert set(exports.PRESETS) == set(PRESETS)
