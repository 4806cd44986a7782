"""Bad photos, made by code. Each function writes one file into a folder and returns its path.

`BAD_PHOTOS` maps a name to (function, words the error must contain). Shared by the tests of
the library and of the command line.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ASTRONAUT = Path(__file__).resolve().parent.parent / "examples" / "astronaut.png"


def missing(folder: Path) -> Path:
    return folder / "missing.jpg"


def directory(folder: Path) -> Path:
    (folder / "album.jpg").mkdir()
    return folder / "album.jpg"


def empty(folder: Path) -> Path:
    (folder / "empty.jpg").touch()
    return folder / "empty.jpg"


def text(folder: Path) -> Path:
    (folder / "text.jpg").write_text("this is not a photo\n" * 100)
    return folder / "text.jpg"


def truncated_jpeg(folder: Path) -> Path:
    path = folder / "truncated.jpg"
    Image.open(ASTRONAUT).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def truncated_png(folder: Path) -> Path:
    path = folder / "truncated.png"
    path.write_bytes(ASTRONAUT.read_bytes()[:100_000])
    return path


def header_only_jpeg(folder: Path) -> Path:
    path = folder / "header.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01")
    return path


def one_pixel(folder: Path) -> Path:
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    return folder / "one.png"


def sliver(folder: Path) -> Path:
    Image.new("RGB", (2000, 10)).save(folder / "sliver.png")
    return folder / "sliver.png"


def _png_header(folder: Path, name: str, width: int, height: int) -> Path:
    """A valid 1-bit grey PNG of zeros with few bytes: rows are compressed as they are made."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path = folder / name
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


def huge(folder: Path) -> Path:
    return _png_header(folder, "huge.png", 20_000, 10_000)  # Pillow's own limit


def large(folder: Path) -> Path:
    return _png_header(folder, "large.png", 12_000, 10_000)  # between ours and Pillow's


def animation(folder: Path) -> Path:
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "green")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    return folder / "moving.gif"


def heic(folder: Path) -> Path:
    path = folder / "phone.heic"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(200))
    return path


def postscript(folder: Path) -> Path:
    path = folder / "program.eps"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n")
    return path


BAD_PHOTOS = {
    "missing": (missing, "does not exist"),
    "directory": (directory, "is a directory"),
    "empty": (empty, "is empty"),
    "text": (text, "not an image"),
    "truncated_jpeg": (truncated_jpeg, "cut off"),
    "truncated_png": (truncated_png, "cut off"),
    "header_only_jpeg": (header_only_jpeg, "damaged"),
    "one_pixel": (one_pixel, "1x1"),
    "sliver": (sliver, "2000x10"),
    "huge": (huge, "megapixels"),
    "large": (large, "(12000x10000); save it as JPEG, scale it down or crop it"),
    "animation": (animation, "animation"),
    "heic": (heic, "HEIC"),
    "postscript": (postscript, "not an image"),
}


def no_face(folder: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")
    return folder / "noise.png"


def tiny_face(folder: Path) -> Path:
    canvas = Image.new("RGB", (400, 300), "gray")
    canvas.paste(Image.open(ASTRONAUT).convert("RGB").resize((150, 150)), (100, 100))
    canvas.save(folder / "tiny.png")
    return folder / "tiny.png"
