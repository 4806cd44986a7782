"""Assembles the template: mirrored head, eyes, mouth; parts, UVs, region masks, expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path as Polygon
from scipy.interpolate import make_interp_spline
from scipy.spatial import cKDTree

from fitme.head.curves import smoothstep
from fitme.head.model import ARKIT_NAMES
from fitme.models.train import ict as ict_data
from fitme.models.train.atlas import MIDLINE, HalfHead, frontal_weight
from fitme.models.train.interior import EYE_SECTORS, Part, eyeball, mouth_cavity
from fitme.models.train.mouth import gums_and_tongue, teeth
from fitme.models.train.remesh import HalfTemplate

# Multi-PIE landmarks of the ICT mesh (data README): left brow and left outer lip, midline first.
BROW_LEFT = (3615, 4240, 4114, 2734, 2509)
OUTER_LIP_LEFT = (5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841)


@dataclass(frozen=True)
class Template:
    """Own mesh with the ICT model's linear basis carried over."""

    basis: np.ndarray  # [158, V, 3] neutral, 100 identity, 57 expression
    triangles: np.ndarray
    uv: np.ndarray
    uv_triangles: np.ndarray
    part: np.ndarray  # [T]
    part_names: tuple[str, ...]
    regions: dict[str, np.ndarray]  # name -> [V]
    mirror: np.ndarray  # [V]
    rims: dict[str, np.ndarray]  # "eye_L", "eye_R", "lips": vertex runs on the head
    eye_ring: np.ndarray  # [2, R]


def assemble(
    model: ict_data.IctModel, half: HalfHead, uv: np.ndarray, own: HalfTemplate
) -> Template:
    """Mirror the half template and add the inner parts."""
    head, mirror, rims, masks = _mirrored_head(half, uv, own)
    lips = rims["lips"]
    crowns = teeth(model)
    sheet = gums_and_tongue(model, crowns.basis[0])
    parts = [
        head,
        eyeball(model, "L"),
        eyeball(model, "R"),
        mouth_cavity(model, head.basis[:, lips]),
        crowns,
        sheet.part,
    ]
    vertex_start = np.cumsum([0] + [p.basis.shape[1] for p in parts])
    uv_start = np.cumsum([0] + [len(p.uv) for p in parts])
    triangles = [p.triangles + s for p, s in zip(parts, vertex_start[:-1], strict=True)]
    uv_triangles = [p.uv_triangles + s for p, s in zip(parts, uv_start[:-1], strict=True)]
    count = int(vertex_start[-1])
    regions = {}
    for name, mask in masks.items():
        regions[name] = np.zeros(count)
        regions[name][: len(mask)] = mask
    regions["mouth_inside"] = np.zeros(count)
    regions["mouth_inside"][vertex_start[3] :] = 1.0
    regions["tongue"] = np.zeros(count)
    regions["tongue"][vertex_start[5] :] = sheet.tongue
    full_mirror = np.arange(count)
    full_mirror[: len(mirror)] = mirror
    # Eye rings start after the pole; the ring at a polar angle of 90 degrees is the equator.
    equator = _equator(parts[1], EYE_SECTORS)
    eye_ring = np.stack([vertex_start[k] + equator for k in (1, 2)])
    return Template(
        basis=np.concatenate([p.basis for p in parts], axis=1),
        triangles=np.concatenate(triangles),
        uv=np.concatenate([p.uv for p in parts]),
        uv_triangles=np.concatenate(uv_triangles),
        part=np.repeat(np.arange(len(parts)), [len(p.triangles) for p in parts]),
        part_names=tuple(p.name for p in parts),
        regions=regions,
        mirror=full_mirror,
        rims=rims,
        eye_ring=eye_ring,
    )


def _equator(eye: Part, sectors: int) -> np.ndarray:
    """The ring of eyeball vertices widest around the gaze axis."""
    rings = eye.basis[0][1:].reshape(-1, sectors, 3)
    width = np.ptp(rings[:, :, 0], axis=1)
    return 1 + int(np.argmax(width)) * sectors + np.arange(sectors)


