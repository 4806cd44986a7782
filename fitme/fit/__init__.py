"""Photos to avatars. The module itself can be called: `avatar = fitme.fit(["me.jpg"])`.

Read `pipeline.py` first: the main path, top to bottom. It runs the stages (`stages/`) in a
`Session`, which draws states beside the photos; a stage descends on terms (`terms/`); what the
photos say beyond the whole picture is in `evidence/`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitme.avatar.model import Avatar


class _Callable(ModuleType):
    """The package `fitme.fit`, which Python finds under the name of its main function."""

    def __call__(self, *args: Any, **options: Any) -> Avatar:
        """See `fitme.fit.api.fit`."""
        from fitme.fit.api import fit

        return fit(*args, **options)


sys.modules[__name__].__class__ = _Callable
