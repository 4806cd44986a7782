"""Fits of no photo: what one does is in the name of the first photo, such as `slow.png`.

`ok`, `slow` (until it is killed), `refuse`, `break`, `kill`. A result is a copy of `made`, a
directory of an avatar, where one is given; else a few small files.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fitme.runtime.errors import InputError
from fitme.runtime.files import atomic_directory
from fitme.runtime.progress import Watcher
from fitme.studio.order import Order


@dataclass(frozen=True)
class FakeFitter:
    """A `fitme.studio.order.Fitter`."""

    made: Path | None = None

    def get_ready(self) -> None:
        pass

    def fit(self, order: Order, progress: Watcher) -> None:
        photo = order.photos[0]
        with atomic_directory(order.out) as folder:
            progress.note(f"{photo}: noted")
            progress.watch(lambda: np.full((8, 8, 3), 90, np.uint8))
            with progress.stage("light", 4) as stage:
                stage.step(loss=1.0)
                what = photo.stem.split("_")[0]
                if what == "slow":
                    time.sleep(600)
                if what == "refuse":
                    raise InputError(f"{photo}: no face in <b>this</b>;\n give another")
                if what == "break":
                    raise RuntimeError("the fit is broken")
                if what == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
            if self.made is not None:
                shutil.copytree(self.made, folder, dirs_exist_ok=True)
                return
            (folder / "fit.json").write_text(f'{{"pid": {os.getpid()}}}')
            (folder / "avatar.glb").write_bytes(b"glTF")
            (folder / "report.html").write_text("<p>report")
            (folder / "secret.txt").write_text("not for the page")
