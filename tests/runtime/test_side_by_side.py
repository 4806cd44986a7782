"""Pieces of work on several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from fitme.runtime.side_by_side import side_by_side


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


class TestSideBySide:
    def test_results_keep_their_order_and_inner_calls_are_shared(self, threads: int) -> None:
        def outer(k: int) -> list[int]:
            return side_by_side([partial(int, 10 * k + j) for j in range(5)])

        found = side_by_side([partial(outer, k) for k in range(4)])
        assert found == [[10 * k + j for j in range(5)] for k in range(4)]
        assert torch.get_num_threads() == threads and side_by_side([]) == []

    def test_two_calls_run_at_the_same_time_each_with_its_share_of_threads(self) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        both = threading.Barrier(2, timeout=20)

        def call() -> tuple[int, bool]:
            both.wait()
            return torch.get_num_threads(), torch.is_grad_enabled()

        with torch.no_grad():
            assert side_by_side([call, call]) == [(1, False), (1, False)]
        torch.set_num_threads(before)

    def test_a_failure_is_raised_and_what_was_not_begun_is_left_out(self, threads: int) -> None:
        begun = []

        def fail() -> None:
            raise KeyError("x")

        def inner() -> None:
            side_by_side([fail, *[lambda: begun.append(1)] * 50])

        with pytest.raises(KeyError):
            side_by_side([inner, *[lambda: begun.append(2)] * 50])
        assert begun.count(1) < 50 and begun.count(2) < 50
        assert side_by_side([lambda: 1, lambda: 2]) == [1, 2]
