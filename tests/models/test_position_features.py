"""Position features: windows, files, gradients, and which configurations are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fitme.models.stylegan2 import GENERATORS, GeneratorConfig, ReflectanceGenerator, Window
from fitme.models.stylegan2.synthesis import StyledConv

# All channels, some of them, none, and the last level without an entry.
CONFIG = GeneratorConfig(
    (24, 24, 24, 12), z_dim=16, w_dim=24, mapping_layers=2, position=(24, 12, 6)
)
LAST = GeneratorConfig((24, 24, 12), z_dim=16, w_dim=24, mapping_layers=2, position=(0, 0, 6))


def awake(config: GeneratorConfig, strength: float = 0.3) -> ReflectanceGenerator:
    """A generator as if trained: output weights and position features are not zero."""
    generator, draw = ReflectanceGenerator(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for block in generator.synthesis.blocks:
            for weight in block.to_signal.weight.values():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draw))
            here = block.branches.position
            if here is not None:
                here.copy_(strength * torch.randn(here.shape, generator=draw))
    return generator


@pytest.fixture(scope="module")
def generator() -> ReflectanceGenerator:
    return awake(CONFIG)


@pytest.fixture(scope="module")
def w(generator: ReflectanceGenerator) -> Tensor:
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    return generator.map(z).detach()


class TestSynthesis:
    def test_shapes(self, generator: ReflectanceGenerator) -> None:
        found = [block.branches.position for block in generator.synthesis.blocks]
        shapes = [None if p is None else tuple(p.shape) for p in found]
        assert shapes == [(24, 4, 4), (12, 8, 8), (6, 16, 16), None]
        assert all(b.trunk is None or b.trunk.position is None for b in generator.synthesis.blocks)

    def test_they_matter_from_their_level_on(self, generator: ReflectanceGenerator, w) -> None:
        whole = generator.signals(w)
        for index, level in enumerate((4, 8, 16)):
            changed = awake(CONFIG)
            position = list(changed.synthesis.blocks)[index].branches.position
            assert position is not None
            with torch.no_grad():
                position.zero_()
            other = changed.signals(w)
            for size in whole:
                assert torch.equal(whole[size], other[size]) == (size < level)

    def test_zero_features_add_nothing(self, w: Tensor) -> None:
        zero = awake(CONFIG, 0.0)
        with_none = awake(replace(CONFIG, position=()))
        kept = {k: v for k, v in zero.state_dict().items() if ".position" not in k}
        kept = {k: v for k, v in kept.items() if ".place." not in k}
        with_none.load_state_dict(kept)
        torch.testing.assert_close(zero.signals(w)[32], with_none.signals(w)[32])

    def test_w_scales_them(self, generator: ReflectanceGenerator) -> None:
        """Without w (a zero style) the features are added as they are."""
        block = list(generator.synthesis.blocks)[1].branches
        x, w = torch.zeros(2, 24, 8, 8), torch.zeros(2, 24)
        w[1] = torch.randn(24, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            plain, scaled = block(x, w, None)
        assert plain[:4].abs().sum() > 0
        assert not torch.allclose(plain, scaled)
        quiet = plain.reshape(3, 8, 8, 8)[:, 4:]  # the channels of each branch without features
        assert torch.equal(quiet, torch.zeros_like(quiet))

    @pytest.mark.parametrize("config", [CONFIG, LAST], ids=["low levels", "last level"])
    @pytest.mark.parametrize("noise", ["const", "none"])
    @pytest.mark.parametrize("place", [(0.3, 0.45, 0.3, 2), (0.0, 0.0, 0.5, 1), (0.5, 0.2, 0.5, 3)])
    def test_window_is_the_crop_of_the_whole(
        self, config: GeneratorConfig, noise, place: tuple[float, float, float, int], w: Tensor
    ) -> None:
        generator, resolution = awake(config), config.resolution
        top, left, size = (round(part * resolution) for part in place[:3])
        full = min(4 << (place[3] - 1), resolution)
        whole = generator.signals(w, noise=noise)[resolution]
        part = generator.signals(w, noise=noise, window=Window(top, left, size, full))
        wanted = whole[:, :, top : top + size, left : left + size]
        torch.testing.assert_close(part[resolution], wanted, rtol=1e-5, atol=1e-5)

    def test_a_window_teaches_its_texels_only(self, w: Tensor) -> None:
        generator = awake(LAST)
        generator.signals(w, window=Window(4, 8, 4, 8))[16].square().sum().backward()
        position = list(generator.synthesis.blocks)[-1].branches.position
        assert position is not None and position.grad is not None
        seen = position.grad.abs().sum(0) > 0
        rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
        assert (int(rows.min()), int(rows.max())) == (4, 7)
        assert (int(columns.min()), int(columns.max())) == (8, 11)


class TestFiles:
    def test_save_and_load_keep_them(self, generator, w: Tensor, tmp_path: Path) -> None:
        path = tmp_path / "g.safetensors"
        generator.save(path)
        loaded = ReflectanceGenerator.load(path)
        assert loaded.config == CONFIG and loaded.config.position == (24, 12, 6)
        pairs = zip(generator.layers(), loaded.layers(), strict=True)
        for mine, theirs in pairs:
            assert (mine.position is None) == (theirs.position is None)
            if mine.position is not None and theirs.position is not None:
                torch.testing.assert_close(theirs.position, mine.position, rtol=1e-3, atol=1e-3)
                assert theirs.position.abs().sum() > 0
        assert (loaded.signals(w)[32] - generator.signals(w)[32]).abs().max() < 0.02

    def test_a_configuration_may_leave_them_out(self) -> None:
        fields = json.loads(CONFIG.to_json())
        del fields["position"]
        assert GeneratorConfig.from_json(json.dumps(fields)) == replace(CONFIG, position=())

    def test_configuration_round_trip(self) -> None:
        for config in (CONFIG, LAST, GENERATORS["cpu"]):
            assert GeneratorConfig.from_json(config.to_json()) == config


class TestRefused:
    @pytest.mark.parametrize(
        "position",
        [(24, 24, 24, 12, 12), (27,), (0, 0, 0, 15), (4,), (-3,)],
        ids=["too many", "above the channels", "above the last", "no multiple of 3", "negative"],
    )
    def test_configurations(self, position: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="position must be"):
            GeneratorConfig((24, 24, 24, 12), position=position)

    @pytest.mark.parametrize("value", ['"many"', "[[3]]", "7", "null"])
    def test_json(self, value: str) -> None:
        text = CONFIG.to_json().replace("[24, 12, 6]", value)
        with pytest.raises(ValueError):
            GeneratorConfig.from_json(text)

    def test_a_layer_without_has_no_parameters(self) -> None:
        layer = StyledConv(6, 6, 8, 16, up=False)
        assert layer.position is None and layer.place is None
        assert not any("place" in name for name, _ in layer.named_parameters())