def _mirrored_head(
    half: HalfHead, uv: np.ndarray, own: HalfTemplate
) -> tuple[Part, np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    neutral = own.weights @ half.vertices
    count = len(neutral)
    shared = np.abs(neutral[:, 0]) < MIDLINE
    twin = np.arange(count)
    twin[~shared] = count + np.arange((~shared).sum())
    left = np.stack([own.weights @ b for b in half.basis_left])
    right = np.stack([own.weights @ b for b in half.basis_right])
    basis = np.concatenate([left, right[:, ~shared]], axis=1)
    mirror = np.concatenate([twin, np.flatnonzero(~shared)])

    front = shared & (np.abs(own.uv[:, 0] - 0.5) < 1e-9)
    uv_twin = np.arange(count)
    uv_twin[~front] = count + np.arange((~front).sum())
    full_uv = np.concatenate([own.uv, (own.uv * [-1, 1] + [1, 0])[~front]])
    triangles = np.concatenate([own.triangles, twin[own.triangles][:, ::-1]])
    uv_triangles = np.concatenate([own.triangles, uv_twin[own.triangles][:, ::-1]])

    lips = own.rims["lips"]
    rims = {
        "eye_L": own.rims["eye"],
        "eye_R": twin[own.rims["eye"]],
        "nostril_L": own.rims["nostril"],
        "nostril_R": twin[own.rims["nostril"]],
        "lips": np.concatenate([lips, twin[lips][-2:0:-1]]),
    }
    masks = region_masks(half, uv, own, neutral)
    masks = {k: np.concatenate([m, m[~shared]]) for k, m in masks.items()}
    return Part("head", basis, triangles, full_uv, uv_triangles), mirror, rims, masks


def region_masks(
    half: HalfHead, uv: np.ndarray, own: HalfTemplate, neutral: np.ndarray
) -> dict[str, np.ndarray]:
    """Soft masks on the half template, {name: [N]} in 0..1."""
    x, y, z = neutral[:, 0], neutral[:, 1], neutral[:, 2]

    def distance(points: np.ndarray) -> np.ndarray:
        return cKDTree(points).query(neutral)[0]

    def inside(loop: np.ndarray) -> np.ndarray:
        return Polygon(loop).contains_points(own.uv)

    eye = neutral[own.rims["eye"]]
    lids = smoothstep(0.0075, 0.0045, distance(_dense(eye, closed=True)))
    outline = _lip_outline(half, uv, own)
    border = cKDTree(_dense(outline[1:-1], closed=False)).query(own.uv)[0]
    lips = smoothstep(-0.0045, 0.0045, np.where(inside(outline), border, -border))  # about 1.3 mm
    nostril = inside(own.uv[own.rims["nostril"]]).astype(float)
    nostril[own.rims["nostril"]] = 0.5
    brow = _landmark_positions(half, BROW_LEFT)
    brow = _dense(brow[np.argsort(brow[:, 0])], closed=False) - [0, 0.0015, 0]
    brows = smoothstep(0.0060, 0.0035, distance(brow))
    nose_width = np.interp(y, [-0.016, 0.0, 0.02, 0.038], [0.020, 0.021, 0.013, 0.009])
    nose = smoothstep(0.002, -0.002, x - nose_width) * smoothstep(-0.015, -0.009, y)
    nose = nose * smoothstep(0.040, 0.034, y) * smoothstep(0.088, 0.095, z)
    ears = smoothstep(0.064, 0.070, x) * smoothstep(-0.045, -0.037, y)
    ears = (
        ears
        * smoothstep(0.058, 0.05, y)
        * smoothstep(-0.045, -0.035, z)
        * smoothstep(0.022, 0.015, z)
    )
    face = frontal_weight(neutral)
    neck = smoothstep(-0.055, -0.075, y) * (1 - face)
    behind = smoothstep(0.03, 0.01, z) * smoothstep(-0.06, -0.045, y)
    scalp = np.maximum(smoothstep(0.088, 0.100, y), behind) * (1 - ears) * (1 - neck)
    skin = (1 - lips) * (1 - scalp)
    return {
        "skin": skin, "face": face, "lips": lips, "brows": brows, "lids": lids, "nose": nose,
        "nostrils": nostril, "ears": ears, "neck": neck, "scalp": scalp,
    }  # fmt: skip


def _dense(points: np.ndarray, closed: bool) -> np.ndarray:
    ring = np.concatenate([points, points[:1]]) if closed else points
    t = np.linspace(0, 1, 9)[:-1, None, None]
    return ((1 - t) * ring[:-1] + t * ring[1:]).reshape(-1, points.shape[1])


def _landmark_positions(half: HalfHead, indices: Sequence[int]) -> np.ndarray:
    """Positions [N, 3] of ICT vertices, folded onto the left half."""
    return np.abs(half.source[list(indices)] * [1, 0, 0]) + half.source[list(indices)] * [0, 1, 1]


def _lip_outline(half: HalfHead, uv: np.ndarray, own: HalfTemplate) -> np.ndarray:
    """Closed UV polygon of the left half of the lips' red, [N, 2]."""
    points = half.source[list(OUTER_LIP_LEFT)]
    points = points[points[:, 0] > -1e-4]
    _, nearest = cKDTree(half.vertices).query(points)
    top = nearest[(points[:, 1] > points[np.argmax(points[:, 0]), 1])]
    bottom = nearest[(points[:, 1] < points[np.argmax(points[:, 0]), 1])]
    corner = nearest[np.argmax(points[:, 0])]
    top = top[np.argsort(uv[top, 0])]
    bottom = bottom[np.argsort(-uv[bottom, 0])]
    run = uv[np.concatenate([top, [corner], bottom])]
    t = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(run, axis=0), axis=1))])
    upper = make_interp_spline(t[: len(top) + 1], run[: len(top) + 1], k=min(3, len(top)))
    lower = make_interp_spline(t[len(top) :], run[len(top) :], k=min(3, len(bottom)))
    curve = np.concatenate(
        [upper(np.linspace(0, t[len(top)], 40)), lower(np.linspace(t[len(top)], t[-1], 40))]
    )
    return np.concatenate([[[0.499, curve[0, 1]]], curve, [[0.499, curve[-1, 1]]]])


