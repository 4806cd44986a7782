from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from fitme.image.color import linear_to_srgb, srgb_to_linear
from fitme.image.photo import BACKGROUND, Photo, load_photo
from fitme.runtime.errors import InputError, PhotoError
from tests.bad_files import BAD_PHOTOS


def gradient(height: int = 60, width: int = 80) -> np.ndarray:
    """[H, W, 3] uint8, smooth, every channel different."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack((x * 3, y * 4, 255 - x - y), -1).clip(0, 255).astype(np.uint8)


def srgb_profile(primaries: dict[bytes, tuple[float, float, float]] | None = None) -> bytes:
    """An ICC profile named "sRGB built-in", with other primaries (XYZ under D50) where given."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for index in range(int.from_bytes(profile[128:132], "big")):
        tag, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        if primaries and tag in primaries:
            codes = [round(value * 65536) for value in primaries[tag]]
            struct.pack_into(">3i", profile, offset + 8, *codes)
    return bytes(profile)


def plain_jpeg(path: Path, width: int, height: int, exif: Image.Exif | None = None) -> Path:
    """A mid-grey JPEG of any size without its pixels: all its blocks are the same six bits."""
    stream = io.BytesIO()
    Image.new("L", (8, 8), 128).save(stream, "JPEG", exif=exif or Image.Exif())
    data = bytearray(stream.getvalue())
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, height, width)
    scan = data.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    blocks = -(-width // 8) * -(-height // 8)
    bits = bytes.fromhex("28a28a") * (-(-blocks // 4))  # 00 1010: no change, end of block
    path.write_bytes(bytes(data[:start]) + bits + b"\xff\xd9")
    return path


def srgb(photo: Photo) -> np.ndarray:
    return (linear_to_srgb(photo.pixels) * 255).numpy()


def test_smoke(astronaut: Path) -> None:
    photo = load_photo(str(astronaut))
    assert photo.path == astronaut
    assert photo.pixels.shape == (512, 512, 3)
    assert photo.pixels.dtype == torch.float32
    assert (photo.width, photo.height) == (512, 512)
    assert photo.pixels.min() >= 0
    assert photo.pixels.max() <= 1
    assert photo.focal_px is None and not photo.was_gray
    np.testing.assert_allclose(srgb(photo), np.asarray(Image.open(astronaut)), atol=1e-3)


class TestException:
    @pytest.mark.parametrize("case", BAD_PHOTOS)
    def test_bad_file_is_one_line_with_the_name(self, case: str, tmp_path: Path) -> None:
        make, words = BAD_PHOTOS[case]
        path = make(tmp_path)
        with pytest.raises(InputError) as caught:
            load_photo(path)
        message = str(caught.value)
        assert message.startswith(str(path)) and words in message
        assert "\n" not in message
        assert "; " in message or ", " in message  # the cure

    def test_newline_in_the_name_stays_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(PhotoError) as caught:
            load_photo(tmp_path / "a\nb.jpg")
        assert "\n" not in str(caught.value)

    def test_limit_counts_before_decoding(self, astronaut: Path) -> None:
        with pytest.raises(PhotoError, match=r"more than 0.1 megapixels \(512x512\)"):
            load_photo(astronaut, max_pixels=100_000)

    @pytest.mark.parametrize("kept", [0.05, 0.3, 0.6, 0.9, 0.98])
    def test_jpeg_cut_anywhere_is_refused(self, kept: float, tmp_path: Path) -> None:
        path = tmp_path / "cut.jpg"
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, quality=95)
        path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
        with pytest.raises(PhotoError):
            load_photo(path)


class TestColourModes:
    def test_gray(self, tmp_path: Path) -> None:
        values = gradient()[..., 0]
        Image.fromarray(values).save(tmp_path / "a.png")
        photo = load_photo(tmp_path / "a.png")
        assert photo.was_gray
        np.testing.assert_allclose(srgb(photo), values[..., None].repeat(3, -1), atol=1e-3)

    def test_gray_stored_as_rgb_jpeg(self, tmp_path: Path) -> None:
        Image.fromarray(gradient()[..., :1].repeat(3, -1)).save(tmp_path / "a.jpg")
        assert load_photo(tmp_path / "a.jpg").was_gray

    def test_gray_16_bit_keeps_its_depth(self, tmp_path: Path) -> None:
        values = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80) * 13
        Image.fromarray(values).save(tmp_path / "a.png")
        photo = load_photo(tmp_path / "a.png")
        expected = srgb_to_linear(torch.from_numpy(values.astype(np.float64) / 65535))
        torch.testing.assert_close(photo.pixels[..., 1].double(), expected, atol=1e-6, rtol=0)
        assert photo.was_gray and len(photo.pixels.unique()) == 4800

    def test_rgb_16_bit(self, tmp_path: Path) -> None:
        import imageio.v3 as imageio

        wide = gradient().astype(np.uint16) * 257
        try:
            imageio.imwrite(tmp_path / "a.tiff", wide)
        except Exception:
            pytest.skip("no writer for 16-bit RGB")
        try:
            photo = load_photo(tmp_path / "a.tiff")
        except PhotoError as error:  # Pillow reads only some layouts: then say so in one line
            assert "\n" not in str(error)
        else:
            np.testing.assert_allclose(srgb(photo), gradient(), atol=1)

    def test_cmyk(self, tmp_path: Path) -> None:
        Image.fromarray(gradient()).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
        photo = load_photo(tmp_path / "a.jpg")
        assert any("CMYK" in note for note in photo.notes)
        assert np.abs(srgb(photo) - gradient()).mean() < 4

    def test_palette_with_alpha_over_mid_gray(self, tmp_path: Path) -> None:
        image = Image.new("RGBA", (60, 60), (255, 0, 0, 255))
        image.paste((0, 0, 0, 0), (0, 0, 30, 60))
        image.convert("P").save(tmp_path / "p.png", transparency=0)
        image.save(tmp_path / "rgba.png")
        photo = load_photo(tmp_path / "rgba.png")
        assert srgb(photo)[30, 10] == pytest.approx([BACKGROUND * 255] * 3, abs=0.01)
        assert srgb(photo)[30, 50] == pytest.approx([255, 0, 0], abs=0.01)
        assert any("mid-grey" in note for note in photo.notes)
        assert load_photo(tmp_path / "p.png").pixels.shape == (60, 60, 3)

    def test_half_transparent_is_mixed_in_linear_light(self, tmp_path: Path) -> None:
        Image.new("LA", (50, 50), (255, 128)).save(tmp_path / "la.png")
        expected = 128 / 255 + (1 - 128 / 255) * float(srgb_to_linear(torch.tensor(BACKGROUND)))
        photo = load_photo(tmp_path / "la.png")
        assert photo.pixels[0, 0].tolist() == pytest.approx([expected] * 3, abs=1e-5)

    def test_bilevel_and_still_gif_are_read(self, tmp_path: Path) -> None:
        Image.fromarray(gradient()).convert("1").save(tmp_path / "a.png")
        Image.fromarray(gradient()).save(tmp_path / "a.gif")
        assert load_photo(tmp_path / "a.png").was_gray
        assert np.abs(srgb(load_photo(tmp_path / "a.gif")) - gradient()).mean() < 10

    def test_icc_profile_is_applied(self, tmp_path: Path) -> None:
        # A made-up profile: sRGB with its red and green colorants exchanged.
        profile = srgb_profile()
        for one, other in ((b"rXYZ", b"----"), (b"gXYZ", b"rXYZ"), (b"----", b"gXYZ")):
            profile = profile.replace(one, other, 1)
        text = profile.replace(
            "sRGB built-in".encode("utf-16-be"), "swap built-in".encode("utf-16-be")
        )
        image = Image.new("RGB", (50, 50), (200, 100, 50))
        image.save(tmp_path / "a.png", icc_profile=text)
        photo = load_photo(tmp_path / "a.png")
        assert srgb(photo)[0, 0] == pytest.approx([100, 200, 50], abs=2)
        assert any("profile" in note for note in photo.notes)

    def test_profile_named_srgb_with_other_primaries_is_applied(self, tmp_path: Path) -> None:
        # Display P3's, adapted to D50 as profiles have them; the curve is that of sRGB.
        primaries = {
            b"rXYZ": (0.51512, 0.24120, -0.00105),
            b"gXYZ": (0.29198, 0.69225, 0.04189),
            b"bXYZ": (0.15710, 0.06657, 0.78407),
        }
        image = Image.new("RGB", (50, 50), (224, 160, 130))
        image.save(tmp_path / "a.png", icc_profile=srgb_profile(primaries))
        photo = load_photo(tmp_path / "a.png")
        assert srgb(photo)[0, 0] == pytest.approx([235, 157, 124], abs=2)
        assert any("'sRGB built-in'" in note for note in photo.notes)

    def test_srgb_under_another_name_leaves_every_code(self, tmp_path: Path) -> None:
        name = "sRGB built-in".encode("utf-16-be")
        data = srgb_profile().replace(name, "camera no. 5 ".encode("utf-16-be"))
        assert data != srgb_profile()
        Image.fromarray(gradient()).save(tmp_path / "a.png", icc_profile=data)
        photo = load_photo(tmp_path / "a.png")
        np.testing.assert_allclose(srgb(photo), gradient(), atol=1e-3)
        assert photo.notes == ()

    def test_broken_icc_profile_is_ignored(self, tmp_path: Path) -> None:
        Image.fromarray(gradient()).save(tmp_path / "a.png", icc_profile=b"nonsense" * 20)
        photo = load_photo(tmp_path / "a.png")
        np.testing.assert_allclose(srgb(photo), gradient(), atol=1e-3)


def with_exif(tags: dict[int, object], ifd: dict[int, object]) -> Image.Exif:
    exif = Image.Exif()
    exif.update(tags)
    exif.get_ifd(0x8769).update(ifd)
    return exif


class TestExif:
    # How a camera stores an upright picture for each orientation value.
    STORE = {  # noqa: RUF012
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["png", "jpg", "tiff"])
    def test_orientation(self, orientation: int, kind: str, tmp_path: Path) -> None:
        upright = Image.fromarray(gradient())
        operation = self.STORE[orientation]
        stored = upright if operation is None else upright.transpose(operation)
        path = tmp_path / f"a.{kind}"
        stored.save(path, exif=with_exif({0x0112: orientation}, {}))
        photo = load_photo(path)
        assert photo.pixels.is_contiguous()
        np.testing.assert_allclose(srgb(photo), gradient(), atol=20 if kind == "jpg" else 1e-3)
        assert np.abs(srgb(photo) - gradient()).mean() < 2

    def test_nonsense_orientation_is_ignored(self, tmp_path: Path) -> None:
        Image.fromarray(gradient()).save(tmp_path / "a.png", exif=with_exif({0x0112: 99}, {}))
        assert load_photo(tmp_path / "a.png").pixels.shape == (60, 80, 3)

    def focal(self, tmp_path: Path, ifd: dict[int, object], orientation: int = 1):
        path = tmp_path / "f.jpg"
        image = Image.fromarray(gradient(600, 800))
        image.save(path, exif=with_exif({0x0112: orientation}, ifd))
        return load_photo(path).focal_px

    @pytest.mark.parametrize("orientation", [1, 6])
    def test_focal_from_35mm(self, orientation: int, tmp_path: Path) -> None:
        focal = self.focal(tmp_path, {0xA405: 50}, orientation)
        assert focal == pytest.approx(50 / 43.2666 * 1000, rel=1e-4)

    @pytest.mark.parametrize("orientation", [1, 6])
    def test_focal_from_sensor_resolution(self, orientation: int, tmp_path: Path) -> None:
        # 80 mm on a 36 mm sensor of 4000 px, saved at 800 px: 80 / 36 * 800.
        ifd = {0x920A: 80.0, 0xA20E: 4000 / 3.6, 0xA210: 3, 0xA002: 4000, 0xA003: 3000}
        assert self.focal(tmp_path, ifd, orientation) == pytest.approx(80 / 36 * 800, rel=1e-3)

    @pytest.mark.parametrize(
        "ifd",
        [{}, {0xA405: 0}, {0xA405: 50, 0xA002: 4000, 0xA003: 2000}, {0xA405: 60000}, {0x920A: 5.0}],
        ids=["none", "zero", "cropped", "absurd", "no resolution"],
    )
    def test_unknown_focal(self, ifd: dict[int, object], tmp_path: Path) -> None:
        assert self.focal(tmp_path, ifd) is None


class TestLargeJpeg:
    """More pixels than are decoded: half or a quarter of the size."""

    def test_108_megapixels(self, tmp_path: Path) -> None:
        exif = with_exif({0x0112: 6}, {0xA405: 24, 0xA002: 12000, 0xA003: 9000})
        photo = load_photo(plain_jpeg(tmp_path / "a.jpg", 12_000, 9_000, exif))
        assert (photo.width, photo.height) == (4_500, 6_000)  # stored sideways
        assert photo.scale == 0.5
        assert photo.focal_px == pytest.approx(24 / 43.2666 * 15_000 / 2, rel=1e-4)
        assert photo.notes[-1].endswith(
            "12000x9000 pixels are many: read at half its size, 6000x4500"
        )
        assert srgb(photo)[::600, ::600].min() == pytest.approx(128, abs=1)

    def test_beyond_the_limit_of_pillow_at_a_quarter(self, tmp_path: Path) -> None:
        path = plain_jpeg(tmp_path / "a.jpg", 16_320, 12_240)
        photo = load_photo(path, max_pixels=20_000_000)
        assert (photo.width, photo.height, photo.scale) == (4_080, 3_060, 0.25)
        assert "a quarter of its size" in photo.notes[-1]

    def test_what_is_seen_and_the_sensors_focal_length_follow(self, tmp_path: Path) -> None:
        ifd = {0x920A: 80.0, 0xA20E: 4000 / 3.6, 0xA210: 3, 0xA002: 4000, 0xA003: 3000}
        path = tmp_path / "a.jpg"
        Image.fromarray(gradient(600, 800)).save(path, exif=with_exif({}, ifd), quality=95)
        full, half = load_photo(path), load_photo(path, max_pixels=200_000)
        assert full.scale == 1 and full.notes == () and half.scale == 0.5
        assert half.focal_px == pytest.approx(full.focal_px / 2)
        np.testing.assert_allclose(srgb(half), srgb(full.resized(400, 300)), atol=6)

    def test_odd_sides(self, tmp_path: Path) -> None:
        photo = load_photo(plain_jpeg(tmp_path / "a.jpg", 401, 303), max_pixels=40_000)
        assert (photo.width, photo.height) == (201, 152)

    def test_refused_beyond_a_quarter(self, tmp_path: Path) -> None:
        path = plain_jpeg(tmp_path / "a.jpg", 8_000, 6_000)
        with pytest.raises(PhotoError, match=r"more than 2 megapixels \(8000x6000\); "):
            load_photo(path, max_pixels=2_000_000)

    def test_progressive_needs_memory_for_all_of_it(self, tmp_path: Path, monkeypatch) -> None:
        path = tmp_path / "a.jpg"
        Image.fromarray(gradient(600, 800)).save(path, progressive=True)
        assert load_photo(path, max_pixels=200_000).width == 400
        monkeypatch.setattr("fitme.image.opening.free_memory", lambda: 2e6)
        with pytest.raises(PhotoError, match=r"a\.jpg \(800x600, progressive\).*; scale it down"):
            load_photo(path, max_pixels=200_000)

    def test_cut_off(self, tmp_path: Path) -> None:
        path = plain_jpeg(tmp_path / "a.jpg", 8_000, 6_000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(PhotoError, match="cut off"):
            load_photo(path, max_pixels=20_000_000)


class TestCrop:
    def photo(self) -> Photo:
        y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
        return Photo(Path("a.png"), torch.stack((x + 0.5, y + 0.5, torch.ones_like(x)), -1), 100.0)

    def test_pixels_know_where_they_came_from(self) -> None:
        # The photo's colour is its own coordinate, so a crop must show to_photo.
        crop = self.photo().crop(10, 20, 40, 30, (20, 60))
        y, x = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(20) + 0.5, indexing="ij")
        here = torch.stack((x, y, torch.ones_like(x)), -1).double() @ crop.to_photo.T
        inner = slice(2, -2)
        torch.testing.assert_close(
            crop.pixels[inner, inner, :2].double(), here[inner, inner, :2], atol=1e-3, rtol=0
        )

    def test_outside_is_black(self) -> None:
        crop = self.photo().crop(-10, -5, 100, 70)
        assert crop.pixels.shape == (70, 100, 3)
        assert crop.pixels[:5].max() == 0 and crop.pixels[:, -10:].max() == 0
        torch.testing.assert_close(crop.pixels[5:65, 10:90], self.photo().pixels)
        assert self.photo().crop(500, 500, 4, 4).pixels.max() == 0

    def test_shrinking_keeps_light(self) -> None:
        checks = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(32, 32)[..., None].expand(-1, -1, 3)
        small = Photo(Path("a"), checks).resized(8, 8)
        torch.testing.assert_close(small.pixels, torch.full((8, 8, 3), 0.5), atol=0.02, rtol=0)

    def test_resized_scales_the_focal_length(self) -> None:
        assert self.photo().resized(40, 30).focal_px == 50.0

    def test_empty_crop_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="empty"):
            self.photo().crop(0, 0, 0, 5)


def test_is_deterministic(astronaut: Path) -> None:
    assert torch.equal(load_photo(astronaut).pixels, load_photo(astronaut).pixels)


def test_no_pillow_warning_reaches_the_user(tmp_path: Path, recwarn) -> None:
    buffer = io.BytesIO()
    Image.fromarray(gradient()).save(buffer, "JPEG", exif=b"Exif\0\0broken")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    assert load_photo(tmp_path / "a.jpg").width == 80
    assert not recwarn.list
