from __future__ import annotations

import numpy as np
import pytest

from fitme.export.mesh import specular_to_khr
from fitme.export.textures import (
    decode_albedo,
    decode_metallic_roughness,
    decode_normals,
    decode_specular,
    encode_albedo,
    encode_metallic_roughness,
    encode_normals,
    encode_specular,
)
from fitme.image.png import decode_png

RANDOM = np.random.default_rng(0)


def to_srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


class TestAlbedo:
    @pytest.mark.parametrize("bits", [8, 16])
    def test_round_trip(self, bits):
        albedo = RANDOM.random((16, 12, 3), dtype=np.float32)
        decoded = decode_albedo(encode_albedo(albedo, bits))
        step = 1.0 / (2**bits - 1)
        assert np.abs(to_srgb(decoded) - to_srgb(albedo)).max() <= 0.5 * step + 1e-6

    def test_file_is_srgb(self):
        grey = np.full((1, 1, 3), 0.5, np.float32)
        assert decode_png(encode_albedo(grey)).tolist() == [[[188, 188, 188]]]
        assert decode_png(encode_albedo(grey, 16)).tolist() == [[[48192] * 3]]

    def test_clips_and_clears(self):
        odd = np.array([[[-1.0, 2.0, np.nan]]])
        assert decode_png(encode_albedo(odd)).tolist() == [[[0, 255, 0]]]

    def test_shape_and_bits(self):
        with pytest.raises(ValueError, match=r"albedo must be \(H, W, 3\), got \(4, 4\)"):
            encode_albedo(np.zeros((4, 4)))
        with pytest.raises(ValueError, match="8 or 16, got 12"):
            encode_albedo(np.zeros((4, 4, 3)), 12)


class TestSpecular:
    @pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 3)])
    def test_round_trip(self, shape):
        f0 = RANDOM.uniform(0.01, 0.06, shape).astype(np.float32)
        decoded = decode_specular(encode_specular(f0, 16))
        wanted = np.broadcast_to(f0.reshape(5, 4, -1), (5, 4, 3))
        np.testing.assert_allclose(decoded, wanted, atol=1e-5)

    def test_skin_has_enough_steps_in_8_bits(self):
        assert decode_png(encode_specular(np.full((1, 1), 0.028)))[0, 0, 0] == 47

    @pytest.mark.parametrize("peak", [0.01, 0.028, 0.04, 0.2, 1.0])
    def test_khr_gives_f0_back(self, peak):
        f0 = (RANDOM.random((6, 5)) * peak).astype(np.float32)
        f0[0, 0] = peak
        factor, texture = specular_to_khr(f0)
        assert texture.shape == (6, 5, 3) and texture.max() == pytest.approx(1.0)
        restored = 0.04 * np.asarray(factor) * texture
        np.testing.assert_allclose(restored, np.repeat(f0[..., None], 3, 2), rtol=1e-5)

    def test_khr_clips(self):
        factor, texture = specular_to_khr(np.array([[2.0, -1.0, np.nan]]))
        assert factor == pytest.approx((25.0, 25.0, 25.0))
        assert texture[0, :, 0].tolist() == [1.0, 0.0, 0.0]
        assert specular_to_khr(np.zeros((2, 2)))[0] == (0.0, 0.0, 0.0)
        with pytest.raises(ValueError, match="f0 must be"):
            specular_to_khr(np.zeros((2, 2, 2)))


class TestNormals:
    @pytest.mark.parametrize(("bits", "degrees"), [(8, 0.5), (16, 0.002)])
    def test_round_trip(self, bits, degrees):
        normals = RANDOM.normal(size=(16, 12, 3))
        normals[..., 2] = np.abs(normals[..., 2]) + 0.1
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        decoded = decode_normals(encode_normals(normals, bits)).astype(np.float64)
        np.testing.assert_allclose(np.linalg.norm(decoded, axis=-1), 1.0, atol=1e-6)
        error = np.degrees(2 * np.arcsin(np.linalg.norm(decoded - normals, axis=-1) / 2))
        assert error.max() < degrees

    def test_green_is_up(self):
        up = np.array([[[0.0, 1.0, 0.0]]])
        assert decode_png(encode_normals(up)).tolist() == [[[128, 255, 128]]]

    def test_zero_becomes_flat(self):
        assert decode_png(encode_normals(np.zeros((1, 1, 3)))).tolist() == [[[128, 128, 255]]]


class TestMetallicRoughness:
    @pytest.mark.parametrize("bits", [8, 16])
    def test_round_trip(self, bits):
        roughness = RANDOM.random((4, 3), dtype=np.float32)
        got, metallic = decode_metallic_roughness(encode_metallic_roughness(roughness, bits=bits))
        np.testing.assert_allclose(got, roughness, atol=0.5 / (2**bits - 1) + 1e-6)
        assert not metallic.any()

    def test_channels(self):
        pixels = decode_png(encode_metallic_roughness(np.full((1, 1), 0.2), 1.0))
        assert pixels.tolist() == [[[255, 51, 255]]]

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"roughness must be \(H, W\), got \(2, 2, 1\)"):
            encode_metallic_roughness(np.zeros((2, 2, 1)))
        with pytest.raises(ValueError, match=r"metallic must be \(2, 2\), got \(3, 2\)"):
            encode_metallic_roughness(np.zeros((2, 2)), np.zeros((3, 2)))
