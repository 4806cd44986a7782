from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from fitme.head.formats import convert_head, read_head_file
from fitme.runtime.errors import InputError
from tests.head.formats.model_files import (
    Evil,
    check,
    install_chumpy,
    write_flame,
)


def as_program(*opcodes: bytes) -> bytes:
    return b"\x80\x02" + b"".join(opcodes) + b"."


EVIL_PROGRAMS = {
    "global": as_program(b"cos\nsystem\n", b"X\x04\0\0\0true", b"\x85R"),
    "instance": b"(S'true'\nios\nsystem\n.",
    "object": as_program(b"(cos\nsystem\n", b"X\x04\0\0\0trueo"),
    "stack_global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "dotted": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__reduce__\x93.",
    "eval": as_program(b"c__builtin__\neval\n", b"X\x03\0\0\x001+1", b"\x85R"),
    "getattr": as_program(b"cbuiltins\ngetattr\n", b"."),
    "real_numpy": as_program(b"cnumpy\nload\n", b"X\x01\0\0\0x", b"\x85R"),
    "np_exec": as_program(b"cnumpy.testing._private.utils\nrunstring\n", b"."),
    "persistent": b"\x80\x02X\x01\0\0\0aQ.",
    "extension": b"\x80\x02\x82\x01.",
    "set_attributes": as_program(b"cnumpy\nndarray\n", b"}X\x08\0\0\0__init__K\x01sb"),
    "set_slots": as_program(b"ccopyreg\n_reconstructor\n", b"N}X\x08\0\0\0__code__K\x01s\x86b"),
    "call_dtype": as_program(b"cnumpy\ndtype\n", b"X\x01\0\0\0O", b"\x85R"),
    "reconstruct_str": as_program(b"ccopyreg\n_reconstructor\n", b"X\x01\0\0\0aNN\x87R"),
    "huge_memo": b"\x80\x02}r\xff\xff\xff\x7f.",
    "huge_bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00.",
    "huge_bytearray": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\x00\x00.",
    "huge_frame": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\x00\x00}.",
    "endless": b"\x80\x02" + b"(" * 100_000,
    "nothing": b"",
    "list": pickle.dumps([1, 2]),
}


class TestMaliciousPickle:
    def test_nothing_runs(self, tmp_path: Path) -> None:
        path = write_flame(tmp_path, extra=Evil(tmp_path))
        with pytest.raises(InputError, match=r"generic_model\.pkl: refused.*(posix|nt)\.system"):
            convert_head(path, tmp_path / "out.safetensors")
        assert not (tmp_path / "owned").exists() and not (tmp_path / "out.safetensors").exists()
        pickle.loads(path.read_bytes())  # the attack is real
        assert (tmp_path / "owned").exists()

    @pytest.mark.parametrize("name", EVIL_PROGRAMS)
    def test_programs(self, name: str, tmp_path: Path, monkeypatch) -> None:
        ran: list[object] = []
        monkeypatch.setattr(os, "system", ran.append)
        (tmp_path / "flame.pkl").write_bytes(EVIL_PROGRAMS[name])
        with pytest.raises(InputError, match=r"flame\.pkl"):
            read_head_file(tmp_path / "flame.pkl")
        assert not ran

    def test_inside_a_chumpy_object(self, tmp_path: Path, monkeypatch) -> None:
        chumpy = install_chumpy(monkeypatch)
        path = write_flame(tmp_path, v_template=chumpy.ch.Ch(x=Evil(tmp_path)))
        with pytest.raises(InputError, match="refused"):
            read_head_file(path)
        assert not (tmp_path / "owned").exists()

    def test_array_that_contains_itself(self, tmp_path: Path, monkeypatch) -> None:
        chumpy = install_chumpy(monkeypatch)
        loop = chumpy.ch.Ch()
        loop.x = loop
        with pytest.raises(InputError, match="v_template"):
            read_head_file(write_flame(tmp_path, v_template=loop))

    def test_refused_name_is_printable(self, tmp_path: Path) -> None:
        (tmp_path / "flame.pkl").write_bytes(as_program(b"c\x1b[31mred\nx\n", b"."))
        with pytest.raises(InputError) as caught:
            read_head_file(tmp_path / "flame.pkl")
        assert str(caught.value).isprintable()

    def test_stubs_do_not_remember(self, tmp_path: Path) -> None:
        """A file that meddles with a stub's class leaves the next file readable."""
        for name in ("set_attributes", "set_slots"):
            (tmp_path / "flame.pkl").write_bytes(EVIL_PROGRAMS[name])
            with pytest.raises(InputError):
                read_head_file(tmp_path / "flame.pkl")
        check(read_head_file(write_flame(tmp_path)))
