"""Alignment against scikit-image's similarity, the package's cut of a face, and its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitme.learned.faces import ARCFACE, DLIB, FACENET, aligned_faces, crop_to_image, five_points

FIVE = torch.tensor(
    [[[120.0, 140.0], [190.0, 128.0], [160.0, 170.0], [135.0, 210.0], [195.0, 200.0]]]
)


class TestMap:
    def test_is_umeyama_s(self) -> None:
        transform = pytest.importorskip("skimage.transform")
        fitted = transform.SimilarityTransform.from_estimate(
            FIVE[0].double().numpy(), np.array(ARCFACE.points)
        )
        expected = np.linalg.inv(fitted.params)[:2]
        np.testing.assert_allclose(crop_to_image(FIVE, ARCFACE)[0].numpy(), expected, atol=1e-3)

    @pytest.mark.parametrize("alignment", [ARCFACE, FACENET, DLIB])
    def test_template_is_found_again(self, alignment) -> None:
        """Points that are a turned, scaled, moved template map onto it exactly."""
        template = torch.tensor(alignment.points) * torch.tensor([1, 1 / alignment.squash])
        angle = torch.tensor(0.4)
        turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
        five = (2.5 * template @ turn.T + torch.tensor([30.0, 70.0]))[None]
        affine = crop_to_image(five, alignment)
        mapped = torch.tensor(alignment.points) @ affine[0, :, :2].T + affine[0, :, 2]
        torch.testing.assert_close(mapped, five[0], atol=1e-3, rtol=1e-5)

    def test_five_of_478(self) -> None:
        points = torch.rand(2, 478, 2)
        five = five_points(points)
        assert five.shape == (2, 5, 2)
        torch.testing.assert_close(five[:, 0], points[:, 468])
        torch.testing.assert_close(five[:, 2], points[:, [1, 4]].mean(1))
        assert five_points(five) is five
        corners = five_points(points, DLIB.indices)
        torch.testing.assert_close(corners, points[:, [263, 362, 33, 133, 2]])
        with pytest.raises(ValueError, match="478"):
            five_points(torch.rand(2, 68, 2))


class TestCrop:
    def test_points_land_on_the_template(self) -> None:
        """A white dot at each point appears at its place in the crop."""
        for size, shift in ((1, 0.0), (4, 0.5)):  # as it is, and where it is averaged down
            at = FIVE * size
            image = torch.zeros(1, 300 * size, 300 * size, 3)
            y, x = torch.meshgrid(
                torch.arange(300.0 * size) + 0.5, torch.arange(300.0 * size) + 0.5, indexing="ij"
            )
            for point in at[0]:
                image[0] += torch.exp(
                    -((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * (3.0 * size) ** 2)
                )[..., None]
            crop = aligned_faces(image, at, ARCFACE)[0, 0]
            template = torch.tensor(ARCFACE.points)
            affine = crop_to_image(at, ARCFACE)[0]
            inverse = torch.linalg.inv(affine[:, :2])
            for point, wanted in zip(at[0], template, strict=True):
                place = inverse @ (point - affine[:, 2])
                column, row = int(place[0]), int(place[1])
                window = crop[row - 4 : row + 5, column - 4 : column + 5]
                top = int(window.argmax())
                peak = torch.tensor([column - 4 + top % 9 + 0.5, row - 4 + top // 9 + 0.5])
                assert float((peak - place).norm()) < 1.0 + shift
                assert float((place - wanted).norm()) < 8  # five points fit only roughly

    def test_is_insightface_s(self) -> None:
        face_align = pytest.importorskip("insightface.utils.face_align")
        draw = torch.Generator().manual_seed(1)
        rough = torch.rand(1, 3, 30, 30, generator=draw)
        image = torch.nn.functional.interpolate(rough, (300, 300), mode="bicubic").clamp(0, 1)
        pixels = (image[0].movedim(0, -1) * 255).round()
        five = FIVE[0].numpy() - 0.5  # pixel centres at whole numbers
        theirs = face_align.norm_crop(pixels.byte().numpy(), five)
        mine = aligned_faces(pixels[None], FIVE, ARCFACE)[0].movedim(0, -1)
        assert float(np.abs(mine.numpy() - theirs).mean()) < 1.0  # of 255; theirs is rounded

    def test_gradient(self) -> None:
        image = torch.rand(1, 16, 16, 3, dtype=torch.double, requires_grad=True)
        five = FIVE.double() / 20
        small = type(ARCFACE)(6, tuple((x / 19, y / 19) for x, y in ARCFACE.points), 0.8, "zeros")
        assert torch.autograd.gradcheck(lambda i: aligned_faces(i, five, small), image)

    def test_shapes(self) -> None:
        with pytest.raises(ValueError, match=r"\[1, H, W, 3\]"):
            aligned_faces(torch.rand(2, 40, 40, 3), FIVE, ARCFACE)
