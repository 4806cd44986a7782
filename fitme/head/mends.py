"""All mends of a head model's expressions."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from fitme.head.jaw import jaw_opening
from fitme.head.mend import Mend
from fitme.head.model import HeadModel
from fitme.head.rolled import rolled_lips
from fitme.head.tongue import lower_tongue
from fitme.runtime.kept import kept_with
from fitme.runtime.made_once import made_once


def mends(head: HeadModel) -> tuple[Mend, ...]:
    """Those of a head model, made once."""
    return kept_with(head, mends, lambda: _kept(head))


def _kept(head: HeadModel) -> tuple[Mend, ...]:
    """Of an earlier run, as far as there was one on a CPU."""
    if head.device.type != "cpu":
        return _made(head)
    names = [*head.expression_names, *head.part_names, *head.regions]
    tensors = (head.mean, head.expression, head.triangles, head.part, *head.regions.values())
    arrays = made_once(__file__, "mends", (" ".join(names), *tensors), lambda: _arrays(head))
    names = [item.name for item in fields(Mend)]
    found = ([arrays[f"{k}.{name}"] for name in names] for k in range(len(arrays) // len(names)))
    return tuple(Mend(*map(torch.from_numpy, one)) for one in found)


def _arrays(head: HeadModel) -> dict[str, Any]:
    return {
        f"{k}.{name}": value.numpy()
        for k, mend in enumerate(_made(head))
        for name, value in vars(mend).items()
    }


def _made(head: HeadModel) -> tuple[Mend, ...]:
    return (*jaw_opening(head), *rolled_lips(head), *lower_tongue(head))
