"""Photo -> avatar directory: the stages in their order, then everything written at once."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from fitme.avatar.folder import write_model
from fitme.avatar.model import Avatar, AvatarPhoto
from fitme.export.bundle import fit_json
from fitme.fit.align import Aligned, Aligner
from fitme.fit.descent import History
from fitme.fit.evidence.person import odd_photo
from fitme.fit.fitter import Fitter
from fitme.fit.judge import as_data, judge_avatar, judge_photos
from fitme.fit.observation import Observation, cut
from fitme.fit.settings import FitPreset, choose_preset
from fitme.fit.state import FitState
from fitme.head.model import HeadModel, load_head
from fitme.image.photo import Photo, load_photo
from fitme.image.png import encode_png
from fitme.landmarks.face import FaceLandmarks, LandmarkProvider, load_landmarks, select_face
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.learned import LearnedLosses
from fitme.models.stylegan2 import ReflectanceGenerator, load_generator
from fitme.reflectance.generated import generated_materials
from fitme.report.embed import rounded
from fitme.report.evidence import Evidence
from fitme.report.html import report_html
from fitme.report.overlay import overlay_picture
from fitme.report.views import view_picture
from fitme.runtime.device import resolve_device
from fitme.runtime.errors import FitmeError, InputError
from fitme.runtime.files import atomic_directory, check_output_dir, write_json
from fitme.runtime.memory import keep_large_blocks
from fitme.runtime.progress import Progress, SilentProgress
from fitme.runtime.versions import installed_version


@dataclass(frozen=True)
class FitSummary:
    """What a run did: where the avatar is, how long each stage took, how well it sits."""

    out: Path
    avatar: Avatar
    seconds: dict[str, float]
    landmark_error: float


@dataclass(frozen=True)
class Models:
    """What a fit needs loaded. Head and landmarks may serve many fits; the generator serves one,
    since the fit tunes it in place."""

    head: HeadModel
    generator: ReflectanceGenerator
    landmarks: LandmarkProvider


@dataclass
class RunLog:
    """What a run leaves for its report: seconds per stage, in order, and the photos' masks."""

    seconds: dict[str, float] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)

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
    preset: str | FitPreset = "default",
    weights: Path | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    models: Models | None = None,
) -> FitSummary:
    """Fit photos of one person and write the avatar to `out`, whole or not at all.

    `weights` replaces the generator that comes with the package. A photo that cannot be used is
    an error, or is left out with a note where `skip_bad`, as long as one remains. Raises
    InputError, PhotoError, LandmarkError or OutputError (one line, with the cure) for what the
    user can mend; nothing is left in `out` then. `models` on `device` instead of loading them
    (`weights` is then not read).
    """
    progress = progress or SilentProgress()
    check_output_dir(out, overwrite)
    avatar, seen, log = _fit(
        paths, face, landmarks, device, seed, size, preset, weights, skip_bad, progress, models
    )
    with atomic_directory(out, overwrite) as folder:
        with log.stage("write"), progress.stage("write", 4) as stage:
            write_avatar(avatar, [photo for photo, _ in seen], folder, stage.step)
        with log.stage("report"), progress.stage("report", 3) as stage:
            masks = log.evidence or None
            page = report_html(avatar, [photo for photo, _ in seen], masks, stage.step)
            (folder / "report.html").write_text(page, encoding="utf-8")
        log.seconds["total"] = round(sum(log.seconds.values()), 3)
        write_json(folder / "fit.json", fit_json(avatar))
    error = max(photo.landmark_error for photo in avatar.photos)
    return FitSummary(out, avatar, log.seconds, error)


def fit_in_memory(
    paths: Sequence[Path],
    *,
    face: int | None = None,
    landmarks: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    size: int = 1024,
    preset: str | FitPreset = "default",
    weights: Path | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
    models: Models | None = None,
) -> Avatar:
    """`fit_photos` that writes nothing: the avatar, with the run's settings in `about`."""
    avatar, _, log = _fit(
        paths, face, landmarks, device, seed, size, preset, weights, skip_bad,
        progress or SilentProgress(), models,
    )  # fmt: skip
    log.seconds["total"] = round(sum(log.seconds.values()), 3)
    return avatar


