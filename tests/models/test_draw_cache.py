"""Draws kept on disk: the same entries from whatever the folder holds, mirrored ones too."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fitme.models.stylegan2 import ReflectanceMaps
from fitme.models.stylegan2.filters import shrink
from fitme.models.stylegan2.maps import MIRROR_SIGN
from fitme.models.train.reflectance_cache import DrawCache
from fitme.models.train.reflectance_data import SynthesizerSource, ToySource

RESOLUTION, COUNT = 32, 10


class CountingSource(ToySource):
    """Remembers how many pictures were drawn."""

    drawn = 0

    def draw(
        self, batch: int, resolution: int, generator: torch.Generator
    ) -> tuple[Tensor, ReflectanceMaps]:
        self.drawn += batch
        return super().draw(batch, resolution, generator)


def cache(folder: Path, source: ToySource | None = None, seed: int = 0, **sizes) -> DrawCache:
    """Groups of four, the last one of two."""
    made = DrawCache(source or ToySource(), folder, sizes.get("resolution", RESOLUTION),
                     sizes.get("count", COUNT), seed)  # fmt: skip
    made.group = 4
    return made


def drawn(entries: DrawCache, seed: int = 5, resolution: int = RESOLUTION) -> tuple[Tensor, Tensor]:
    return entries.draw(6, resolution, torch.Generator().manual_seed(seed))


def same(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> DrawCache:
    entries = cache(tmp_path_factory.mktemp("full"))
    entries.fill(list(range(COUNT)))
    return entries


class TestEntries:
    def test_empty_half_filled_and_full_give_the_same(
        self, full: DrawCache, tmp_path: Path
    ) -> None:
        wanted = drawn(full)
        assert wanted[0].shape == (6, 8) and wanted[1].shape == (6, 6, RESOLUTION, RESOLUTION)
        assert same(drawn(cache(tmp_path / "empty")), wanted)
        half = cache(tmp_path / "half")
        half.fill([9, 5])
        assert half.done.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
        assert same(drawn(half), wanted)
        assert same(drawn(cache(tmp_path / "half")), wanted)  # reopened

    def test_they_are_the_sources_draws(self, full: DrawCache) -> None:
        maps = ReflectanceMaps.from_signal(torch.from_numpy(full.signals[:]).float())
        parameters = torch.from_numpy(full.parameters[:])
        ground = maps.diffuse_albedo[:, 0, 0]  # the disc does not reach the corner
        torch.testing.assert_close(ground, 0.2 + 0.6 * parameters[:, :3], rtol=0, atol=0.01)
        assert len({tuple(row) for row in parameters.tolist()}) == COUNT

    def test_the_order_of_filling_does_not_matter(self, full: DrawCache, tmp_path: Path) -> None:
        other = cache(tmp_path)
        for index in (9, 0, 5):
            other.fill([index])
        assert np.array_equal(other.signals, full.signals)
        assert np.array_equal(other.parameters, full.parameters)

    def test_nothing_is_drawn_twice(self, tmp_path: Path) -> None:
        source = CountingSource()
        entries = cache(tmp_path, source)
        entries.fill([0, 1])
        assert source.drawn == 4
        entries.fill([3, 9])
        assert source.drawn == 6
        cache(tmp_path, source).fill([0, 8])
        assert source.drawn == 6

    def test_seeds_and_resolutions_are_apart(self, full: DrawCache, tmp_path: Path) -> None:
        first, second = cache(tmp_path, seed=0), cache(tmp_path, seed=1)
        small = cache(tmp_path, resolution=16)
        for entries in (first, second, small):
            entries.fill(list(range(COUNT)))
        assert np.array_equal(first.signals, full.signals)
        assert not np.array_equal(first.parameters, second.parameters)
        assert not np.array_equal(first.parameters, small.parameters)

    def test_a_kill_while_writing_loses_the_group_only(
        self, full: DrawCache, tmp_path: Path
    ) -> None:
        class Killed(BaseException):
            pass

        class Dying(ToySource):
            def draw(self, *arguments, **options):
                raise Killed

        victim = cache(tmp_path, Dying())
        with pytest.raises(Killed):
            victim.fill([0])
        assert not victim.done.any()
        victim.signals[:3] = 7  # what a kill in mid-group leaves
        assert same(drawn(cache(tmp_path)), drawn(full))


class TestDraw:
    def test_a_lower_resolution_is_the_mean(self, full: DrawCache) -> None:
        parameters, signal = drawn(full)
        low_parameters, low = drawn(full, resolution=8)
        assert torch.equal(low_parameters, parameters)
        torch.testing.assert_close(low, shrink(signal, 8))

    def test_mirrored_draws_are_those_of_mirrored_parameters(self, full: DrawCache) -> None:
        source, turned, straight = ToySource(), 0, 0
        stored = torch.from_numpy(full.parameters[:])
        signals = torch.from_numpy(full.signals[:]).float()
        sign = torch.tensor(MIRROR_SIGN)[:, None, None]
        for seed in range(4):
            for parameters, signal in zip(*drawn(full, seed), strict=True):
                entry = (stored[:, :3] == parameters[:3]).all(1).nonzero().item()
                if torch.equal(parameters, stored[entry]):
                    assert torch.equal(signal, signals[entry])
                    straight += 1
                else:
                    mirrored = source.mirror_parameters(stored[entry, None])[0]
                    assert torch.equal(parameters, mirrored)
                    assert torch.equal(signal, signals[entry].flip(2) * sign)
                    turned += 1
        assert turned > 5 and straight > 5

    def test_mirrored_signals_are_pictures_of_mirrored_parameters(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = ToySource()
        generator = torch.Generator().manual_seed(0)
        parameters, maps = source.draw(3, RESOLUTION, generator)
        mirrored = source.mirror_parameters(parameters)
        assert torch.equal(source.mirror_parameters(mirrored), parameters)
        monkeypatch.setattr(source, "parameters", lambda *_: mirrored)
        _, wanted = source.draw(3, RESOLUTION, generator)
        turned = maps.to_signal().flip(3) * torch.tensor(MIRROR_SIGN)[:, None, None]
        torch.testing.assert_close(turned, wanted.to_signal(), rtol=0, atol=1e-5)

    def test_faces_keep_all_but_what_has_a_side(self) -> None:
        source = SynthesizerSource()
        parameters = source.parameters(20, torch.Generator().manual_seed(0))
        mirrored = source.mirror_parameters(parameters)
        changed = (mirrored != parameters).any(0)
        assert int(changed.sum()) == 1
        assert torch.equal(mirrored[:, changed], -parameters[:, changed])

    def test_it_follows_the_generator(self, full: DrawCache) -> None:
        assert same(drawn(full, 1), drawn(full, 1))
        assert not same(drawn(full, 1), drawn(full, 2))


class TestDamage:
    """A file that is no longer what was written is made again, not trained on."""

    @pytest.mark.parametrize("part", ["signals", "parameters", "done"])
    @pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "other shape", "gone"])
    def test_damaged_files(self, part: str, damage: str, full: DrawCache, tmp_path: Path) -> None:
        entries = cache(tmp_path)
        entries.fill(list(range(COUNT)))
        entries.signals.flush()
        del entries
        (path,) = tmp_path.glob(f"*.{part}.npy")
        if damage == "truncated":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif damage == "foreign":
            path.write_bytes(b"not an array" * 100)
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "gone":
            path.unlink()
        else:
            np.save(path, np.zeros(3))
        assert same(drawn(cache(tmp_path)), drawn(full))
