"""The skin below hair, painted for meshes whose cards leave gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fitme.export.content import Exportable, on_cpu, skin_of
from fitme.hair import Kind
from fitme.hair.cover import PAINTED, cover, root_albedo
from fitme.reflectance.atlas import bake_vertex_field
from fitme.render import Material


def scalp_skin(avatar: Exportable) -> Material:
    """The skin's material with what one sees between the roots of the hair painted on its albedo:
    cards leave gaps that a bald head would shine through."""
    skin = skin_of(avatar)
    if avatar.hair is None or avatar.hair.style is None:
        return skin
    head = on_cpu(avatar.geometry).head
    mean = head.mean.numpy().astype(np.float32)
    strands = avatar.hair.strands(head, mean).of_kind(Kind.HAIR)
    share = torch.from_numpy(cover(strands))[:, None]
    size = skin.diffuse_albedo.shape[1]
    baked = PAINTED * bake_vertex_field(head, share, size)[None].to(skin.diffuse_albedo)
    root = torch.from_numpy(root_albedo(strands, avatar.hair.color)).to(baked)
    albedo = skin.diffuse_albedo + baked * (root - skin.diffuse_albedo)
    return replace(skin, diffuse_albedo=albedo)