def _fit(
    paths: Sequence[Path], face: int | None, landmarks: Path | None, device: str, seed: int,
    size: int, preset: str | FitPreset, weights: Path | None, skip_bad: bool, progress: Progress,
    models: Models | None,
) -> tuple[Avatar, list[tuple[Photo, FaceLandmarks]], RunLog]:  # fmt: skip
    """Photos to an avatar, what it was fitted to, and the log of the run."""
    target = resolve_device(device)
    if landmarks is not None and len(paths) != 1:
        raise InputError(f"--landmarks {landmarks} is for one photo, {len(paths)} are given")
    chosen = choose_preset(preset)
    keep_large_blocks()
    torch.manual_seed(seed)
    log = RunLog()
    with log.stage("photos"):
        seen = _open_photos(
            paths, face, landmarks, skip_bad, progress, models.landmarks if models else None
        )
    with log.stage("models"):
        if models is None:
            head, generator = load_head(device=target), load_generator(weights, target)
        else:
            head, generator = models.head, models.generator
    aligned = align_photos(seen, head, progress, log)
    usable, notes = judge_photos(seen, aligned, skip_bad, progress)
    seen, aligned = [seen[k] for k in usable], [aligned[k] for k in usable]
    kept = check_one_person(seen, aligned, skip_bad, progress)
    seen, aligned = [seen[k] for k in kept], [aligned[k] for k in kept]
    avatar = fit_avatar(
        seen, head, generator, size=size, preset=chosen, progress=progress, log=log,
        aligned=aligned,
    ).avatar  # fmt: skip
    notes += judge_avatar(avatar, [photo for photo, _ in seen], progress)
    about = {
        "notes": as_data(notes),
        "fitme": installed_version() or "unknown",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "preset": preset if isinstance(preset, str) else "custom",
        "settings": asdict(chosen),
        "seed": seed,
        "device": target.type,
        "timings_s": log.seconds,
    }
    avatar = replace(avatar, about={**about, **avatar.about})
    return avatar, seen, log


def _open_photos(
    paths: Sequence[Path], face: int | None, landmarks: Path | None, skip_bad: bool,
    progress: Progress, provider: LandmarkProvider | None = None,
) -> list[tuple[Photo, FaceLandmarks]]:  # fmt: skip
    """Photos with the face to fit; unusable ones raise, or are skipped with a note."""
    if not paths:
        raise InputError("no photo is given; give one or several of the same person")
    if landmarks is None and provider is None:
        provider = MediaPipeLandmarks()
    seen = []
    for path in paths:
        try:
            photo = load_photo(path)
            found = detect_face(photo, face, landmarks, progress, provider)
        except InputError as error:
            if not skip_bad:
                raise
            progress.note(f"left out: {error}")
            continue
        for note in photo.notes:
            progress.note(f"{path}: {note}")
        seen.append((photo, found))
    if not seen:
        raise InputError(f"none of the {len(paths)} photos can be used")
    return seen


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


def align_photos(
    seen: Sequence[tuple[Photo, FaceLandmarks]], head: HeadModel, progress: Progress | None = None,
    log: RunLog | None = None,
) -> list[Aligned]:  # fmt: skip
    """What the landmarks of each photo say about shape and view."""
    progress, log = progress or SilentProgress(), log or RunLog()
    aligned = []
    with log.stage("align"), progress.stage("align", len(seen)) as stage:
        aligner = Aligner(head.to("cpu"))
        for photo, face in seen:
            aligned.append(aligner.align(face, photo.width, photo.height, photo.focal_px))
            stage.step(error=aligned[-1].error)
    return aligned


