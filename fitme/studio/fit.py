"""The real fit, in a worker that keeps its models between photos. What it needs is imported there,
so that the page's server starts at once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fitme.runtime.progress import SilentProgress, Watcher
from fitme.studio.order import Order

if TYPE_CHECKING:
    from fitme.fit.models import Models


@dataclass(frozen=True)
class PhotoFitter:
    """`fitme.fit_photos` with the choices of the page; a `Fitter`."""

    device: str = "auto"
    size: int = 1024  # texels

    def get_ready(self) -> None:
        from fitme.render.warm_up import warm_up
        from fitme.runtime.device import resolve_device

        device = resolve_device(self.device)
        warm_up(device, SilentProgress())
        _models(str(device))

    def fit(self, order: Order, progress: Watcher) -> None:
        from fitme.batch.fit import write_thumb
        from fitme.fit.api import fit_photos
        from fitme.fit.settings import choose_preset, override
        from fitme.runtime.device import resolve_device

        settings = choose_preset(order.preset)
        usual = order.hair == settings.hair
        fit_photos(
            order.photos,
            order.out,
            preset=order.preset if usual else override(settings, {"hair": order.hair}),
            size=self.size,
            device=self.device,
            progress=progress,
            models=_models(str(resolve_device(self.device))),
        )
        write_thumb(order.out)


@functools.lru_cache(maxsize=1)
def _models(device: str) -> Models:
    from fitme.fit.models import Models
    from fitme.runtime.memory import keep_large_blocks

    keep_large_blocks()
    return Models.load(device)
