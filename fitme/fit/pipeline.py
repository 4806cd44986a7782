"""Photo -> avatar directory: the stages in their order, then everything written at once."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fitme.avatar import Avatar, AvatarPhoto
from fitme.device import resolve_device
from fitme.errors import FitmeError, InputError
from fitme.export.bundle import avatar_glb, fit_json, textures
from fitme.export.png import encode_png
from fitme.files import atomic_directory, check_output_dir, write_json
from fitme.fit.align import Aligner
from fitme.fit.polish import Polisher
from fitme.head import HeadModel, load_head
from fitme.landmarks import FaceLandmarks, LandmarkProvider, load_landmarks, select_face
from fitme.mediapipe_landmarks import MediaPipeLandmarks
from fitme.photo import Photo, load_photo
from fitme.progress import Progress, SilentProgress
from fitme.reflectance import MeanReflectance
from fitme.report.overlay import overlay_picture, render_rgba

FIT_RESOLUTION = 256  # texels a side of the mean reflectance while fitting
MAX_RENDER_PX = 4096  # a larger photo's render_00.png keeps its size but is drawn at this side


@dataclass(frozen=True)
class FitSummary:
    """What a run did: where the avatar is, how long each stage took, how well it sits."""

    out: Path
    avatar: Avatar
    seconds: dict[str, float]
    landmark_error: float


@dataclass
class _Clock:
    """Seconds per stage, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def fit_photos(
    paths: Sequence[Path],
    out: Path,
    *,
    face: int | None = None,
    landmarks: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    size: int = 1024,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FitSummary:
    """Fit one photo and write the avatar to `out`, whole or not at all.

    Raises InputError, PhotoError, LandmarkError or OutputError (one line, with the cure) for
    what the user can mend; nothing is left in `out` then.
    """
    if len(paths) != 1:
        raise InputError(f"{len(paths)} photos given, but only one can be fitted so far; give one")
    progress = progress or SilentProgress()
    target = resolve_device(device)
    check_output_dir(out, overwrite)
    torch.manual_seed(seed)
    clock = _Clock()
    with clock.stage("photo"):
        photo = load_photo(paths[0])
        for note in photo.notes:
            progress.note(f"{paths[0]}: {note}")
    with clock.stage("landmarks"):
        found = detect_face(photo, face, landmarks, progress)
    with clock.stage("models"):
        head = load_head()
    avatar = fit_avatar(photo, found, head, size=size, progress=progress, clock=clock)
    about = {
        "fitme": _version(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "preset": "align",
        "seed": seed,
        "device": target.type,
        "timings_s": clock.seconds,
    }
    avatar = replace(avatar, about=about)
    with atomic_directory(out, overwrite) as folder:
        with clock.stage("write"), progress.stage("write", 4) as stage:
            write_avatar(avatar, photo, folder, stage.step)
        clock.seconds["total"] = round(sum(clock.seconds.values()), 3)
        write_json(folder / "fit.json", fit_json(avatar))
    return FitSummary(out, avatar, clock.seconds, avatar.photos[0].landmark_error)


def detect_face(
    photo: Photo, index: int | None, file: Path | None, progress: Progress,
    provider: LandmarkProvider | None = None,
) -> FaceLandmarks:  # fmt: skip
    """The face to fit: from the user's file, or detected and chosen. Raises LandmarkError."""
    if file is not None:
        return load_landmarks(file, photo)
    with progress.stage("landmarks", 1) as stage:
        faces = (provider or MediaPipeLandmarks()).detect(photo)
        stage.step()
    return select_face(faces, index, photo.path)


def fit_avatar(
    photo: Photo, face: FaceLandmarks, head: HeadModel, *,
    size: int = 1024, progress: Progress | None = None, clock: _Clock | None = None,
) -> Avatar:  # fmt: skip
    """Landmarks, then pixels, to an `Avatar` with maps of `size` texels; writes nothing."""
    progress, clock = progress or SilentProgress(), clock or _Clock()
    with clock.stage("align"), progress.stage("align", 1) as stage:
        aligned = Aligner(head).align(face, photo.width, photo.height, photo.focal_px)
        stage.step(error=aligned.error)
    with clock.stage("polish"):
        polisher = Polisher(head, MeanReflectance(head, FIT_RESOLUTION))
        state, losses = polisher.run(photo, face, aligned.identity, aligned.view, progress)
    points = state.view.camera().project(head.landmarks(state.vertices(head)))[0]
    miss = (points - face.points).norm(dim=-1) / face.scale
    error = float(miss[head.landmark_weight > 0.1].mean())
    if not torch.isfinite(points).all():
        raise FitmeError(f"{photo.path}: the fit diverged; try another photo or --landmarks")
    with clock.stage("maps"):
        materials = tuple(MeanReflectance(head, size).materials(state.tone))
    seen = AvatarPhoto(photo.path, state.view, state.light, losses, error)
    return Avatar(head, state.identity, materials, (seen,))


def write_avatar(
    avatar: Avatar, photo: Photo, folder: Path, done: Callable[[], None] = lambda: None
) -> None:
    """Write everything but fit.json into an empty folder; `done` is called after each file kind."""
    maps = textures(avatar)
    (folder / "textures").mkdir()
    for name, data in maps.items():
        (folder / "textures" / name).write_bytes(data)
    done()
    (folder / "avatar.glb").write_bytes(avatar_glb(avatar, maps))
    done()
    longest = max(photo.width, photo.height)
    height = round(photo.height * MAX_RENDER_PX / longest) if longest > MAX_RENDER_PX else None
    picture = Image.fromarray(render_rgba(avatar.render_photo(0, height)))
    if height is not None:
        picture = picture.resize((photo.width, photo.height), Image.Resampling.BICUBIC)
    (folder / "render_00.png").write_bytes(encode_png(np.asarray(picture)))
    done()
    (folder / "overlay_00.png").write_bytes(encode_png(overlay_picture(avatar, photo)))
    done()


def _version() -> str:
    try:
        return version("fitme")
    except PackageNotFoundError:
        return "unknown"
