from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.head.formats import convert_head, detect_kind, read_head_file
from fitme.head.model import load_head
from fitme.runtime.errors import InputError, OutputError
from tests.head.formats.model_files import (
    COUNT,
    WRITERS,
    check,
    write_bfm2017,
    write_front,
)


@pytest.mark.parametrize("name", WRITERS)
class TestEveryFormat:
    def test_reads_and_converts(self, name: str, tmp_path: Path) -> None:
        path, out = WRITERS[name](tmp_path), tmp_path / "head.safetensors"
        model = convert_head(path, out)
        check(model)
        loaded = load_head(out)
        torch.testing.assert_close(loaded.mean, model.mean)
        torch.testing.assert_close(loaded.expression, model.expression, rtol=1e-3, atol=1e-6)
        assert loaded.expression_names == model.expression_names
        assert loaded.metadata == model.metadata

    def test_cut_off_anywhere(self, name: str, tmp_path: Path) -> None:
        path, out = WRITERS[name](tmp_path), tmp_path / "head.safetensors"
        kind = detect_kind(path)
        victim = path / "identity003.obj" if path.is_dir() else path
        whole = victim.read_bytes()
        # Of an OBJ with a shape only the vertices are read, which end at a third of this one.
        for share in (0.0, 0.001, 0.1, 0.25) if path.is_dir() else (0.0, 0.001, 0.1, 0.5, 0.9):
            victim.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(InputError) as caught:
                convert_head(path, out, kind)
            assert victim.name in str(caught.value) and "\n" not in str(caught.value)
            assert not out.exists()

    def test_noise_is_refused(self, name: str, tmp_path: Path) -> None:
        path = WRITERS[name](tmp_path)
        kind = detect_kind(path)
        victim = path / "generic_neutral_mesh.obj" if path.is_dir() else path
        whole = bytearray(victim.read_bytes())
        for seed in range(10):
            draw = np.random.default_rng(seed)
            noisy = bytearray(whole)
            for place in draw.integers(0, len(whole), 40):
                noisy[place] = draw.integers(0, 256)
            victim.write_bytes(noisy)
            try:  # damage in the middle of numbers may go unseen, but never crash
                model = read_head_file(path, kind)
            except InputError as error:
                assert "\n" not in str(error)
            else:
                assert torch.isfinite(model.mean).all()

    def test_missing(self, name: str, tmp_path: Path) -> None:
        path = WRITERS[name](tmp_path)
        kind = detect_kind(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(InputError, match="does not exist"):
            read_head_file(path, kind)

    def test_another_format_is_refused(self, name: str, tmp_path: Path) -> None:
        path = WRITERS[name](tmp_path)
        for kind in {"flame", "bfm2009", "bfm2017", "ict"} - {detect_kind(path)}:
            with pytest.raises(InputError):
                read_head_file(path, kind)  # type: ignore[arg-type]


class TestConvert:
    def test_output_must_be_safetensors(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="safetensors"):
            convert_head(write_front(tmp_path), tmp_path / "head.npz")

    def test_existing_output_is_kept(self, tmp_path: Path) -> None:
        out = tmp_path / "head.safetensors"
        out.write_text("mine")
        with pytest.raises(OutputError, match="--overwrite"):
            convert_head(write_front(tmp_path), out)
        assert out.read_text() == "mine"
        convert_head(write_front(tmp_path), out, overwrite=True)
        assert len(load_head(out).mean) == COUNT

    def test_output_folder_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="folder does not exist"):
            convert_head(write_front(tmp_path), tmp_path / "no" / "head.safetensors")

    def test_unknown_file(self, tmp_path: Path) -> None:
        (tmp_path / "head.obj").write_text("v 0 0 0\n")
        with pytest.raises(InputError, match="--kind"):
            read_head_file(tmp_path / "head.obj")

    def test_missing_package(self, tmp_path: Path, monkeypatch) -> None:
        path = write_bfm2017(tmp_path)
        for name in [n for n in sys.modules if n == "h5py" or n.startswith("h5py.")]:
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(InputError, match=r"pip install 'fitme\[heads\]'"):
            read_head_file(path)
