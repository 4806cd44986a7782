"""Is everything here that a fit needs? One check per line, each problem with its cure.

A check is "ok", a "note" (something optional is missing) or a "problem" (the default fit would
not run).
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fitme.runtime.errors import LibraryError
from fitme.runtime.files import file_sha256
from fitme.runtime.libraries import REINSTALL, import_cure
from fitme.runtime.resources import GIB, free_memory, usable_cores, worker_memory
from fitme.runtime.versions import installed_version

_CPU_TORCH = "without a GPU: uv pip install --torch-backend cpu ..., see docs/install.md"
Status = Literal["ok", "note", "problem"]
_EYE_TOLERANCE = 4.0  # pixels in the packaged picture; 0.8 with MediaPipe's networks


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
        "encoder": _encoder,
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
            if isinstance(error, LibraryError):
                reason, _, cure = reason.rpartition("; ")
            else:
                cure = import_cure(error)
            checks.append(Check(name, "problem", reason, cure))
    return checks


def healthy(checks: list[Check]) -> bool:
    """Whether the default fit can run."""
    return all(check.status != "problem" for check in checks)


def _python() -> Iterator[Check]:
    yield Check("fitme", "ok", installed_version() or "not installed (run from a checkout)")
    text = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Check("python", "ok", text)


def _packages() -> Iterator[Check]:
    for name, module in (
        ("torch", "torch"), ("numpy", "numpy"), ("numba", "numba"), ("tflite", "tflite"),
        ("opencv-python-headless", "cv2"), ("pillow", "PIL"),
        ("safetensors", "safetensors"), ("pygltflib", "pygltflib"),
    ):  # fmt: skip
        found = installed_version(name)
        try:
            importlib.import_module(module)
        except Exception as error:
            reason = " ".join(str(error).split())
            yield Check(name, "problem", f"{found or 'missing'}: {reason}", import_cure(error))
            continue
        yield Check(name, "ok", found or "unknown version")


def _device() -> Iterator[Check]:
    import torch

    from fitme.runtime.device import gpu_renderer_cure

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        text = f"{facts.name}, {facts.total_memory / 1e9:.0f} GB"
        cure = gpu_renderer_cure()
        if not cure:
            yield Check("device", "ok", f"cuda: {text}")
            return
        yield Check("gpu", "note", f"{text}: not used, no renderer for it is here", cure)
    elif torch.version.cuda:
        # 3.0 GB of NVIDIA's libraries, 1.0 of Triton, 0.6 of torch's own with torch 2.15
        text = f"built for CUDA {torch.version.cuda}, but no GPU can be used: 4.6 GB for nothing"
        yield Check("torch build", "note", text, _CPU_TORCH)
    threads = torch.get_num_threads()
    yield Check("device", "ok", f"cpu: {usable_cores()} cores, torch uses {threads} threads")


def _memory() -> Iterator[Check]:
    free = free_memory()
    text = f"{free / GIB:.1f} GiB free"
    if free < worker_memory(1024):
        cure = "close other programs, or fit with --preset fast --size 512"
        yield Check("memory", "note", text, cure)
    else:
        yield Check("memory", "ok", text)


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
                yield Check(f"render {name}", "problem", reason, REINSTALL)
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


def _encoder() -> Iterator[Check]:
    from fitme.models import weight_path
    from fitme.models.encoder.weights import FILE, load_encoder

    network = load_encoder().network
    count = sum(tensor.numel() for tensor in network.parameters())
    facts = f"{count / 1e6:.1f} M parameters, {network.config.points} points"
    yield Check("encoder", "ok", f"{facts}, {_digest(weight_path(FILE))}")


def _landmarks() -> Iterator[Check]:
    from fitme.landmarks.example import example_photo, eye_distance
    from fitme.landmarks.mediapipe import MediaPipeLandmarks
    from fitme.learned.registry import LANDMARK_MODELS
    from fitme.learned.store import verify

    if not all(map(verify, LANDMARK_MODELS)):
        text = "MediaPipe's networks are not here yet: the first fit fetches them (36 MB)"
        yield Check("landmarks", "note", text, LANDMARK_MODELS[0].fetch())
        return
    faces = MediaPipeLandmarks().detect(example_photo())
    if len(faces) != 1:
        text = f"{len(faces)} faces found in a picture of one"
    elif (miss := eye_distance(faces[0])) > _EYE_TOLERANCE:
        text = f"eyes found {miss:.0f} pixels from where they are in a picture of 256"
    else:
        text = f"MediaPipe finds {len(faces[0].points)} landmarks in a picture of a face"
        yield Check("landmarks", "ok", text)
        return
    yield Check("landmarks", "problem", text, REINSTALL)


def _learned() -> Iterator[Check]:
    from fitme.learned.loading import missing
    from fitme.learned.registry import MODELS
    from fitme.learned.store import cache_dir, is_pulled, model_path, verify

    for model in MODELS:
        if is_pulled(model) and not verify(model):
            place = "the cache" if model.carrier is None else "its package or the cache"
            cure = model.fetch(again=True)
            yield Check(f"model {model.name}", "note", f"damaged in {place}", cure)
            continue
        reason = missing(model)
        if reason is None:
            cached = model_path(model).parent == cache_dir()
            place = "in the cache" if cached else "installed"
            yield Check(f"model {model.name}", "ok", f"{place}: {model.purpose}")
        else:
            text, _, cure = reason.partition("; ")
            yield Check(f"model {model.name}", "note", text, cure.strip("`"))


def _tools() -> Iterator[Check]:
    """Programs that only some things need, and only for checking in the case of the tests."""
    for name, programs, module, use, cure in (
        ("ffmpeg", ("ffmpeg",), "imageio_ffmpeg", "films: fitme fit clip.mp4, fitme turntable",
         'pip install "fitme[video]"'),
        ("pillow-heif", (), "pillow_heif", "HEIC photos", 'pip install "fitme[heif]"'),
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
