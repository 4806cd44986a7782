from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.detail.surface import MapSurface
from fitme.hair import collision
from fitme.hair.scalp import scalp_of
from fitme.head import mends
from fitme.head.model import load_head
from fitme.runtime import made_once as module
from fitme.runtime.made_once import Arrays, made_once

MADE: Arrays = {
    "a": np.arange(6, dtype=np.int32).reshape(2, 3),
    "b": np.full(2, np.inf, np.float32),
}


class Maker:
    calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return MADE


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return Maker()


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").rglob("*.made"))


def test_made_once_and_read_from_then_on(tmp_path: Path, maker: Maker) -> None:
    for _ in range(2):
        got = made_once(__file__, "some", (torch.ones(3), "text"), maker)
        assert {name: (v.dtype, v.tolist()) for name, v in got.items()} == {
            name: (v.dtype, v.tolist()) for name, v in MADE.items()
        }
        assert all(value.flags.writeable and value.flags.c_contiguous for value in got.values())
    assert maker.calls == 1
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "other",
    [
        (torch.tensor([1.0, 1.0, 1.5]), "text"),
        (torch.ones(3), "texts"),
        (torch.ones(3, 1), "text"),
        (torch.ones(3, dtype=torch.float64), "text"),
    ],
)
def test_made_again_of_something_else(maker: Maker, other: tuple[torch.Tensor, str]) -> None:
    made_once(__file__, "some", (torch.ones(3), "text"), maker)
    made_once(__file__, "some", other, maker)
    assert maker.calls == 2


def test_made_again_with_another_number_of_threads(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_once(__file__, "some", (), maker)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    made_once(__file__, "some", (), maker)
    assert maker.calls == 2


def test_other_code_takes_the_place_of_what_older_code_made(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_once(__file__, "some", (), maker)
    made_once(__file__, "other", (), maker)
    monkeypatch.setattr(module, "_code", lambda: "newer")
    made_once(__file__, "some", (), maker)
    assert maker.calls == 3
    names = [file.name.split(".")[:2] for file in files(tmp_path)]
    assert [name for name, _ in names] == ["other", "some"]
    assert names[1][1].startswith("newer-")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_made_again(tmp_path: Path, maker: Maker, damage: str) -> None:
    made_once(__file__, "some", (), maker)
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    if damage == "cut":
        del data[-5:]
    else:
        data[-5] ^= 1
    file.write_bytes(data)
    for _ in range(2):
        assert made_once(__file__, "some", (), maker)["a"].tolist() == MADE["a"].tolist()
    assert maker.calls == 2


def test_where_nothing_can_be_written_it_is_made_each_time(tmp_path: Path, maker: Maker) -> None:
    (tmp_path / "cache").write_text("a file, so that no folder can be made")
    for _ in range(2):
        assert made_once(__file__, "some", (), maker)["a"].tolist() == MADE["a"].tolist()
    assert maker.calls == 2


def test_what_is_kept_of_a_head_is_what_is_made_of_it(maker: Maker) -> None:
    """Same bits, from a file and without one."""
    head = load_head()
    for _ in range(2):  # written, then read
        for mend, made in zip(mends._kept(head), mends._made(head), strict=True):
            for name, value in vars(made).items():
                assert torch.equal(getattr(mend, name), value), name
        surface, fresh = MapSurface.of(head, 16), MapSurface._made(head, 16)
        for name, array in fresh._arrays().items():
            assert np.array_equal(surface._arrays()[name], array), name
    scalp = scalp_of(head)
    outer = collision._outer(head)
    triangles = scalp.triangles[outer[scalp.triangles].all(1)]
    grid = collision._grid(head.mean.numpy(), scalp.normals, triangles)
    for name, array in vars(grid).items():
        kept = getattr(scalp.collision, name)
        assert kept.dtype == array.dtype and np.array_equal(kept, array), name
