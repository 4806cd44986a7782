"""Levels of detail: the same head with fewer triangles.

A level keeps a subset of the vertices and of the texture coordinates and lists new triangles
between them, so identities, expressions, textures and masks of the full head hold for it as they
are. `models/train/lods.py` makes the levels of the template that comes with fitme.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from fitme.head.model import HeadModel
from fitme.runtime.errors import InputError

LEVELS = (0, 1, 2)
LEVELS_FILE = "head_lods.safetensors"


def template_fingerprint(head: HeadModel) -> str:
    """32 hexadecimal digits of what levels depend on: triangles, texture coordinates, parts."""
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (head.triangles, head.uv_triangles, head.part):
        digest.update(tensor.cpu().int().numpy().tobytes())
    digest.update("\n".join(head.part_names).encode())
    return digest.hexdigest()


def head_level(head: HeadModel, level: int, file: Path | None = None) -> HeadModel:
    """The head with the triangles of one level; 0 is the head itself, 1 about half, 2 a fifth.

    Vertices [V, 3] and texture coordinates [U, 2] stay as they are, used or not; landmarks are
    left out. Raises InputError for an unknown level and for a template without levels.
    """
    from fitme.models import weight_path

    if level not in LEVELS:
        raise InputError(f"level of detail {level}: there are 0 (full), 1 and 2; give one of them")
    if level == 0:
        return head
    path = weight_path(LEVELS_FILE) if file is None else file
    try:
        with safe_open(str(path), framework="pt") as stored:
            made_for = (stored.metadata() or {}).get("head")
            names = ("triangles", "uv_triangles", "part")
            triangles, uv_triangles, part = (
                stored.get_tensor(f"{name}.{level}").long().to(head.device) for name in names
            )
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: no readable levels of detail ({error}); reinstall fitme"
        ) from error
    if made_for != template_fingerprint(head):
        raise InputError(
            "levels of detail exist for the head model that comes with fitme only; use --lod 0"
        )
    no_landmarks: dict[str, Any] = {
        "landmark_triangles": head.landmark_triangles[:0],
        "landmark_barycentric": head.landmark_barycentric[:0],
        "landmark_weight": head.landmark_weight[:0],
    }
    return replace(head, triangles=triangles, uv_triangles=uv_triangles, part=part, **no_landmarks)
