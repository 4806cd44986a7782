"""All mends of a head model's expressions."""

from __future__ import annotations

from fitme.head.jaw import jaw_opening
from fitme.head.mend import Mend
from fitme.head.model import HeadModel
from fitme.head.rolled import rolled_lips
from fitme.head.tongue import lower_tongue
from fitme.runtime.kept import kept_with


def mends(head: HeadModel) -> tuple[Mend, ...]:
    """Those of a head model, made once."""
    return kept_with(
        head, mends, lambda: (*jaw_opening(head), *rolled_lips(head), *lower_tongue(head))
    )
