"""Nostrils are dark inside, and nothing else of the skin changes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F

from fitme.fit.stages.nostrils import line_nostrils
from fitme.head.model import load_head
from fitme.models.stylegan2 import ReflectanceMaps
from fitme.reflectance.atlas import bake_vertex_field


def test_only_the_inside_of_the_nostrils_changes() -> None:
    head, size = load_head(), 256
    session: Any = SimpleNamespace(head=head)
    flat = torch.zeros(1, size, size, 3)
    maps = ReflectanceMaps(flat + 0.5, flat[..., :1] + 0.03, flat)
    made = line_nostrils(session, maps)
    share = (made.diffuse_albedo / maps.diffuse_albedo)[0]
    region = bake_vertex_field(head, head.regions["nostrils"][:, None], size)[..., 0]
    depth = bake_vertex_field(head, head.occlusion[:, None], size)[..., 0]
    inside = (region > 0.9) & (depth < 0.05)
    assert inside.sum() > 50 and share[inside].max() < 0.3
    far = F.max_pool2d(region[None], 5, 1, 2)[0] == 0
    assert far.float().mean() > 0.9 and (share[far] == 1).all()
    assert (share[inside][:, 0] > share[inside][:, 2]).all()  # red
    assert made.specular_albedo[0][inside].max() < 0.01


def test_a_head_without_nostrils_is_left_alone() -> None:
    session: Any = SimpleNamespace(head=SimpleNamespace(regions={}))
    flat = torch.rand(1, 8, 8, 3)
    maps = ReflectanceMaps(flat, flat, flat)
    assert line_nostrils(session, maps) is maps
