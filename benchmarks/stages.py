"""Where the time of a fit goes on a device: a table of its stages.

    python -m benchmarks.stages --photo examples/astronaut.png --preset default --device cuda

The first run compiles and loads what later ones have; the last one is in the table beside it. Wall
time is taken when the device has done what it was given; CPU time is that of all threads, and
"cores busy" is how many of them worked on average. Before the table stands what was spent before
the first stage, on imports. Kernels are counted in one more run, of `--count`, by torch's profiler
on a GPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fitme.fit import pipeline
from fitme.fit.log import RunLog
from fitme.fit.models import Models
from fitme.fit.request import FitRequest
from fitme.runtime.device import resolve_device
from fitme.runtime.progress import SilentProgress

MIB = 1 << 20


@dataclass
class StageLog(RunLog):
    """A log that waits for the device at the ends of stages, and notes the most memory of each."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    peaks_mib: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)  # seconds per stage, of all threads

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        settled(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        start, used = time.perf_counter(), time.process_time()
        yield
        settled(self.device)
        self.seconds[name] = round(time.perf_counter() - start, 3)
        self.cpu[name] = round(time.process_time() - used, 3)
        self.peaks_mib[name] = peak_mib(self.device)


def settled(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mib(device: torch.device) -> float:
    """Most memory so far: of tensors on a GPU since it was last reset, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(request: FitRequest, models: Models | None, out: Path | None = None) -> StageLog:
    """One fit; it is written to `out` where that is given."""
    device = resolve_device(request.device)
    log = StageLog(device=device)
    progress = SilentProgress()
    fitted = pipeline.fit_request(request, progress, models, log)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        with log.stage("write"):
            pipeline.write_all(fitted, out)
    log.finish()
    log.cpu["total"] = sum(log.cpu.values())
    return log


def kernels_of(request: FitRequest, models: Models) -> dict[str, int]:
    """Kernels that each stage that descends launches, on a GPU."""
    from torch.profiler import ProfilerActivity, profile

    counts: dict[str, int] = {}

    class Counted(StageLog):
        @contextmanager
        def stage(self, name: str) -> Iterator[None]:
            if name not in ("light", "invert", "tune"):
                yield
                return
            with profile(activities=[ProfilerActivity.CUDA]) as profiler:
                yield
                settled(self.device)
            counts[name] = sum(event.device_type.name == "CUDA" for event in profiler.events())

    device = resolve_device(request.device)
    pipeline.fit_request(request, SilentProgress(), models, Counted(device=device))
    return counts


def table(request: FitRequest, logs: list[StageLog], kernels: dict[str, int]) -> str:
    """Markdown: first and last run, milliseconds a step, the most memory, kernels a step."""
    first, last = logs[0], logs[-1]
    lines = [
        "| stage | first run s | last run s | CPU s | cores busy | steps | ms a step | peak MiB "
        "| kernels a step |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, seconds in last.seconds.items():
        losses = last.history.get(name, {})
        steps = len(next(iter(losses.values()), []))
        each = f"{1000 * seconds / steps:.1f}" if steps else ""
        peak = last.peaks_mib.get(name)
        launched = f"{kernels[name] / steps:.0f}" if steps and name in kernels else ""
        lines.append(
            f"| {name} | {first.seconds.get(name, 0):.2f} | {seconds:.2f} "
            f"| {last.cpu.get(name, 0):.2f} | {last.cpu.get(name, 0) / max(seconds, 1e-3):.1f} "
            f"| {steps or ''} | {each} | {'' if peak is None else f'{peak:.0f}'} | {launched} |"
        )
    where = logs[0].device
    title = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    threads = torch.get_num_threads()
    head = f"{request.preset_name}, {title}, torch {torch.__version__}, {threads} threads"
    return "\n".join([f"{head}:", "", *lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--photo", type=Path, default=Path("examples/astronaut.png"))
    parser.add_argument("--preset", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--count", action="store_true", help="count kernels, in one more run")
    parser.add_argument("--out", type=Path, help="write avatar and report of each run here, too")
    parser.add_argument("--table", type=Path, help="a file that the table is added to")
    options = parser.parse_args()
    request = FitRequest.of(
        [options.photo], preset=options.preset, size=options.size, device=options.device
    )
    device = resolve_device(options.device)
    print(f"start: {time.process_time():.2f} s of CPU\n")
    logs: list[StageLog] = []
    models: Models | None = None
    for number in range(options.repeat):
        out = None if options.out is None else options.out / str(number)
        logs.append(run(request, models, out))
        models = models or Models.load(device)
    kernels = kernels_of(request, models) if options.count and models is not None else {}
    text = table(request, logs, kernels)
    print(text)
    if options.table is not None:
        with options.table.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
