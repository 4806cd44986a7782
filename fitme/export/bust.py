"""A plain bust below the neck: shoulders and chest under a collar, so that a head is no cut neck.

A surface of rings about the neck: a collar that begins inside the neck's skin and lies over its
lower edge, then a cubic Bezier curve from there down every side to the outline of a chest. Collar
and skin move with the same weights, so nothing gapes when the neck bends.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fitme.export.joints import ROLES
from fitme.export.mesh import ExportMaterial, ExportMesh
from fitme.export.skin_weights import NearSkin

Floats = NDArray[np.float64]

NAME = "bust"
COLUMNS = {0: 128, 1: 88, 2: 56}  # around, by level of detail
CLOTH = ExportMaterial(
    "bust_material", base_color_factor=(0.085, 0.095, 0.11, 1.0), roughness_factor=0.9,
    specular_factor=0.6,
)  # fmt: skip  # linear, a cool dark grey; cloth shows half of a plain surface's highlight
_COLLAR = (  # metres up the neck from its edge, and off its skin: a rounded lip
    (0.004, -0.0015), (0.010, 0.0008), (0.0115, 0.0020), (0.0115, 0.0036), (0.010, 0.0050),
    (0.006, 0.0058), (0.000, 0.0062),
)  # fmt: skip
_HALF_MEAN_NECK = 0.0723  # metres, half the width of the mean head's lower edge: the bust's scale
_RINGS = 22  # from the collar to the lower edge
# Metres from the middle of the neck's edge, for the mean head: half the width of the shoulders,
# depth of chest and back, and heights of the outline's upper and lower end at front, side and back.
_WIDE, _CHEST, _BACK = 0.205, 0.105, 0.105
_SHOULDER, _FRONT_TOP, _BACK_TOP, _BOTTOM = -0.025, -0.085, -0.035, -0.25
_SQUARE = 2.6  # exponent of the outline: 2 is an ellipse
_FALL = 0.03  # metres that the curve follows the neck's skin down


def bust_mesh(skin: Floats, rim: NDArray[np.int64], around: NearSkin, level: int) -> ExportMesh:
    """The bust of a head with vertices `skin` [V,3] and the lower edge `rim` [R] of its skin."""
    edge, up, out = _edge(skin, rim, COLUMNS[level])
    collar = [edge + high * up + off * out for high, off in _COLLAR]
    centre = edge.mean(0)
    scale = float(np.clip(np.ptp(edge[:, 0]) / 2 / _HALF_MEAN_NECK, 0.85, 1.15))
    rings = [*collar, *_body(collar[-1], up, centre, scale)]
    vertices = np.concatenate([*rings, rings[-1].mean(0, keepdims=True)])
    weights = np.zeros((len(vertices), len(ROLES)))
    weights[:, ROLES.index("chest")] = 1.0
    held = len(collar) * len(edge)
    weights[:held] = around.at(vertices[:held])
    uv, uv_triangles = _texture(len(rings), len(edge))
    triangles = _triangles(len(rings), len(edge))
    return ExportMesh(NAME, vertices, triangles, CLOTH, uv, uv_triangles, joint_weights=weights)


def standing(bust: ExportMesh, floor: float) -> ExportMesh:
    """The bust with a triangle of 2 mm at the height `floor` in metres: what measures how far a
    body is from the ground, as TalkingHead does, finds one that stands on it."""
    first = len(bust.vertices)
    corners = np.array([[0, floor, 0.001], [-0.001, floor, -0.001], [0.001, floor, -0.001]])
    assert bust.joint_weights is not None and bust.uv is not None and bust.uv_triangles is not None
    return replace(
        bust,
        uv_triangles=np.concatenate([bust.uv_triangles, [[len(bust.uv) - 1] * 3]]),
        vertices=np.concatenate([bust.vertices, corners]),
        triangles=np.concatenate([bust.triangles, [[first, first + 1, first + 2]]]),
        joint_weights=np.concatenate([bust.joint_weights, bust.joint_weights[-1:].repeat(3, 0)]),
    )


def _edge(skin: Floats, rim: NDArray[np.int64], columns: int) -> tuple[Floats, Floats, Floats]:
    """The skin's lower edge at even angles, the way up along the skin and off it, [N,3] each."""
    from scipy.spatial import cKDTree

    loop = skin[rim]
    angle = np.arctan2(loop[:, 0] - loop[:, 0].mean(), loop[:, 2] - loop[:, 2].mean())
    order = np.argsort(angle)
    at = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    edge = np.stack([np.interp(at, angle[order], loop[order, k], period=2 * np.pi)
                     for k in range(3)], 1)  # fmt: skip
    edge = _smoothed(edge, 1)
    along = _unit(np.roll(edge, -1, 0) - np.roll(edge, 1, 0))
    # Up the skin: towards what lies next to the edge on it.
    distance, near = cKDTree(skin).query(edge, 24)
    off = skin[near] - edge[:, None]
    way = (off / (distance[..., None] + 1e-3)).mean(1)
    way -= (way * along).sum(1, keepdims=True) * along
    up = _unit(_smoothed(way, 4))
    out = np.cross(up, along)
    outwards = edge - edge.mean(0)
    return edge, up, out * np.sign((out * outwards).sum(1, keepdims=True))


