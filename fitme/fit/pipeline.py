"""The main path, top to bottom: photos -> aligned faces -> stages -> avatar -> directory."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fitme.avatar.folder import fit_json, write_model
from fitme.avatar.model import Avatar
from fitme.avatar.photo import AvatarPhoto
from fitme.avatar.run_info import RunInfo
from fitme.detail.deformation import as_stored
from fitme.fit.align import Aligned
from fitme.fit.evidence.catchlights import catchlights, with_catchlight
from fitme.fit.evidence.eyes import color_eyes, seen_eyes
from fitme.fit.evidence.teeth import teeth_gain, with_teeth
from fitme.fit.faces import (
    Seen,
    align_photos,
    as_aligned,
    check_one_person,
    encode_faces,
    observed,
    open_photos,
)
from fitme.fit.judge import judge_avatar, judge_photos
from fitme.fit.log import RunLog
from fitme.fit.models import Models
from fitme.fit.preview import avatar_preview, photo_preview, state_preview
from fitme.fit.request import FitRequest
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings, check_resolutions
from fitme.fit.stages.base import Stage
from fitme.fit.stages.hair import grown_hair
from fitme.fit.stages.invert import InvertStage
from fitme.fit.stages.light import LightStage
from fitme.fit.stages.maps import finished_maps
from fitme.fit.stages.start import start
from fitme.fit.stages.tune import TuneStage
from fitme.fit.state import FitState
from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.image.png import encode_png
from fitme.landmarks.encoder import EncoderLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.reflectance.generated import generated_materials
from fitme.render.warm_up import warm_up
from fitme.report.embed import rounded
from fitme.report.evidence import Evidence
from fitme.report.html import report_html
from fitme.report.overlay import overlay_picture
from fitme.report.views import view_picture
from fitme.runtime.device import resolve_device
from fitme.runtime.errors import FitmeError
from fitme.runtime.files import atomic_directory, check_output_dir, write_json
from fitme.runtime.memory import ENOUGH_MIB, release_free_blocks
from fitme.runtime.notes import as_data
from fitme.runtime.progress import Progress, SilentProgress, watch
from fitme.runtime.side_by_side import side_by_side
from fitme.runtime.versions import installed_version
from fitme.segment.encoder import FaceEncoder

EYE_TEXELS = 512  # of an avatar's eyeballs: an iris is 74 texels wide


@dataclass(frozen=True)
class Fitted:
    """An avatar with what is needed to judge it."""

    avatar: Avatar
    session: Session  # its generator is tuned to the person
    state: FitState
    log: RunLog

    @property
    def photos(self) -> list[Photo]:
        """Those that were used."""
        return [seen.photo for seen in self.session.observations]


@dataclass(frozen=True)
class FitSummary:
    """What a run did: where the avatar is, how long each stage took, how well it sits."""

    out: Path
    avatar: Avatar
    seconds: dict[str, float]
    landmark_error: float  # of the worst photo


def fit_to_folder(
    request: FitRequest, out: Path, *, overwrite: bool = False, progress: Progress | None = None,
    models: Models | None = None,
) -> FitSummary:  # fmt: skip
    """Fit and write the avatar to `out`, whole or not at all; see `fitme.fit_photos`."""
    progress = progress or SilentProgress()
    check_output_dir(out, overwrite)
    fitted = fit_request(request, progress, models)
    log = fitted.log
    watch(progress, lambda: avatar_preview(fitted.avatar, fitted.session))
    with atomic_directory(out, overwrite) as folder:
        with log.stage("write"), progress.stage("write", 8) as stage:

            def done() -> None:
                release_free_blocks(ENOUGH_MIB)
                stage.step()

            write_all(fitted, folder, done)
        log.finish()
        write_json(folder / "fit.json", fit_json(fitted.avatar))
    error = max(photo.landmark_error for photo in fitted.avatar.photos)
    return FitSummary(out, fitted.avatar, log.seconds, error)


def fit_request(
    request: FitRequest, progress: Progress | None = None, models: Models | None = None,
    log: RunLog | None = None,
) -> Fitted:  # fmt: skip
    """Photos to an avatar; writes nothing. `models` on the device instead of loading them."""
    progress, log = progress or SilentProgress(), log or RunLog()
    device = resolve_device(request.device, progress.note)
    provider = models.landmarks if models else MediaPipeLandmarks(progress.note)
    if request.finder == "encoder":
        encoder = models.encoder if models else FaceEncoder.load(device=device)
        provider = EncoderLandmarks(encoder)
    with log.stage("photos"):
        seen = open_photos(request, provider, progress)
    watch(progress, lambda: photo_preview(*seen[0]))
    with log.stage("models"):
        models = models or Models.load(device, request.weights, provider, progress.note)
    with log.stage("encoder"):
        seen = encode_faces(seen, models, request.settings)
    with log.stage("kernels"):
        warm_up(device, progress)
    aligned = align_photos(seen, models.head, progress, log)
    by_photo = judge_photos(seen, aligned, request.skip_bad, progress)
    usable = list(by_photo)
    same = check_one_person(
        [seen[k] for k in usable], [aligned[k] for k in usable], request.skip_bad, progress
    )
    kept = [usable[k] for k in same]
    fitted = fit_faces(
        [seen[k] for k in kept], [aligned[k] for k in kept], models, size=request.size,
        settings=request.settings, progress=progress, log=log,
    )  # fmt: skip
    notes = [replace(note, photo=k) for k, index in enumerate(kept) for note in by_photo[index]]
    with log.stage("judge"):
        judged = judge_avatar(fitted.avatar, fitted.photos, progress)
    notes += fitted.session.notes + judged
    run = RunInfo(
        fitme=installed_version() or "unknown",
        versions={"python": platform.python_version(), "torch": torch.__version__},
        preset=request.preset_name,
        settings=asdict(request.settings),
        device=device.type,
        timings_s=log.seconds,
        history=rounded(log.history),
        notes=as_data(notes),
    )
    return replace(fitted, avatar=replace(fitted.avatar, run=run))


def stages(settings: FitSettings) -> list[Stage]:
    """Those that descend, in their order."""
    chosen: list[Stage] = [LightStage(settings.light), InvertStage(settings.invert)]
    return [*chosen, TuneStage(settings.tune)] if settings.tune.steps else chosen


def fit_faces(
    seen: Sequence[Seen], aligned: Sequence[Aligned], models: Models, *, size: int = 1024,
    settings: FitSettings | None = None, progress: Progress | None = None,
    log: RunLog | None = None,
) -> Fitted:  # fmt: skip
    """Aligned faces of one person to an avatar with maps of `size` texels.

    Raises InputError for settings that the generator cannot meet, and FitmeError where the fit
    diverges.
    """
    log, head = log or RunLog(), models.head
    check_resolutions(settings or FitSettings(), models.generator.config.resolutions)
    observations, identity = observed(seen, aligned)
    observations = as_aligned(observations, head, identity.to(head.device))
    session = Session(models, observations, settings, progress)
    with log.stage("start"):
        state = start(session, identity.to(head.device))
    watch(session.progress, lambda: state_preview(session, state))
    for stage in stages(session.settings):
        with log.stage(stage.name):
            log.history[stage.name] = stage.run(session, state)
    if not all(bool(value.isfinite().all()) for value in state.tensors().values()):
        raise FitmeError(f"{seen[0][0].path}: the fit diverged; try another photo or --landmarks")
    with log.stage("maps"):
        maps, wrinkles = finished_maps(session, state, size)
        color_eyes(session, state)
        out, crops, eyes = seen_eyes(session, state)
        lamps, shade = catchlights(session, state, out, crops, eyes), teeth_gain(head, out, crops)
        person = state.person
        materials = generated_materials(
            head, session.regions, maps, person.iris, EYE_TEXELS, person.eyes
        )
        materials = with_teeth(materials, head, shade)
    vertices = state.posed(head)
    photos = [
        _photo(session, state, vertices[index : index + 1], index, log, lamps[index])
        for index in range(len(observations))
    ]
    geometry = as_stored(state.geometry(head))
    avatar = Avatar(geometry, tuple(materials), tuple(photos), wrinkles=wrinkles).to("cpu")
    with log.stage("hair"):
        avatar = replace(avatar, hair=grown_hair(session, avatar))
    return Fitted(avatar, session, state, log)


def _photo(
    session: Session,
    state: FitState,
    vertices: Tensor,
    index: int,
    log: RunLog,
    lamp: Tensor | None,
) -> AvatarPhoto:
    """How photo `index` sees the avatar, whose vertices [1,V,3] are posed as there and whose eyes
    mirror a `lamp`, see `catchlights`."""
    seen, head = session.observations[index], session.head
    view = state.frames.view(index, seen.view)
    points = view.camera().project(head.landmarks(vertices))[0]
    miss = (points.cpu() - seen.face.points).norm(dim=-1) / seen.face.scale
    error = float(miss[head.landmark_weight.cpu() > 0.1].mean())
    light = with_catchlight(state.frames[index].light(), lamp)
    if session.settings.invert.shadow_every:  # the catchlight's lamp casts none
        light = replace(light, casts=1)
    return AvatarPhoto(seen.photo.path, view, light, log.last_losses(), error)


def report_of(fitted: Fitted, done: Callable[[], None] = lambda: None) -> str:
    """The report's page."""
    return report_html(fitted.avatar, fitted.photos, evidence(fitted), done)


