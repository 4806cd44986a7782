from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from fitme.cli.main import app
from tests.head.formats.model_files import (
    Evil,
    write_bfm2017,
    write_flame,
)


def landmark_entries() -> list:
    entries: list = [4] * 478
    entries[1] = [3, 0.2, 0.3, 0.5]
    entries[2] = None
    return entries


class TestCommandLine:
    def run(self, *arguments: object):
        return CliRunner().invoke(app, ["head", *map(str, arguments)])

    def test_convert_then_info(self, tmp_path: Path) -> None:
        out, points = tmp_path / "head.safetensors", tmp_path / "points.json"
        points.write_text(json.dumps(landmark_entries()))
        result = self.run("convert", write_flame(tmp_path), out, "--kind", "flame",
                          "--landmarks", points)  # fmt: skip
        assert result.exit_code == 0, result.output
        assert f"wrote {out}" in result.output
        result = self.run("info", out)
        assert result.exit_code == 0
        for line in ("triangles: 28 (head 12, eye_L 8, eye_R 8)", "identity: 10 modes",
                     "expressions: 13, of them 3 of ARKit's 52",
                     "landmarks: 477 used of 478", "source: FLAME"):  # fmt: skip
            assert line in result.output

    def test_info_of_an_unconverted_model(self, tmp_path: Path) -> None:
        result = self.run("info", write_bfm2017(tmp_path))
        assert result.exit_code == 0 and "unit of file: millimetres" in result.output

    def test_errors_are_one_line(self, tmp_path: Path) -> None:
        path = write_flame(tmp_path, extra=Evil(tmp_path))
        for arguments in (("convert", path, tmp_path / "o.safetensors"), ("info", path),
                          ("info", tmp_path / "none.safetensors")):  # fmt: skip
            result = self.run(*arguments)
            assert result.exit_code == 2
            assert result.stderr.startswith("fitme: error: ") and result.stderr.count("\n") == 1
        assert not (tmp_path / "owned").exists()
