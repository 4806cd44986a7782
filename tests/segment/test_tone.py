"""The skin's tone, told from what a crop shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fitme.models.encoder.tone import ToneNetwork, load_tone, save_tone
from fitme.runtime.errors import ModelError
from fitme.segment.encoder import tone_of
from fitme.segment.labels import Label
from fitme.segment.tone import AREAS, OF_AREA, PIXELS, SIZE, Tone, tone_features


def picture(
    skin: tuple[float, float, float], eyes: float = 0.5
) -> tuple[torch.Tensor, torch.Tensor]:
    """A face of one colour with two eyes before a gray wall: linear [3,n,n], labels [C,n,n]."""
    labels = torch.zeros(len(Label), PIXELS, PIXELS)
    labels[Label.BACKGROUND] = 1
    linear = torch.full((3, PIXELS, PIXELS), 0.2)
    whole = slice(30, 100), slice(40, 90)
    for where, label, color in (
        (whole, Label.SKIN, torch.tensor(skin)),
        ((slice(50, 54), slice(50, 58)), Label.EYES, torch.full((3,), eyes)),
        ((slice(50, 54), slice(72, 80)), Label.EYES, torch.full((3,), eyes)),
    ):
        labels[(slice(None), *where)] = 0
        labels[label][where] = 1
        linear[(slice(None), *where)] = color[:, None, None]
    return linear, labels


class TestFeatures:
    def test_what_is_not_there_is_not_a_number(self) -> None:
        features = tone_features(*picture((0.4, 0.25, 0.18)))
        assert features.shape == (SIZE,)
        for index, (names, _) in enumerate(AREAS):
            row = features[index * OF_AREA : (index + 1) * OF_AREA]
            shown = {Label.SKIN, Label.EYES, Label.BACKGROUND} & set(names)
            assert bool(row[1:].isnan().all()) is not bool(shown)

    def test_hue_does_not_change_with_exposure(self) -> None:
        linear, labels = picture((0.4, 0.25, 0.18))
        plain, dark = (tone_features(linear * gain, labels) for gain in (1.0, 0.5))
        hue = slice(6, OF_AREA)
        assert torch.allclose(plain[hue], dark[hue], atol=1e-5)
        assert torch.allclose(plain[1:6] - dark[1:6], torch.full((5,), 2.0).log(), atol=1e-5)

    def test_beyond_the_photo_is_no_backdrop(self) -> None:
        linear, labels = picture((0.4, 0.25, 0.18))
        inside = torch.ones(PIXELS, PIXELS, dtype=torch.bool)
        inside[:, 110:] = False
        whole = tone_features(linear, labels, inside)
        linear[:, ~inside] = 0
        cut = tone_features(linear, labels, inside)
        assert torch.equal(whole.nan_to_num(-9), cut.nan_to_num(-9))
        assert not torch.equal(whole.nan_to_num(-9), tone_features(linear, labels).nan_to_num(-9))

    def test_a_face_without_skin(self) -> None:
        linear, labels = picture((0.4, 0.25, 0.18))
        labels[Label.SKIN] = 0
        assert tone_features(linear, labels).shape == (SIZE,)


class TestTone:
    def test_there_and_back(self) -> None:
        albedo = torch.tensor([[0.5, 0.31, 0.22], [0.16, 0.08, 0.05]])
        numbers = Tone.of(albedo)
        assert torch.allclose(Tone(numbers, numbers).albedo(), albedo, atol=1e-5)

    def test_the_surer_photo_counts_more(self) -> None:
        light, dark = (Tone.of(torch.tensor(c)) for c in ((0.5, 0.3, 0.2), (0.2, 0.1, 0.06)))
        both = Tone.joined([Tone(light, torch.full((3,), 0.1)), Tone(dark, torch.full((3,), 0.4))])
        assert (both.mean - light).abs().max() < (both.mean - dark).abs().max()
        assert (both.spread < 0.1).all()


class TestNetwork:
    def test_there_and_back(self, tmp_path: Path) -> None:
        network = ToneNetwork(SIZE, 8)
        network.scale.fill_(1.0)
        network.tone_scale.fill_(0.5)
        save_tone(network, tmp_path / "tone.safetensors")
        again = load_tone(tmp_path / "tone.safetensors")
        features = torch.randn(3, SIZE)
        features[0, :40] = torch.nan
        with torch.no_grad():
            before, after = network.eval()(features), again(features)
        assert before[0].isfinite().all()
        assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))

    @pytest.mark.parametrize("content", [b"", b"nothing that could be read"])
    def test_damaged_file(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "tone.safetensors"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"tone\.safetensors is no usable network"):
            load_tone(path)

    def test_tells_the_same_of_a_mirrored_crop(self) -> None:
        linear, labels = picture((0.4, 0.25, 0.18))
        linear[:, :, :64] *= 0.6
        crop = linear.clamp_min(0) ** (1 / 2.2)
        network = load_tone()
        one = tone_of(network, crop, labels)
        other = tone_of(network, crop.flip(-1), labels.flip(-1))
        assert torch.allclose(one.mean, other.mean, atol=1e-4)
        assert (one.spread > 0).all()

    def test_whiter_eyes_mean_darker_skin(self) -> None:
        """The same skin beside brighter eyes shows less light than it seems."""
        network = load_tone()
        found = []
        for eyes in (0.15, 0.6):
            linear, labels = picture((0.3, 0.2, 0.15), eyes)
            found.append(tone_of(network, linear ** (1 / 2.2), labels).mean[0])
        assert found[1] < found[0]
