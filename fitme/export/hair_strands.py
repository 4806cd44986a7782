"""Hair as curves: one file of numbers, and a script that makes curves of it in Blender."""

from __future__ import annotations

import io
from importlib.resources import files as package_files

import numpy as np

from fitme.export.content import Exportable, on_cpu

FILE = "hair_strands.npz"
SCRIPT = "hair_strands_blender.py"


def strand_files(avatar: Exportable, engine: str) -> dict[str, bytes]:
    """hair_strands.npz with points [N,K,3] in metres (+Y up, root first, on the neutral head),
    half_width [N,K] in metres, color [N,K,3] linear and kind [N] (0 hair, 1 beard); for Blender
    its script as well. Nothing for an avatar without hair."""
    if not avatar.hair:
        return {}
    geometry = on_cpu(avatar.geometry)
    neutral = geometry.vertices()[0].numpy().astype(np.float32)
    strands = avatar.hair.strands(geometry.head, neutral)
    stream = io.BytesIO()
    np.savez_compressed(
        stream, points=strands.points, half_width=strands.half_width.astype(np.float32),
        color=avatar.hair.color.albedo(strands), kind=strands.kind,
    )  # fmt: skip
    out = {FILE: stream.getvalue()}
    if engine == "blender":
        out[SCRIPT] = (package_files("fitme.export") / SCRIPT).read_bytes()
    return out