def check_one_person(
    seen: Sequence[tuple[Photo, FaceLandmarks]], aligned: Sequence[Aligned], skip_bad: bool,
    progress: Progress,
) -> list[int]:  # fmt: skip
    """Indices of the photos that may show one person. A certain stranger raises InputError, or is
    left out with a note where `skip_bad`; a doubtful one stays, with a note."""
    kept = list(range(len(seen)))
    while odd := odd_photo([aligned[k].identity for k in kept]):
        path = seen[kept[odd.index]][0].path
        if not odd.certain:
            progress.note(f"{path}: may show another person than the other photos")
            break
        line = f"{path} shows another person than the other photos; leave it out, or fit it alone"
        if not skip_bad:
            raise InputError(f"{line} (--skip-bad leaves it out)")
        progress.note(f"left out: {line}")
        del kept[odd.index]
    return kept


@dataclass(frozen=True)
class Fitted:
    """A fit with what is needed to judge it."""

    avatar: Avatar
    fitter: Fitter  # its generator is tuned to the person
    state: FitState
    observations: list[Observation]


def fit_avatar(
    seen: Sequence[tuple[Photo, FaceLandmarks]], head: HeadModel, generator: ReflectanceGenerator,
    *, size: int = 1024, preset: FitPreset | None = None, progress: Progress | None = None,
    log: RunLog | None = None, aligned: Sequence[Aligned] | None = None,
) -> Fitted:  # fmt: skip
    """Photos of one person to an `Avatar` with maps of `size` texels; writes nothing.

    `aligned` is `align_photos(seen, head)` where that was done. The generator is tuned in place:
    load it again for the next person.
    """
    progress, log, preset = progress or SilentProgress(), log or RunLog(), preset or FitPreset()
    if aligned is None:
        aligned = align_photos(seen, head, progress, log)
    observations = [
        Observation(photo, face, start.view)
        for (photo, face), start in zip(seen, aligned, strict=True)
    ]
    identity = torch.stack([start.identity for start in aligned]).mean(0).to(head.device)
    learned = LearnedLosses.load(head.device, progress.note)
    fitter = Fitter(head, generator, preset, progress, learned)
    state = fitter.start(observations, identity)
    history: dict[str, History] = {}
    for name, run in fitter.stages():
        with log.stage(name):
            history[name] = run(state, observations)
    if not all(bool(value.isfinite().all()) for value in state.tensors().values()):
        raise FitmeError(f"{seen[0][0].path}: the fit diverged; try another photo or --landmarks")
    with log.stage("maps"):
        maps = fitter.maps(state, observations, size)
        fitter.colour_eyes(state, observations)
        materials = generated_materials(head, fitter.regions, maps, state.iris, eye_gain=state.eyes)
    crops, masks = cut(observations, state.trusted.shape[-1]), state.trusted.cpu()
    log.evidence += [Evidence(*pair) for pair in zip(masks, crops.to_photo, strict=True)]
    vertices = state.posed(head)
    photos = []
    for index, (photo, face) in enumerate(seen):
        view = state.view(index, observations[index].view)
        points = view.camera().project(head.landmarks(vertices[index : index + 1]))[0]
        miss = (points.cpu() - face.points).norm(dim=-1) / face.scale
        error = float(miss[head.landmark_weight.cpu() > 0.1].mean())
        losses = {f"{s}/{k}": v[-1] for s, terms in history.items() for k, v in terms.items()}
        photos.append(AvatarPhoto(photo.path, view, state.light_of(index), losses, error))
    about = {"history": rounded(history)}
    avatar = Avatar(head, state.identity, tuple(materials), tuple(photos), about).to("cpu")
    return Fitted(avatar, fitter, state, observations)


def write_avatar(
    avatar: Avatar, photos: Sequence[Photo], folder: Path, done: Callable[[], None] = lambda: None
) -> None:
    """Write model, renders and overlays into an empty folder; `done` is called after each kind."""
    write_model(avatar, folder, done)
    for index in range(len(photos)):
        (folder / f"render_{index:02d}.png").write_bytes(
            encode_png(view_picture(avatar, photo=index))
        )
    done()
    for index, photo in enumerate(photos):
        picture = overlay_picture(avatar, photo, index)
        (folder / f"overlay_{index:02d}.png").write_bytes(encode_png(picture))
    done()
