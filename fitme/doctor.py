"""Is everything here that a fit needs? One check per line, each problem with its cure.

A check is "ok", a "note" (something optional is missing) or a "problem" (the default fit would
not run).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fitme.runtime.files import file_sha256
from fitme.runtime.versions import installed_version

Status = Literal["ok", "note", "problem"]
_REINSTALL = "install fitme again (in a checkout: uv sync --reinstall)"
_MEMORY_MB = 4000  # what a fit with default settings may need


@dataclass(frozen=True)
class Check:
    """One line of the report. `cure` is empty where there is nothing to mend."""

    name: str
    status: Status
    text: str
    cure: str = ""


def diagnose() -> list[Check]:
    """All checks. What one of them raises becomes its problem; none stops the others."""
    parts: dict[str, Callable[[], Iterator[Check]]] = {
        "python": _python,
        "packages": _packages,
        "device": _device,
        "memory": _memory,
        "render": _backends,
        "head": _head,
        "generator": _generator,
        "landmarks": _landmarks,
        "learned models": _learned,
        "tools": _tools,
    }
    checks: list[Check] = []
    for name, part in parts.items():
        try:
            checks.extend(part())
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            checks.append(Check(name, "problem", reason, _REINSTALL))
    return checks


def healthy(checks: list[Check]) -> bool:
    """Whether the default fit can run."""
    return all(check.status != "problem" for check in checks)


def _python() -> Iterator[Check]:
    yield Check("fitme", "ok", installed_version() or "not installed (run from a checkout)")
    text = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if (3, 10) <= sys.version_info < (3, 13):
        yield Check("python", "ok", text)
    else:
        cure = "use Python 3.10 to 3.12: mediapipe has no wheels for others"
        yield Check("python", "problem", text, cure)


def _packages() -> Iterator[Check]:
    for name, module in (
        ("torch", "torch"), ("numpy", "numpy"), ("numba", "numba"), ("mediapipe", "mediapipe"),
        ("pillow", "PIL"), ("safetensors", "safetensors"), ("pygltflib", "pygltflib"),
    ):  # fmt: skip
        found = installed_version(name)
        try:
            _quiet_import(module)
        except Exception as error:
            reason = " ".join(str(error).split())
            yield Check(name, "problem", f"{found or 'missing'}: {reason}", _REINSTALL)
            continue
        if name == "numpy" and found and int(found.partition(".")[0]) >= 2:
            cure = 'pip install "numpy<2": mediapipe is built against numpy 1'
            yield Check(name, "problem", found, cure)
        else:
            yield Check(name, "ok", found or "unknown version")


def _quiet_import(module: str) -> None:
    from fitme.runtime.quiet_stderr import quiet_native_stderr

    with quiet_native_stderr():
        importlib.import_module(module)


def _device() -> Iterator[Check]:
    import torch

    from fitme.runtime.device import NVDIFFRAST_CURE, has_gpu_renderer

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        text = f"{facts.name}, {facts.total_memory / 1e9:.0f} GB"
        if has_gpu_renderer():
            yield Check("device", "ok", f"cuda: {text}")
            return
        yield Check("gpu", "note", f"{text}: not used, no renderer for it is here", NVDIFFRAST_CURE)
    threads = torch.get_num_threads()
    yield Check("device", "ok", f"cpu: {os.cpu_count()} cores, torch uses {threads} threads")


def _memory() -> Iterator[Check]:
    megabytes = _free_memory_mb()
    if megabytes is None:
        return
    text = f"{megabytes / 1000:.1f} GB free"
    if megabytes < _MEMORY_MB:
        cure = "close other programs, or fit with --preset fast --size 512"
        yield Check("memory", "note", text, cure)
    else:
        yield Check("memory", "ok", text)


def _free_memory_mb() -> int | None:
    """Memory that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) // 1000 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _backends() -> Iterator[Check]:
    import torch

    from fitme.render import BACKENDS, get_backend

    for name in BACKENDS:
        device = "cpu" if name == "cpu" or not torch.cuda.is_available() else "cuda"
        try:
            get_backend(name, device)
        except Exception as error:
            reason = " ".join(str(error).split())
            if name == "cpu":
                yield Check(f"render {name}", "problem", reason, _REINSTALL)
            else:
                yield Check(f"render {name}", "note", f"off: {reason}")
        else:
            yield Check(f"render {name}", "ok", "available")


def _head() -> Iterator[Check]:
    from fitme.head.model import load_head
    from fitme.models import weight_path

    head = load_head()
    facts = f"{len(head.mean)} vertices, {len(head.identity)} identity modes"
    yield Check("head model", "ok", f"{facts}, {_digest(weight_path('head.safetensors'))}")


def _generator() -> Iterator[Check]:
    from fitme.models import weight_path
    from fitme.models.stylegan2 import load_generator

    generator = load_generator()
    count = sum(tensor.numel() for tensor in generator.parameters())
    text = f"{count / 1e6:.1f} M parameters, {_digest(weight_path('reflectance.safetensors'))}"
    yield Check("generator", "ok", text)


def _landmarks() -> Iterator[Check]:
    from fitme.landmarks.mediapipe import MediaPipeLandmarks

    MediaPipeLandmarks()
    yield Check("landmarks", "ok", "MediaPipe's networks load")


def _learned() -> Iterator[Check]:
    from fitme.learned.loading import missing
    from fitme.learned.registry import MODELS
    from fitme.learned.store import is_pulled, verify

    for model in MODELS:
        if is_pulled(model) and not verify(model):
            cure = f"fitme models pull {model.name} --force"
            yield Check(f"model {model.name}", "note", "damaged in the cache", cure)
            continue
        reason = missing(model)
        if reason is None:
            yield Check(f"model {model.name}", "ok", f"in the cache: {model.purpose}")
        else:
            text, _, cure = reason.partition("; ")
            yield Check(f"model {model.name}", "note", text, cure.strip("`"))


def _tools() -> Iterator[Check]:
    """Programs that only some things need, and only for checking in the case of the tests."""
    for name, programs, module, use, cure in (
        ("ffmpeg", ("ffmpeg",), "imageio_ffmpeg", "fitme turntable to .mp4",
         'pip install "fitme[video]"'),
        ("chromium", ("chromium", "chromium-browser", "google-chrome"), None,
         "the tests of report.html", "apt install chromium"),
        ("blender", ("blender",), "bpy", "the tests of the exported files",
         "https://www.blender.org/download"),
        ("node", ("node",), None, "the tests of the exported files", "https://nodejs.org"),
    ):  # fmt: skip
        found = next((path for p in programs if (path := shutil.which(p))), None)
        if found is None and module is not None and importlib.util.find_spec(module):
            found = f"the package {module}"
        if found:
            yield Check(name, "ok", found)
        else:
            yield Check(name, "note", f"not found; only for {use}", cure)


def _digest(path: Path) -> str:
    """Size and the beginning of the SHA-256 of a file, to compare two installations."""
    return f"{path.stat().st_size / 1e6:.1f} MB, sha256 {file_sha256(path)[:12]}"
