"""How far an avatar's eyes are from those of its photo: the iris' colour and the sharpness."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.fit.evidence.eye_places import Lids, placed, seen_eye
from fitme.fit.evidence.irises import IRIS, MATT, Ring
from fitme.head.parts import Role
from fitme.image.color import linear_to_lab, linear_to_srgb, luminance
from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.render.camera import Camera
from fitme.report.overlay import photo_window

AROUND = 1.6  # of the distance between the eyes' middles: what is looked at


def eye_numbers(
    avatar: Avatar, photo: Photo, index: int = 0, face: FaceLandmarks | None = None
) -> dict[str, float]:
    """CIE76 distance of the irises, worse and better eye, and Laplacian of luma within the eyes'
    opening, render over photo; NaN where no eye is seen. `face` is looked for where not given."""
    whole, posed = avatar.photos[index].view.camera(), avatar.posed(index)
    middles = whole.project(avatar.head.eye_centres(posed)[0][None])[0]
    face = face or _nearest(MediaPipeLandmarks().detect(photo), middles)
    side = AROUND * float((middles[0] - middles[1]).norm())
    pixels = max(64, round(side))
    matrix, corner = whole.K.clone(), middles.mean(0) - side / 2
    matrix[:, :2, 2] -= corner
    matrix[:, :2] *= pixels / side
    camera = Camera(matrix, whole.world_to_camera, pixels, pixels)
    marks = (face.points - corner) * pixels / side
    drawn_marks = camera.project(avatar.head.landmarks(posed))[0]
    shown = photo_window(photo, whole, camera)
    out = avatar.render(camera, avatar.photos[index].light, posed)
    apart, edges = [], []
    for part in avatar.head.parts_with(Role.EYE):
        own = out.part[0] == part.index
        eye = placed(out.uv[0], own)
        if eye is None:
            continue
        better = seen_eye(eye, shown, marks, drawn_marks, part.side)
        ring = Ring.of(better, Lids.of(marks, part.side), IRIS)
        drawn = ring.within(eye, own)
        if min(ring.share, drawn.share) > 0:
            colors = (
                ring.color(better, shown, MATT["iris"]),
                drawn.color(eye, out.color[0], MATT["iris"]),
            )
            first, second = (linear_to_lab(color) for color in colors)
            apart.append(float((first - second).norm()))
        edges.append(laplacian(out.color[0], own) / laplacian(shown, own))
    if not apart:
        return dict.fromkeys(("iris", "other iris", "sharpness"), float("nan"))
    return {
        "iris": max(apart), "other iris": min(apart), "sharpness": float(np.mean(edges)),
    }  # fmt: skip


def _nearest(faces: list[FaceLandmarks], middles: Tensor) -> FaceLandmarks:
    """The face whose eyes lie nearest to `middles` [2,2], photo pixels."""
    return min(faces, key=lambda face: float((face.points[468:].mean(0) - middles.mean(0)).norm()))


def laplacian(image: Tensor, where: Tensor) -> float:
    """Mean size of the Laplacian of an image's [n,n,3] display-encoded luma at pixels [n,n]."""
    luma = luminance(linear_to_srgb(image.clamp(0, 1)))
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    found = (4 * luma[1:-1, 1:-1] - around).abs()[where[1:-1, 1:-1]]
    return float(found.mean()) if len(found) else float(torch.nan)
