"""Landmarks of a head's flat frontal picture, lifted onto its mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.foreign.heads import SKIN, ForeignHead
from fitme.head.model import HeadModel
from fitme.image.photo import Photo
from fitme.landmarks.face import SKIN_LANDMARKS, FaceLandmarks
from fitme.landmarks.provider import LandmarkProvider
from fitme.landmarks.select import select_face
from fitme.render import render
from fitme.render.camera import Camera, perspective
from fitme.render.light import Light

PIXELS = 768
DISTANCE_M, FOV_DEG = 1.2, 15.0
# Landmarks that lie farther than this from their median over the heads, on the shared topology,
# were lifted badly: an edge of the nose or the outline of the face was missed.
SPREAD_M = 0.006


def lifted_landmarks(
    heads: Sequence[ForeignHead], provider: LandmarkProvider, onto: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [478,3] on vertices `onto` [V,3], the median over the heads; which are sound [478].

    The heads share their topology, so a landmark found on one is a point of all.
    """
    places = np.stack([_lifted(head, provider, onto) for head in heads])  # [heads,478,3]
    found = np.isfinite(places[..., 0])
    middle = np.ma.median(np.ma.masked_invalid(places), axis=0).filled(np.nan)
    off = np.linalg.norm(places - middle, axis=-1)
    close = (found & (off < SPREAD_M)).sum(0)
    sound = close > 0.6 * len(heads)
    sound[SKIN_LANDMARKS:] = False
    return np.nan_to_num(middle), sound


@torch.no_grad()
def _lifted(head: ForeignHead, provider: LandmarkProvider, onto: np.ndarray) -> np.ndarray:
    """[478,3] on `onto`, NaN where a landmark does not lie on the skin."""
    eye = torch.tensor([[0.0, -0.03, DISTANCE_M]])
    camera = perspective(eye, torch.tensor([[0.0, -0.03, 0.0]]), FOV_DEG, PIXELS, PIXELS)
    out = render(head.mesh, head.materials, camera, Light.ambient(1.0))
    pixels = (out.color[0] + (1 - out.alpha[0]) * 0.3).clamp(0, 1)
    faces = provider.detect(Photo(Path(head.name), pixels))
    points = select_face(faces, None, head.name).points
    return on_triangles(head, points, out.rast[0, ..., 3], out.position[0], onto)


def on_triangles(
    head: ForeignHead, points: Tensor, triangle: Tensor, position: Tensor, onto: np.ndarray
) -> np.ndarray:
    """Pixels [N,2] of a picture of the head as points [N,3] of `onto`; NaN off the skin.

    `triangle` [H,W] is one more than the triangle seen there, 0 for none; `position` [H,W,3].
    """
    x, y = (points[:, k].floor().long().clamp(0, triangle.shape[1 - k] - 1) for k in (0, 1))
    index = triangle[y, x].long().numpy() - 1
    skin = (index >= 0) & (head.mesh.part.numpy()[index] == SKIN)
    corners = head.triangles[np.where(skin, index, 0)]
    weight = barycentric(position[y, x].double().numpy(), head.vertices[corners])
    placed = (weight[..., None] * onto[corners]).sum(1)
    placed[~skin] = np.nan
    return placed


def true_landmarks(
    found: FaceLandmarks, head: HeadModel, registered: np.ndarray, valid: np.ndarray, camera: Camera
) -> FaceLandmarks:
    """Landmarks without a landmarker's errors: the template's points on the registered head.

    `registered` [V,3] are its vertices on the foreign head, `valid` [V] which of them are; the
    others keep the place where they were `found`.
    """
    exact = camera.project(head.landmarks(torch.from_numpy(registered).float()[None]))[0]
    known = torch.from_numpy(valid)[head.triangles[head.landmark_triangles]].all(1)
    return replace(found, points=torch.where(known[:, None], exact, found.points))


def barycentric(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weights [N,3] of the corners [N,3,3] for points [N,3] in their planes."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = points - corners[:, 0]
    aa, ab, bb = (a * a).sum(1), (a * b).sum(1), (b * b).sum(1)
    pa, pb = (p * a).sum(1), (p * b).sum(1)
    scale = aa * bb - ab * ab
    v, w = (bb * pa - ab * pb) / scale, (aa * pb - ab * pa) / scale
    return np.stack([1 - v - w, v, w], -1)
