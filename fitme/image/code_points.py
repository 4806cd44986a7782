"""Colours in the space that code points of ITU-T H.273 name, to linear sRGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fitme.image.boxes import Nclx

Floats = NDArray[np.float32]

# x, y of red, green and blue, and of the white D65 (H.273 table 2).
_WHITE = (0.3127, 0.3290)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),  # BT.709, sRGB
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),  # PAL
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),  # NTSC
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_NAMES = {9: "BT.2020", 12: "Display P3"}
_PQ, _HLG, _LINEAR = 16, 18, 8
_WHITE_NITS = 203.0  # what white paper has in pictures of high range (ITU-R BT.2408)
_HLG_WHITE = 0.2650  # linear scene light of HLG at 75 % of the signal, which is that white
_STEPS = 256


def needs_conversion(space: Nclx) -> bool:
    """Whether colours in this space differ from sRGB: unknown code points count as it, and the
    curves of BT.709, which screens show as they show sRGB."""
    wide = _PRIMARIES.get(space.primaries, _PRIMARIES[1]) != _PRIMARIES[1]
    return wide or space.transfer in (_PQ, _HLG, _LINEAR)


def space_name(space: Nclx) -> str:
    """What a note calls the space."""
    curve = {_PQ: " PQ", _HLG: " HLG", _LINEAR: " linear"}.get(space.transfer, "")
    return _NAMES.get(space.primaries, f"primaries {space.primaries}") + curve


def curve(space: Nclx) -> Floats | None:
    """Linear values of the 256 codes; None where the curve is sRGB's. Brighter than white is 1."""
    code = np.arange(_STEPS) / (_STEPS - 1)
    if space.transfer == _LINEAR:
        light = code
    elif space.transfer == _PQ:  # SMPTE ST 2084
        m1, m2 = 2610 / 16384, 2523 / 32
        c1, c2, c3 = 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = 1e4 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) / _WHITE_NITS
    elif space.transfer == _HLG:  # ARIB STD-B67
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        light = light / _HLG_WHITE
    else:
        return None
    table: Floats = light.clip(0, 1).astype(np.float32)
    return table


def to_srgb_primaries(linear: Floats, space: Nclx) -> Floats:
    """Linear colours [H,W,3] of the space with sRGB's primaries, clipped to 0..1."""
    if space.primaries not in _PRIMARIES or space.primaries == 1:
        return linear
    matrix = np.linalg.inv(_to_xyz(1)) @ _to_xyz(space.primaries)
    converted: Floats = (linear @ matrix.T.astype(np.float32)).clip(0, 1)
    return converted


def _to_xyz(primaries: int) -> NDArray[np.float64]:
    """Matrix [3,3] from linear RGB to CIE XYZ, white at Y = 1."""
    columns: NDArray[np.float64] = np.array(
        [(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[primaries]]
    ).T
    x, y = _WHITE
    scale = np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
    matrix: NDArray[np.float64] = columns * scale
    return matrix
