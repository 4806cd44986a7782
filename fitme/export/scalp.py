"""The skin below hair, painted for meshes whose cards leave gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fitme.export.content import Exportable, on_cpu, skin_of
from fitme.hair import HairColor, Kind, Strands
from fitme.hair.cover import PAINTED, cover, root_albedo
from fitme.head.model import HeadModel
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render import Material
from fitme.runtime.kept import kept_with


def scalp_skin(avatar: Exportable) -> Material:
    """The skin's material with what one sees between the roots of the hair painted on its albedo:
    cards leave gaps that a bald head would shine through."""
    skin = skin_of(avatar)
    if avatar.hair is None or avatar.hair.style is None:
        return skin
    head = on_cpu(avatar.geometry).head
    mean = head.mean.numpy().astype(np.float32)
    strands, size = avatar.hair.strands(head, mean), skin.diffuse_albedo.shape[1]
    color = avatar.hair.color
    made = kept_with(strands, ("scalp", color, size), lambda: _painted(strands, color, head, size))
    baked, root = (part.to(skin.diffuse_albedo) for part in made)
    albedo = skin.diffuse_albedo + baked * (root - skin.diffuse_albedo)
    return replace(skin, diffuse_albedo=albedo)


def _painted(
    strands: Strands, color: HairColor, head: HeadModel, size: int
) -> tuple[Tensor, Tensor]:
    """How much is painted [1,size,size,1], in 0..1, and in which colour [3]."""
    own = strands.of_kind(Kind.HAIR)
    share = torch.from_numpy(cover(own))[:, None]
    baked = PAINTED * bake_vertex_field(head, share, size)[None]
    return baked, torch.from_numpy(root_albedo(own, color))
