"""From photo files to aligned faces of one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fitme.fit.align import Aligned, Aligner
from fitme.fit.evidence.person import odd_photo
from fitme.fit.film import film_photos
from fitme.fit.log import RunLog
from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.request import FitRequest
from fitme.fit.settings import FitSettings
from fitme.head.lids import lid_seams
from fitme.head.model import HeadModel
from fitme.image.film import is_film
from fitme.image.inset import with_inset
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.file import load_landmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.landmarks.select import select_face
from fitme.runtime.errors import InputError
from fitme.runtime.progress import Progress, SilentProgress
from fitme.segment.frame import Frame

Seen = tuple[Photo, FaceLandmarks]

# Share of the landmarks that a photo must show for the encoder to be asked: it learned from faces
# that are whole or nearly so, and of half a face it tells a head that is turned away.
SHOWN = 0.75


def open_photos(request: FitRequest, provider: LandmarkProvider, progress: Progress) -> list[Seen]:
    """Photos with the face to fit; unusable ones raise InputError, or are skipped with a note."""
    seen: list[Seen] = []
    for path in request.photos:
        try:
            if is_film(path):
                if request.landmarks is not None:
                    raise InputError(f"{path} is a film; --landmarks is for a photo, leave it out")
                found = film_photos(path, provider, progress, request.face)
            else:
                photo = load_photo(path)
                chosen = _face(photo, request, provider, progress)
                found = [(with_inset(photo, chosen.box), chosen)]
        except InputError as error:
            if not request.skip_bad:
                raise
            progress.note(f"left out: {error}")
            continue
        for note in dict.fromkeys(note for photo, _ in found for note in photo.notes):
            progress.note(f"{path}: {note}")
        seen += found
    if not seen:
        raise InputError(f"none of the {len(request.photos)} photos can be used")
    return seen


def _face(
    photo: Photo, request: FitRequest, provider: LandmarkProvider, progress: Progress
) -> FaceLandmarks:
    """The face to fit: from the user's file, or detected and chosen. Raises LandmarkError."""
    if request.landmarks is not None:
        return load_landmarks(request.landmarks, photo)
    with progress.stage("landmarks", 1) as stage:
        faces = provider.detect(photo)
        stage.step()
    return select_face(faces, request.face, photo.path)


def encode_faces(seen: Sequence[Seen], models: Models, settings: FitSettings) -> list[Seen]:
    """The faces with what the encoder's network says of them, if `settings.encoder` asks for it;
    those that came with it keep it, and those of which too much lies beyond the photo's edge stay
    without. Raises ModelError where the encoder cannot be read."""
    if not settings.encoder:
        return list(seen)
    return [
        (photo, face)
        if face.encoded is not None or _shown(photo, face) < SHOWN
        else (photo, replace(face, encoded=models.encoder.encode(photo, Frame.around(face.box))))
        for photo, face in seen
    ]


def _shown(photo: Photo, face: FaceLandmarks) -> float:
    """Share of the landmarks that lie in the photo."""
    inside = (face.points >= 0) & (
        face.points < face.points.new_tensor([photo.width, photo.height])
    )
    return float(inside.all(-1).float().mean())


def align_photos(
    seen: Sequence[Seen], head: HeadModel, progress: Progress | None = None,
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
    seen: Sequence[Seen], aligned: Sequence[Aligned], skip_bad: bool, progress: Progress
) -> list[int]:
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


def observed(seen: Sequence[Seen], aligned: Sequence[Aligned]) -> tuple[list[Observation], Tensor]:
    """What a session is made from, and the mean identity [1,K]."""
    observations = [
        Observation(photo, face, start.view)
        for (photo, face), start in zip(seen, aligned, strict=True)
    ]
    return observations, torch.stack([start.identity for start in aligned]).mean(0)


def as_aligned(
    observations: Sequence[Observation], head: HeadModel, identity: Tensor
) -> list[Observation]:
    """The observations with blinks that shut the lids of a person of `identity` [1,K] as far as
    those of the head model do, with which photos are aligned; see `fitme.head.lids`."""
    rest = head.shape(identity)[0]
    reaches = [(seam.blink, max(seam.reach(rest), 0.3)) for seam in lid_seams(head)]
    found = []
    for one in observations:
        expression = one.view.expression.clone()
        for blink, reach in reaches:
            expression[:, blink] = (expression[:, blink] / reach).clamp(0, 1)
        found.append(replace(one, view=replace(one.view, expression=expression)))
    return found