def _body(start: Floats, up: Floats, centre: Floats, scale: float) -> list[Floats]:
    """Rings [N,3] from below the collar to the rounded lower edge."""
    off = start - centre
    angle = np.arctan2(off[:, 0] / _WIDE, off[:, 2] / _CHEST)
    sine, cosine = np.sin(angle), np.cos(angle)
    size = (np.abs(sine) ** _SQUARE + np.abs(cosine) ** _SQUARE) ** (-1 / _SQUARE)
    deep = np.where(cosine > 0, _CHEST, _BACK)
    outline = np.stack([_WIDE * sine * size, 0 * sine, deep * cosine * size - 0.01], 1)
    side = np.abs(sine * size) ** 3
    top = np.where(cosine > 0, _FRONT_TOP, _BACK_TOP)
    high = side * _SHOULDER + (1 - side) * top
    end = centre + scale * (outline + np.array([0, _BOTTOM, 0]))
    above = centre + scale * (outline * (1.08, 1, 1.1) + high[:, None] * np.array([0, 1.0, 0]))
    first = start - scale * _FALL * up
    rings = []
    for t in np.linspace(0, 1, _RINGS + 1)[1:]:
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        rings.append(a * start + b * first + c * above + d * end)
    middle = end.mean(0)
    for turn in (0.35, 0.7, 1.0):  # the lower edge, rounded by a centimetre
        angle_ = turn * np.pi / 2
        inward = 0.012 * (1 - np.cos(angle_))
        flat = _unit((middle - end) * (1, 0, 1))
        rings.append(end + inward * flat - np.array([0, 0.012 * np.sin(angle_), 0]))
    return rings


def _triangles(rings: int, columns: int) -> NDArray[np.int64]:
    """Between rings that follow one another, and from the last one to the point after it."""
    at = np.arange(columns)
    after = (at + 1) % columns
    out = []
    for ring in range(rings - 1):
        a, b = ring * columns, (ring + 1) * columns
        out.append(np.stack([a + at, b + at, b + after], 1))
        out.append(np.stack([a + at, b + after, a + after], 1))
    last = (rings - 1) * columns
    out.append(np.stack([last + at, np.full(columns, rings * columns), last + after], 1))
    return np.concatenate(out)


def _texture(rings: int, columns: int) -> tuple[Floats, NDArray[np.int64]]:
    """Texture coordinates, u around from the back and v down, for cloth of one's own; the line at
    the back is there twice."""
    u, v = np.meshgrid(np.arange(columns + 1) / columns, np.arange(rings) / rings)
    uv = np.concatenate([np.stack([u, v], -1).reshape(-1, 2), [[0.5, 1.0]]])
    at = np.arange(columns)
    wide = columns + 1
    out = []
    for ring in range(rings - 1):
        a, b = ring * wide, (ring + 1) * wide
        out.append(np.stack([a + at, b + at, b + at + 1], 1))
        out.append(np.stack([a + at, b + at + 1, a + at + 1], 1))
    last = (rings - 1) * wide
    out.append(np.stack([last + at, np.full(columns, rings * wide), last + at + 1], 1))
    return uv, np.concatenate(out)


def _smoothed(values: Floats, rounds: int) -> Floats:
    """Around the ring, with the neighbours."""
    for _ in range(rounds):
        values = values / 2 + (np.roll(values, 1, 0) + np.roll(values, -1, 0)) / 4
    return values


def _unit(values: Floats) -> Floats:
    unit: Floats = values / np.linalg.norm(values, axis=1, keepdims=True).clip(1e-9)
    return unit
