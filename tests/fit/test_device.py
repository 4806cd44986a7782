"""A whole fit on a device that is none (`tests.device_log`): nothing of the CPU gets into its
operations, and nothing in a step makes the host wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fitme.fit import pipeline
from fitme.fit.request import FitRequest
from fitme.fit.settings import FitSettings, override
from tests.device_backend import made_up_device
from tests.device_log import DeviceLog, Event

SETTINGS = override(
    FitSettings(),
    {
        "light.steps": 5, "light.pixels": 64, "light.texels": 64,
        "invert.steps": 6, "invert.pixels": 160, "invert.texels": 64,
        "tune.steps": 4, "tune.pixels": 160, "tune.texels": 128, "refine.pixels": 160,
        "hair": "cropped",
    },
)  # fmt: skip
# What a stage looks up once in the middle of its steps: the whites of the eyes, what is not skin.
ONCE = ("eyes.py", "trust.py", "highlights.py", "observation.py", "constants.py")


@pytest.fixture(scope="module")
def log(astronaut: Path) -> Iterator[DeviceLog]:
    """Of one fit, whose landmarks and first guesses the encoder gives."""
    with pytest.MonkeyPatch.context() as patch, made_up_device() as log:
        patch.setattr(pipeline, "resolve_device", lambda name, note: torch.device(name))
        request = FitRequest.of(
            [astronaut], preset=SETTINGS, size=128, device="cuda", landmarks="encoder"
        )
        fitted = pipeline.fit_request(request)
        pipeline.report_of(fitted)
        fitted.avatar.render_view(20, 0, resolution=64)
        assert all(log.is_marked(value) for value in fitted.state.tensors().values())
        yield log


def in_steps(log: DeviceLog) -> list[Event]:
    """What happened in steps after the first, which makes what is kept."""
    return [
        event
        for event in log.events
        if event.stage and event.stage.split()[1] not in ("0", "begins")
    ]


def lines(events: list[Event]) -> str:
    return "\n".join(sorted({str(event) for event in events}))


class TestFit:
    def test_no_operation_takes_tensors_of_two_devices(self, log: DeviceLog) -> None:
        found = log.of_kind("mixed")
        assert not found, lines(found)

    def test_all_stages_ran(self, log: DeviceLog) -> None:
        steps = {f"light {k}" for k in range(5)} | {f"invert {k}" for k in range(6)}
        assert set(log.operations) >= steps | {f"tune {k}" for k in range(4)}

    def test_no_step_waits_or_copies(self, log: DeviceLog) -> None:
        found = [event for event in in_steps(log) if event.file not in (*ONCE, "gpu_descent.py")]
        assert not found, lines(found)

    def test_losses_come_at_the_end(self, log: DeviceLog) -> None:
        read = [event for event in in_steps(log) if event.file == "gpu_descent.py"]
        # Adam, told by C++ that all lies on the CPU, takes its rates there, which it would not do.
        read = [event for event in read if event.what != "to the host"]
        assert [event.what for event in read] == ["tolist"] * 3
        assert [event.stage for event in read] == ["light 4", "invert 5", "tune 3"]