def arkit_expressions(model: ict_data.IctModel, template: Template) -> np.ndarray:
    """The 52 ARKit shapes [52, V, 3] from the 57 ICT ones, in `ARKIT_NAMES` order.

    ICT splits browInnerUp and cheekPuff by side, and has no tongueOut: that one is modelled.
    """
    offsets = template.basis[101:]
    by_name = dict(zip(model.expression_names, offsets, strict=True))

    def shape(name: str) -> np.ndarray:
        if name in ("browInnerUp", "cheekPuff"):
            return by_name[f"{name}_L"] + by_name[f"{name}_R"]
        if name == "tongueOut":
            return tongue_out(template)
        return by_name[name.replace("Left", "_L").replace("Right", "_R")] if name not in (
            "jawLeft", "jawRight", "mouthLeft", "mouthRight",
        ) else by_name[name]  # fmt: skip

    return symmetric_pairs(np.stack([shape(name) for name in ARKIT_NAMES]), template)


def symmetric_pairs(shapes: np.ndarray, template: Template) -> np.ndarray:
    """Make left and right shapes [52, V, 3] exact mirror images on the head, and the others
    symmetric; the scans behind them differ by half a millimetre."""

    def twin(name: str) -> str:
        for word, other in (("Left", "Right"), ("Right", "Left")):
            if name.endswith(word):
                return name[: -len(word)] + other
        return name

    partner = [ARKIT_NAMES.index(twin(name)) for name in ARKIT_NAMES]
    mirrored = shapes[partner][:, template.mirror] * [-1, 1, 1]
    head = np.unique(template.triangles[template.part == 0])
    out = shapes.copy()
    out[:, head] = 0.5 * (shapes + mirrored)[:, head]
    return out


# The tongue put out: its middle line past the lower teeth and over the lip, y and z in metres.
TONGUE_ROOT, TONGUE_TIP, TONGUE_MIDDLE = 0.055, 0.0975, -0.0393
TONGUE_PATH = np.array(
    [[-393, 550], [-385, 640], [-345, 800], [-302, 950], [-286, 1050], [-288, 1140], [-318, 1200],
     [-378, 1250], [-440, 1275]]
) * 1e-4  # fmt: skip


def tongue_out(template: Template) -> np.ndarray:
    """Offsets [V, 3] that bend the tongue along `TONGUE_PATH`, longer, narrower and thinner."""
    share = smoothstep(0.2, 0.7, template.regions["tongue"])
    moved = np.flatnonzero(share)
    x, y, z = template.basis[0][moved].T
    step = np.linalg.norm(np.diff(TONGUE_PATH, axis=0), axis=1)
    path = make_interp_spline(np.concatenate([[0], np.cumsum(step)]), TONGUE_PATH, k=3)
    length, before = step.sum(), TONGUE_TIP - TONGUE_ROOT
    along = np.clip((z - TONGUE_ROOT) / before, 0, 1)
    at = before * along + (length - before) * smoothstep(0, 1, along)
    place, course = path(at), path(at, 1)
    course /= np.linalg.norm(course, axis=1, keepdims=True)
    height = (y - TONGUE_MIDDLE) * (1 - 0.48 * smoothstep(0.0, 0.6, along))
    beyond = z - TONGUE_ROOT - before * along  # behind the root and past the tip nothing is bent
    target = np.stack(
        [
            x * (1 - 0.2 * smoothstep(0.1, 0.6, along) + 0.3 * smoothstep(0.6, 1.0, along)),
            place[:, 0] + height * course[:, 1] + beyond * course[:, 0],
            place[:, 1] - height * course[:, 0] + beyond * course[:, 1],
        ],
        axis=1,
    )
    offsets = np.zeros_like(template.basis[0])
    offsets[moved] = share[moved, None] * (target - template.basis[0][moved])
    return offsets
