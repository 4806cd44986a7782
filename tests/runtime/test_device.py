from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from fitme.runtime.device import one_thread

USUAL = 3


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(USUAL)
    yield
    torch.set_num_threads(before)


def in_thread(work) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    if failures:
        raise failures[0]


def test_one_inside_and_the_same_as_before_outside() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == USUAL


def test_an_error_restores() -> None:
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == USUAL


def test_a_thread_that_starts_meanwhile_has_its_usual_number() -> None:
    def other() -> None:
        torch.zeros(2)
        assert torch.get_num_threads() == USUAL
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == USUAL

    with one_thread():
        in_thread(other)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == USUAL


def test_blocks_that_overlap_leave_everybody_as_they_were() -> None:
    inside, leave, left, counts = (*(threading.Event() for _ in range(3)), [])

    def second() -> None:
        with one_thread():
            inside.set()
            leave.wait(20)
            counts.append(torch.get_num_threads())
        counts.append(torch.get_num_threads())
        left.set()

    thread = threading.Thread(target=second)
    with one_thread():
        thread.start()
        assert inside.wait(20)
    assert torch.get_num_threads() == USUAL
    leave.set()
    assert left.wait(20)
    thread.join()
    assert counts == [1, USUAL] and torch.get_num_threads() == USUAL
    in_thread(lambda: counts.append(torch.get_num_threads()))
    assert counts[-1] == USUAL
