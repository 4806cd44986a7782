"""The hair of an avatar packed for the viewer: cards, bound to the skin, and their pictures."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.export.hair import ROUGHNESS, SPECULAR, dressed
from fitme.hair import kernels_draw as lobes
from fitme.hair.card_hinge import ROLL
from fitme.hair.dressed import Dressed
from fitme.hair.finish import arc_lengths
from fitme.hair.strands import FOLLOW_SKIN
from fitme.render.picture import to_bytes
from fitme.report.geometry import Packer

POSITION_STEP = 2e-5  # metres of a stored position; 16 bits reach 0.65 m
ATLAS_SIDE = 1024  # pixels
QUALITY = 84  # of WebP; cards are seen from afar


def packed_hair(avatar: Avatar, images: dict[str, str]) -> dict[str, Any] | None:
    """What `hair.js` reads, ready for JSON; None for an avatar with none. Pictures with alpha
    are added to `images` as data: URIs."""
    items = dressed(avatar)
    if not items:
        return None
    packer = Packer()
    meshes = []
    for item in items:
        name = item.cards.name
        images[f"{name}_cards"] = _webp(item)
        _pack(item, packer)
        columns = item.cards.columns
        meshes.append(
            {
                "name": name, "image": f"{name}_cards", "rows": columns.points.shape[1],
                "hinged": item.cards.hinge is not None, "roll": ROLL, "backed": item.cards.backed,
                "soft": item.cards.soft,
            }
        )  # fmt: skip
    return {
        "meshes": meshes,
        "step": POSITION_STEP,
        "roughness": ROUGHNESS,
        "specular": SPECULAR,
        "lobes": {
            "shiftR": lobes.SHIFT_R, "widthR": lobes.WIDTH_R, "strengthR": lobes.STRENGTH_R,
            "shiftTRT": lobes.SHIFT_TRT, "widthTRT": lobes.WIDTH_TRT,
            "strengthTRT": lobes.STRENGTH_TRT, "diffuse": lobes.DIFFUSE,
        },
        **packer.pack(),
    }  # fmt: skip


def _pack(item: Dressed, packer: Packer) -> None:
    """The arrays of one mesh, named after it."""
    cards = item.cards
    name, columns = cards.name, cards.columns
    wide = np.uint32 if len(cards.vertices) > 65535 else np.uint16
    packer.add(f"{name}_position", np.rint(cards.vertices / POSITION_STEP).astype(np.int16))
    packer.add(f"{name}_normal", _signed(cards.normals))
    along = np.gradient(columns.points, axis=1).reshape(-1, 3)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-12
    packer.add(f"{name}_along", _signed(along))
    packer.add(f"{name}_uv", np.rint(cards.uv.clip(0, 1) * 65535).astype(np.uint16))
    packer.add(f"{name}_visibility", np.rint(cards.visibility * 255).astype(np.uint8))
    packer.add(f"{name}_triangles", cards.triangles.astype(wide))
    packer.add(f"{name}_root", columns.anchor.triangles[columns.triangle].astype(np.uint16))
    packer.add(f"{name}_weight", columns.barycentric.astype(np.float32))
    follow = np.exp(-arc_lengths(columns.points) / FOLLOW_SKIN)
    packer.add(f"{name}_follow", np.rint(follow * 255).astype(np.uint8))
    if cards.hinge is not None:
        packer.add(f"{name}_eye", cards.hinge.eye.astype(np.uint8))


def _signed(vectors: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers in -1..1 as bytes, 128 for 0."""
    return np.rint(vectors * 127 + 128).astype(np.uint8)


def _webp(item: Dressed) -> str:
    atlas = item.atlas
    color = to_bytes(_tensor(atlas.color))
    alpha = np.rint(atlas.alpha[..., None] * 255).astype(np.uint8)
    stream = io.BytesIO()
    picture = Image.fromarray(np.concatenate([color, alpha], -1))
    picture.save(stream, "WEBP", quality=QUALITY, alpha_quality=70, method=4, exact=True)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
