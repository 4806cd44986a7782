"""HEIC and AVIF: colours by profile and code points, turned once, a cure where a reader lacks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from fitme.errors import PhotoError
from fitme.image import opening
from fitme.image.boxes import Nclx, read_nclx
from fitme.image.code_points import curve, to_srgb_primaries
from fitme.image.color import srgb_to_linear
from fitme.image.photo import load_photo

FLAT = (200, 110, 90)
HEIC = [".heic"] if opening._with_heif() else []
FORMS = HEIC + ([".avif"] if features.check("avif") else [])
# Display P3 of these codes as linear sRGB, by the published matrices (Apple's P3 to XYZ D65).
P3_TO_SRGB = np.array(
    [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]]
)  # fmt: skip


def linear(code) -> np.ndarray:
    import torch

    return srgb_to_linear(torch.tensor(code, dtype=torch.float64) / 255).numpy()


def picture(size=(96, 64), corner=True) -> Image.Image:
    """One colour, the top left quarter white."""
    image = Image.new("RGB", size, FLAT)
    if corner:
        image.paste((250, 250, 250), (0, 0, size[0] // 2, size[1] // 2))
    return image


def stated(path: Path, primaries: int, transfer: int) -> Path:
    """The file with other code points in its colr boxes."""
    data = bytearray(path.read_bytes())
    at = data.find(b"colrnclx")
    assert at > 0
    while at > 0:
        data[at + 8 : at + 12] = primaries.to_bytes(2, "big") + transfer.to_bytes(2, "big")
        at = data.find(b"colrnclx", at + 1)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", FORMS)
class TestFiles:
    def test_plain(self, tmp_path: Path, suffix: str) -> None:
        picture().save(tmp_path / f"a{suffix}", quality=95)
        photo = load_photo(tmp_path / f"a{suffix}")
        assert (photo.width, photo.height) == (96, 64) and not photo.notes
        np.testing.assert_allclose(photo.pixels[50, 80].numpy(), linear(FLAT), atol=0.02)
        assert photo.pixels[10, 10].min() > 0.9

    def test_display_p3_by_numbers(self, tmp_path: Path, suffix: str) -> None:
        picture(corner=False).save(tmp_path / f"a{suffix}", quality=95)
        path = stated(tmp_path / f"a{suffix}", 12, 13)
        assert read_nclx(path) == Nclx(12, 13)
        photo = load_photo(path)
        assert any("Display P3" in note for note in photo.notes)
        wanted = P3_TO_SRGB @ linear(FLAT)
        np.testing.assert_allclose(photo.pixels[30, 40].numpy(), wanted, atol=0.02)

    def test_profile_says_more_than_numbers(self, tmp_path: Path, suffix: str) -> None:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        picture().save(tmp_path / f"a{suffix}", quality=95, icc_profile=profile)
        photo = load_photo(tmp_path / f"a{suffix}")
        assert not photo.notes
        np.testing.assert_allclose(photo.pixels[50, 80].numpy(), linear(FLAT), atol=0.02)

    @pytest.mark.parametrize("orientation", [3, 6, 8])
    def test_turned_once(self, tmp_path: Path, suffix: str, orientation: int) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        stream = io.BytesIO()
        picture().save(stream, "JPEG", quality=95, exif=exif)
        (tmp_path / "a.jpg").write_bytes(stream.getvalue())
        picture().save(tmp_path / f"a{suffix}", quality=95, exif=exif.tobytes())
        wanted = load_photo(tmp_path / "a.jpg").pixels
        got = load_photo(tmp_path / f"a{suffix}").pixels
        assert got.shape == wanted.shape
        assert (got - wanted).abs().mean() < 0.02


class TestNumbers:
    def test_curves_reach_paper_white(self) -> None:
        """PQ at 58 %, HLG at 75 % of the signal are white paper (BT.2408, table 1)."""
        pq, hlg = curve(Nclx(9, 16)), curve(Nclx(9, 18))
        assert pq is not None and hlg is not None
        assert pq[round(0.581 * 255)] == pytest.approx(1, abs=0.03)
        assert hlg[round(0.75 * 255)] == pytest.approx(1, abs=0.03)
        assert pq[0] == hlg[0] == 0 and pq.max() == 1

    def test_white_stays_white(self) -> None:
        white = np.ones((1, 1, 3), np.float32)
        for primaries in (1, 5, 6, 9, 12):
            np.testing.assert_allclose(to_srgb_primaries(white, Nclx(primaries, 13)), 1, atol=1e-4)

    @pytest.mark.parametrize(
        "data", [b"", b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif" + b"\xff" * 90]
    )
    def test_broken_boxes_say_nothing(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "a.heic").write_bytes(data)
        assert read_nclx(tmp_path / "a.heic") is None


class TestNoReader:
    def test_cure_in_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(opening, "_with_heif", lambda: False)
        monkeypatch.setattr(opening, "_readable_formats", lambda: ["JPEG", "PNG"])
        (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
        with pytest.raises(PhotoError, match=r'pip install "fitme\[heif\]"') as caught:
            load_photo(tmp_path / "a.heic")
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not HEIC, reason='no HEIC reader (pip install "fitme[heif]")')
class TestPictureAmongOthers:
    def test_primary_one_is_taken(self, tmp_path: Path) -> None:
        """Bursts and live photos hold several pictures, the one to show marked."""
        import pillow_heif

        made = pillow_heif.HeifFile()
        made.add_from_pillow(Image.new("RGB", (64, 64), (0, 0, 255)))
        made.add_from_pillow(picture())
        made.save(tmp_path / "a.heic", quality=95, primary_index=1)
        assert load_photo(tmp_path / "a.heic").width == 96