def evidence(fitted: Fitted) -> list[Evidence]:
    """Which pixels of each photo counted."""
    trusted = fitted.state.frames.trusted
    crops = fitted.session.crops(trusted.shape[-1], exact=True)
    pairs = zip(trusted.cpu(), crops.to_photo.cpu(), strict=True)
    return [Evidence(*pair) for pair in pairs]


def write_all(fitted: Fitted, folder: Path, done: Callable[[], None] = lambda: None) -> None:
    """Write all of a fit but `fit.json` into an empty folder; `done` is called eight times.

    Report and model are made side by side; what both need (strands, cards of hair) is kept by who
    makes it first, so each begins with what the other ends with.
    """

    def write_report() -> None:
        (folder / "report.html").write_text(report_of(fitted, done), encoding="utf-8")

    side_by_side([write_report, lambda: write_avatar(fitted.avatar, fitted.photos, folder, done)])


def write_avatar(
    avatar: Avatar, photos: Sequence[Photo], folder: Path, done: Callable[[], None] = lambda: None
) -> None:
    """Write model, renders and overlays into an empty folder; `done` is called after each kind,
    four times."""

    def write_renders() -> None:
        for index in range(len(photos)):
            picture = view_picture(avatar, photo=index)
            (folder / f"render_{index:02d}.png").write_bytes(encode_png(picture))
        done()

    def write_overlays() -> None:
        for photo in photos:
            if photo.second is not None:  # a picture of a film has no file of its own
                pixels = linear_to_srgb(photo.pixels).clamp(0, 1).mul(255).round().byte().numpy()
                (folder / photo.path.name).write_bytes(encode_png(pixels))
        for index, photo in enumerate(photos):
            picture = overlay_picture(avatar, photo, index)
            (folder / f"overlay_{index:02d}.png").write_bytes(encode_png(picture))
        done()

    side_by_side([write_overlays, write_renders, lambda: write_model(avatar, folder, done)])
