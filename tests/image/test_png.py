from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fitme.image.png import decode_png, encode_png


def noise(shape, dtype):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def ramp(height, width, channels):
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * (c + 1) * 300 + y * 70) % 65536 for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint16)


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_exact(self, dtype, channels):
        if channels == 2 and dtype == np.uint16:
            pytest.skip("no such form")
        pixels = noise((7, 5, channels), dtype)
        decoded = decode_png(encode_png(pixels))
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded, pixels)

    def test_grey_without_channel_axis(self):
        pixels = noise((4, 6), np.uint16)
        np.testing.assert_array_equal(decode_png(encode_png(pixels))[..., 0], pixels)

    def test_same_bytes_for_the_same_pixels(self):
        pixels = ramp(40, 30, 3)
        assert (
            encode_png(pixels) == encode_png(pixels.copy()) == encode_png(pixels[:, ::-1][:, ::-1])
        )

    def test_no_chunk_says_what_the_colours_are(self):
        data = encode_png(ramp(40, 30, 3))
        for name in (b"gAMA", b"sRGB", b"iCCP", b"cHRM", b"eXIf"):
            assert name not in data

    def test_filters_shrink_smooth_pictures(self):
        pixels = ramp(64, 64, 3)
        np.testing.assert_array_equal(decode_png(encode_png(pixels)), pixels)
        assert len(encode_png(pixels)) < pixels.nbytes / 9


class TestOtherPrograms:
    def test_pillow_reads_our_16_bits(self):
        pixels = noise((9, 4, 3), np.uint16)
        with Image.open(io.BytesIO(encode_png(pixels))) as image:
            assert image.size == (4, 9)
            high = np.array(image.convert("RGB")).astype(int)
        assert np.abs(high - pixels / 257.0).max() <= 1.0

    def test_opencv_agrees_both_ways(self):
        cv2 = pytest.importorskip("cv2")
        pixels = noise((9, 4, 3), np.uint16)
        read = cv2.imdecode(np.frombuffer(encode_png(pixels), np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read[..., ::-1], pixels)
        for strategy in range(5):
            for picture in (pixels, ramp(16, 16, 3)):
                options = [cv2.IMWRITE_PNG_STRATEGY, strategy, cv2.IMWRITE_PNG_COMPRESSION, 9]
                _, data = cv2.imencode(".png", picture[..., ::-1], options)
                np.testing.assert_array_equal(decode_png(data.tobytes()), picture)

    @pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
    def test_every_filter_of_the_specification(self, kind):
        pixels = ramp(6, 5, 3)
        raw = pixels.astype(">u2").view(np.uint8).reshape(6, -1).astype(int)
        rows = b""
        for y in range(6):
            row = []
            for i in range(30):
                left = raw[y, i - 6] if i >= 6 else 0
                up = raw[y - 1, i] if y else 0
                corner = raw[y - 1, i - 6] if y and i >= 6 else 0
                paeth = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
                predicted = [0, left, up, (left + up) // 2, paeth][kind]
                row.append((raw[y, i] - predicted) % 256)
            rows += bytes([kind, *row])
        plain = encode_png(pixels)
        at = plain.index(b"IDAT") - 4
        packed = zlib.compress(rows)
        body = b"IDAT" + packed
        data = plain[:at] + struct.pack(">I", len(packed)) + body + struct.pack(
            ">I", zlib.crc32(body)
        ) + plain[-12:]  # fmt: skip
        np.testing.assert_array_equal(decode_png(data), pixels)

    def test_grey_with_alpha_of_16_bits_is_read(self):
        pixels = noise((3, 5, 2), np.uint16)
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

        def chunk(kind, body):
            body = kind + body
            return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

        header = struct.pack(">IIBBBBB", 5, 3, 16, 4, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + b"".join(
            [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
        )
        np.testing.assert_array_equal(decode_png(data), pixels)

    def test_palette(self):
        stream = io.BytesIO()
        Image.new("RGB", (3, 2), (10, 20, 30)).quantize(4).save(stream, "PNG")
        assert decode_png(stream.getvalue()).tolist() == [[[10, 20, 30]] * 3] * 2


class TestExceptions:
    @pytest.mark.parametrize("shape", [(3,), (2, 2, 5), (0, 4, 3), (1, 2, 2, 3)])
    def test_shapes(self, shape):
        with pytest.raises(ValueError, match="pixels must be"):
            encode_png(np.zeros(shape, np.uint8))

    def test_grey_with_alpha_of_16_bits(self):
        with pytest.raises(ValueError, match="1, 3 or 4 channels"):
            encode_png(np.zeros((4, 4, 2), np.uint16))

    def test_type(self):
        with pytest.raises(ValueError, match="uint8 or uint16, got float64"):
            encode_png(np.zeros((2, 2)))

    def test_no_png(self):
        with pytest.raises(ValueError, match="not a PNG"):
            decode_png(b"hello")

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("keep", [0.5, 0.9])
    def test_cut_off(self, dtype, keep):
        data = encode_png(noise((64, 64, 3), dtype))
        with pytest.raises(ValueError, match="damaged"):
            decode_png(data[: int(len(data) * keep)])

    @pytest.mark.parametrize("depth", [8, 16])
    def test_bomb(self, depth):
        header = struct.pack(">IIBBBBB", 2**30, 2**30, depth, 2, 0, 0, 0)
        chunk = b"IHDR" + header
        data = (
            b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
            + struct.pack(">I", zlib.crc32(chunk))
        )  # fmt: skip
        with pytest.raises(ValueError, match="pixels"):
            decode_png(data)
