"""What a fit estimates: one identity and tone, and per photo a view and a light."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fitme.head import HeadModel
from fitme.light import Light
from fitme.reflectance import Tone
from fitme.view import View


@dataclass(frozen=True)
class FitState:
    """The current estimate of everything."""

    identity: Tensor  # [1, K]
    view: View
    tone: Tone
    light: Light

    def vertices(self, head: HeadModel) -> Tensor:
        """Posed vertices [1, V, 3] for the view's expression and gaze."""
        return self.view.posed(head, self.identity)
