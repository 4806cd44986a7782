"""Which colours fine detail may give: pigment darkens as it colours, and lips have one hue."""

from __future__ import annotations

import torch

from fitme.fit.stages.tints import LIP_HUE, RICHEST, even_lips, pigmented, skin_chroma
from fitme.reflectance.skin import HAEMOGLOBIN, MELANIN


def chroma(colour: torch.Tensor) -> torch.Tensor:
    log = colour.log()
    return log - log.mean(-1, keepdim=True)


class TestSkinChroma:
    def test_moles_keep_their_brown(self) -> None:
        for pigment in (MELANIN, HAEMOGLOBIN):
            detail = -0.6 * torch.tensor([pigment])
            whole = detail - detail.mean()
            assert float(skin_chroma(detail).norm() / whole.norm()) > 0.35

    def test_a_hue_that_does_not_darken_is_light(self) -> None:
        yellow, grey = torch.tensor([[0.1, 0.05, -0.15]]), torch.full((1, 3), 0.1)
        assert float(skin_chroma(yellow + grey).norm()) < 0.051
        assert float(skin_chroma(8 * yellow + grey).norm()) < 0.051

    def test_a_hue_that_no_pigment_has_is_light_however_dark(self) -> None:
        for hue in ([-0.1, 0.2, -0.1], [-0.1, -0.1, 0.2], [-0.2, 0.1, 0.1], [0.05, 0.25, -0.3]):
            green = torch.tensor([hue])
            assert float(pigmented(green)) == 0, hue
            assert float(skin_chroma(4 * green - 0.6).norm()) < 0.051, hue

    def test_mixtures_of_pigments_are_pigmented(self) -> None:
        for share in (0.0, 0.3, 0.7, 1.0):
            absorbed = share * torch.tensor(MELANIN) + (1 - share) * torch.tensor(HAEMOGLOBIN)
            hue = absorbed.mean() - absorbed
            assert float(pigmented(hue[None])) > 0.999, share
            assert float(pigmented(-hue[None])) == 0, share

    def test_weak_chroma_stays_in_part(self) -> None:
        weak = torch.tensor([[0.01, 0.0, -0.01]])
        torch.testing.assert_close(skin_chroma(weak), 0.5 * weak, atol=1e-4, rtol=0)


class TestEvenLips:
    def made(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Skin with lips in the middle, whose halves are magenta and purple."""
        lips = torch.zeros(12, 12)
        lips[4:8] = 1
        albedo = torch.tensor([0.5, 0.35, 0.25]).expand(12, 12, 3).clone()
        albedo[4:6] = torch.tensor([0.6, 0.12, 0.3])
        albedo[6:8] = torch.tensor([0.4, 0.2, 0.4])
        return albedo, lips

    def test_both_lips_get_one_hue_and_keep_their_lightness(self) -> None:
        albedo, lips = self.made()
        even = even_lips(albedo, lips, torch.ones_like(lips), 1 - lips)
        before = (chroma(albedo[4, 0]) - chroma(albedo[6, 0])).norm()
        after = (chroma(even[4, 0]) - chroma(even[6, 0])).norm()
        assert float(after) < 0.6 * float(before)
        torch.testing.assert_close(even.log().mean(-1), albedo.log().mean(-1))
        torch.testing.assert_close(even[:4], albedo[:4])

    def test_skin_inside_the_mask_stays_skin(self) -> None:
        albedo, lips = self.made()
        albedo[4:8] = torch.tensor([0.5, 0.2, 0.2])
        albedo[4] = albedo[0]
        even = even_lips(albedo, lips, torch.ones_like(lips), 1 - lips)
        torch.testing.assert_close(even, albedo, atol=5e-3, rtol=0)

    def test_no_spot_is_richer_than_the_rest(self) -> None:
        albedo, lips = self.made()
        albedo[4:8] = torch.tensor([0.5, 0.2, 0.2])
        albedo[5, 5] = torch.tensor([0.9, 0.1, 0.1])
        even = chroma(even_lips(albedo, lips, torch.ones_like(lips), 1 - lips))
        skin, usual = even[0, 0], even[5, 0]
        most = 1.1 * RICHEST * float((usual - skin).norm()) + LIP_HUE
        assert float((even[5, 5] - skin).norm()) < most

    def test_unseen_lips_stay(self) -> None:
        albedo, lips = self.made()
        assert even_lips(albedo, lips, torch.zeros_like(lips), 1 - lips) is albedo
