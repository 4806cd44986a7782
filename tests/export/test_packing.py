"""What the channels of every engine's textures hold."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from fitme.export import packing
from fitme.image.png import decode_png
from fitme.render import Material

HALF_STEP = 0.5 / 255 + 1e-6


@pytest.fixture(scope="module")
def maps():
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(1, 8, 8, 3, generator=draw) * 0.2 + torch.tensor([0.0, 0.3, 1.0])
    material = Material(
        torch.rand(1, 8, 8, 3, generator=draw),
        0.02 + 0.03 * torch.rand(1, 8, 8, 1, generator=draw),
        torch.nn.functional.normalize(normal, dim=-1),
        torch.rand(1, 8, 8, 1, generator=draw),
    )
    return packing.map_set(material, torch.rand(1, 8, 8, 1, generator=draw), None)


def read(data):
    pixels = decode_png(data)
    return pixels / np.iinfo(pixels.dtype).max


def to_linear(codes):
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


class TestChannels:
    def test_occlusion_roughness_metallic(self, maps):
        got = read(packing.encode(packing.occlusion_roughness_metallic(maps), False))
        np.testing.assert_allclose(got[..., 0], maps.occlusion, atol=HALF_STEP)
        np.testing.assert_allclose(got[..., 1], maps.roughness, atol=HALF_STEP)
        assert not got[..., 2].any()

    def test_unity_mask_map(self, maps):
        got = read(packing.encode(packing.metallic_occlusion_detail_smoothness(maps), False))
        assert not got[..., [0, 2]].any()
        np.testing.assert_allclose(got[..., 1], maps.occlusion, atol=HALF_STEP)
        np.testing.assert_allclose(got[..., 3], 1 - maps.roughness, atol=HALF_STEP)

    def test_unity_specular_smoothness(self, maps):
        got = read(packing.encode(packing.specular_smoothness(maps), True))
        np.testing.assert_allclose(to_linear(got[..., :3]), maps.f0, atol=1e-3)
        np.testing.assert_allclose(got[..., 3], 1 - maps.roughness, atol=HALF_STEP)  # not encoded

    def test_unreal_specular(self, maps):
        got = read(packing.encode(packing.unreal_specular(maps), False))
        assert got.shape[2] == 1
        np.testing.assert_allclose(got[..., 0] * 0.08, maps.f0[..., 0], atol=0.08 * HALF_STEP)

    def test_only_green_differs_between_opengl_and_directx(self, maps):
        up, down = packing.normal_opengl(maps), packing.normal_directx(maps)
        np.testing.assert_allclose(up[..., [0, 2]], down[..., [0, 2]])
        np.testing.assert_allclose(up[..., 1], 1 - down[..., 1], atol=1e-6)
        assert up[..., 1].mean() > 0.55  # these normals lean to +Y, which is up in the image


class TestEncode:
    def test_16_bits(self, maps):
        data = packing.encode(maps.albedo, True, bits=16)
        assert decode_png(data).dtype == np.uint16
        np.testing.assert_allclose(to_linear(read(data)), maps.albedo, atol=5e-5)

    def test_webp_holds_data_exactly(self, maps):
        values = packing.occlusion_roughness_metallic(maps)
        data = packing.encode(values, False, "webp")
        assert data[:4] == b"RIFF" and data[8:12] == b"WEBP"
        with Image.open(io.BytesIO(data)) as image:
            got = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(got, np.rint(values * 255).astype(np.uint8))

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_exr_is_linear_half_float(self, maps, tmp_path, channels):
        exr = pytest.importorskip("OpenEXR", reason="OpenEXR is not installed")
        values = np.concatenate([maps.albedo, maps.roughness[..., None]], -1)[..., :channels]
        path = tmp_path / "a.exr"
        path.write_bytes(packing.encode(values, True, "exr"))
        name = {1: "Y", 3: "RGB", 4: "RGBA"}[channels]
        pixels = exr.File(str(path)).channels()[name].pixels
        assert pixels.dtype == np.float16
        np.testing.assert_allclose(pixels.reshape(values.shape), values, atol=5e-4)


class TestMapSet:
    def test_resized_normals_are_unit_and_light_is_averaged(self):
        albedo = torch.zeros(1, 4, 4, 3)
        albedo[:, ::2] = 1.0
        normal = torch.tensor([[0.6, 0.0, 0.8], [-0.6, 0.0, 0.8]])[torch.arange(4) % 2]
        material = Material(albedo, torch.full((1, 1, 1, 1), 0.03), normal.expand(1, 4, 4, 3), 0.4)
        maps = packing.map_set(material, None, 2)
        assert maps.albedo.shape == maps.f0.shape == (2, 2, 3)
        assert maps.roughness.shape == (2, 2) and maps.roughness[0, 0] == np.float32(0.4)
        assert maps.albedo.mean() == pytest.approx(0.5)
        np.testing.assert_allclose(np.linalg.norm(maps.normal, axis=-1), 1.0, atol=1e-6)
        assert (maps.occlusion == 1).all()
