from __future__ import annotations

import pytest

from fitme.runtime.progress import Progress, SilentProgress, TqdmProgress


def use(progress: Progress) -> None:
    with progress.stage("invert", steps=3) as stage:
        for _ in range(3):
            stage.step(loss=0.5)
    progress.note("LPIPS is off")


def test_silent(capfd: pytest.CaptureFixture[str]) -> None:
    use(SilentProgress())
    assert capfd.readouterr() == ("", "")


def test_tqdm_writes_to_stderr_only(capfd: pytest.CaptureFixture[str]) -> None:
    use(TqdmProgress())
    out, err = capfd.readouterr()
    assert out == ""
    assert "invert" in err and "3/3" in err and "LPIPS is off" in err
