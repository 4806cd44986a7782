"""The head of an avatar packed for the viewer: arrays in one compressed block.

The viewer poses, and makes normals and tangents, as `fitme.head.model` and
`fitme.render.geometry` do; so all it needs are the neutral head, its corners and the expressions'
offsets.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.avatar.model import Avatar
from fitme.export.frames import split_corners
from fitme.head.mesh import BRIGHT, INNER_LIPS, between_lids, in_the_mouth
from fitme.head.parts import Role
from fitme.landmarks.face import LANDMARKS

TRANSFER_STEP = 0.0027  # of the viewer's transfer; its largest number is 0.33
SMALLEST_OFFSET = 1e-5  # metres; what moves less stays where it is


class Packer:
    """Arrays put one after the other; remembers where each lies and what it is."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.length = 0
        self.arrays: dict[str, list[Any]] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Add a little-endian float32, int16, uint16, uint32, uint8 or int8 array under a name."""
        data = np.ascontiguousarray(array).tobytes()
        self.arrays[name] = [array.dtype.name, self.length, int(array.size)]
        data += b"\0" * (-len(data) % 4)  # typed arrays must start at a multiple of their size
        self.chunks.append(data)
        self.length += len(data)

    def pack(self) -> dict[str, Any]:
        """{"arrays": {name: [type, first byte, count]}, "data": base64 of zlib's bytes}."""
        packed = zlib.compress(b"".join(self.chunks), 6)
        return {"arrays": self.arrays, "data": base64.b64encode(packed).decode()}


def packed_geometry(avatar: Avatar) -> dict[str, Any]:
    """Neutral head, corners, parts, expressions and eyes of an avatar, ready for JSON.

    Corners are what a GPU calls vertices: pairs of a vertex and a texture coordinate. Triangles
    are sorted by part; "parts" says which are whose. Offsets of an expression are 16-bit steps of
    its own scale in metres, at vertices whose indices are stored as differences.
    """
    head = avatar.head
    part, triangles = head.part.cpu().numpy(), head.triangles.cpu().numpy()
    # Sorted by part; those that name a vertex twice have no area and would be dropped below.
    order = np.argsort(part, kind="stable")
    order = order[(triangles != np.roll(triangles, 1, axis=1)).all(axis=1)[order]]
    uv = head.uv.cpu().numpy().astype(np.float32)
    corners = split_corners(triangles[order], uv, head.uv_triangles.cpu().numpy()[order])
    wide = np.uint32 if len(corners.vertex) > 65535 else np.uint16
    packer = Packer()
    neutral = avatar.neutral()
    packer.add("positions", neutral[0].cpu().numpy().astype(np.float32))
    packer.add("cornerVertex", corners.vertex.astype(wide))
    packer.add("triangles", corners.triangles.astype(wide))
    packer.add("uv", uv[corners.uv])
    packer.add("handedness", (corners.handedness > 0).astype(np.uint8))
    occlusion, transfer = between_lids(head, neutral, head.occlusion, head.transfer)
    packer.add("occlusion", occlusion.cpu().numpy().astype(np.float32))
    if transfer is not None:
        steps = (transfer.cpu().numpy() / TRANSFER_STEP).round()
        packer.add("transfer", steps.clip(-127, 127).astype(np.int8))
    if len(head.landmark_triangles) >= LANDMARKS:
        index, behind = in_the_mouth(head)
        lips = head.landmark_triangles[list(INNER_LIPS)]
        packer.add("mouthVertex", index.cpu().numpy().astype(wide))
        packer.add("mouthBehind", behind.cpu().numpy().astype(np.float32))
        packer.add("lipVertex", head.triangles[lips].cpu().numpy().astype(wide))
        weights = head.landmark_barycentric[list(INNER_LIPS)]
        packer.add("lipWeight", weights.cpu().numpy().astype(np.float32))
    eyes: list[str] = []
    if len(head.eye_ring):
        packer.add("eyeRing", head.eye_ring.cpu().numpy().astype(wide))
        for eye in sorted(head.parts_with(Role.EYE), key=lambda part: part.side):
            used = head.part_vertices(eye.name).cpu().numpy().astype(wide)
            packer.add(f"vertices_{eye.name}", used)
            eyes.append(eye.name)
    counts = np.bincount(part[order], minlength=len(head.part_names))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return {
        "parts": [
            {
                "name": part.name,
                "first": int(first),
                "count": int(count),
                "allShapes": part.is_skin,  # others have those that move them
                "doubleSided": part.is_inside_mouth,
                "eye": eyes.index(part.name) if part.name in eyes else None,
            }
            for part, first, count in zip(head.parts, starts, counts, strict=True)
        ],
        "eyes": eyes,
        "mouthBright": BRIGHT,
        "expressions": _pack_expressions(avatar, packer),
        **packer.pack(),
    }


def _pack_expressions(avatar: Avatar, packer: Packer) -> list[dict[str, Any]]:
    """Names, scales (metres per step) and counts of all expressions; their arrays are packed."""
    offsets = avatar.geometry.expression_offsets().cpu().numpy()
    described, indices, steps = [], [], []
    for name, offset in zip(avatar.head.expression_names, offsets, strict=True):
        moved = np.flatnonzero(np.linalg.norm(offset, axis=1) > SMALLEST_OFFSET)
        scale = float(np.abs(offset).max(initial=0.0)) / 32767 or 1.0
        described.append({"name": name, "scale": scale, "count": len(moved)})
        indices.append(np.diff(moved, prepend=0).astype(np.uint16))
        # x of all vertices, then y, then z: neighbours are alike, which compresses better.
        steps.append(np.rint(offset[moved] / scale).astype(np.int16).T.reshape(-1))
    packer.add("expressionIndex", np.concatenate(indices))
    packer.add("expressionOffset", np.concatenate(steps))
    return described
