"""Whether W reaches real faces: portraits explained by the mean of W, and by a W of their own.

    python -m benchmarks.portraits ../shared/data/portraits --count 50 [--weights FILE ...]

Both get the same aligned head and as many steps for the light. Masked PSNR over the frontal face
(display-encoded), at 160 pixels; no tuning, no refinement. Several files of weights are compared on
the same alignments; with `--out` a row per portrait is written as JSON. Only portraits are taken
that `fitme.models.train.harvest` never learns from.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fitme.fit.align import Aligner
from fitme.fit.descent import Losses, descend
from fitme.fit.models import Models
from fitme.fit.observation import Observation, display
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings
from fitme.fit.stages.light import still
from fitme.fit.stages.start import start
from fitme.fit.terms.base import Step, priors, weighted
from fitme.fit.terms.photometric import appearance
from fitme.head.model import load_head
from fitme.image.photo import load_photo
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.select import select_face
from fitme.models.stylegan2 import load_generator
from fitme.models.train.harvest import held_out
from fitme.runtime.errors import FitmeError
from fitme.runtime.files import write_json
from fitme.runtime.memory import keep_large_blocks
from fitme.runtime.progress import SilentProgress

STEPS = 40
LIGHT = ("gray", "tint", "iris")


def explain(session: Session, identity: torch.Tensor, unknowns: Sequence[str]) -> float:
    """PSNR of the face after fitting the light and `unknowns`."""
    state = start(session, identity)
    crops, draw = still(session, state)
    settings = session.settings
    terms = appearance(settings.terms)

    def evaluate(_: int) -> Losses:
        out, maps = draw()
        shown = Step(session, state, crops, out, session.skin(out), maps)
        return weighted(terms, shown) | priors(settings.priors, state)

    rates = {name: getattr(settings.light.rates, name) for name in (*LIGHT, *unknowns)}
    descend("light", state.tensors(), rates, STEPS, evaluate, SilentProgress())
    with torch.no_grad():
        out, _ = draw()
        weight = session.skin(out)
        miss = display(out.color, crops.gray) - crops.display
        error = (miss.square().mean(-1) * weight).sum() / weight.sum()
    return -10 * math.log10(float(error))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--weights", type=Path, nargs="+", default=[None])
    parser.add_argument("--out", type=Path, metavar="JSON")
    args = parser.parse_args()
    keep_large_blocks()
    head, provider = load_head(), MediaPipeLandmarks()
    settings = FitSettings(mask=False)  # all of the face counts
    several = [Models(head, load_generator(weights), provider) for weights in args.weights]
    aligner = Aligner(head)
    paths = sorted(args.folder.glob("*.jpg"))
    rows, names = [], []
    for path in held_out(paths)[: args.count]:
        try:
            photo = load_photo(path)
            face = select_face(provider.detect(photo), None, path)
        except FitmeError as problem:
            print(problem)
            continue
        start = aligner.align(face, photo.width, photo.height, photo.focal_px)
        seen, identity = Observation(photo, face, start.view), start.identity.float()
        rows.append([
            [
                explain(Session(models, [seen], settings), identity, unknowns)
                for unknowns in ((), ("code",))
            ]
            for models in several
        ])  # fmt: skip
        names.append(path.name)
        cells = [f"mean W {mean:6.2f} dB   own W {own:6.2f} dB" for mean, own in rows[-1]]
        print(f"{path.name:20s} {'   |   '.join(cells)}", flush=True)
    table = np.array(rows)
    for index, weights in enumerate(args.weights):
        mean, own = table[:, index].T
        print(f"{weights or 'shipped'}: {len(rows)} portraits: mean W {np.median(mean):.2f} dB, "
              f"own W {np.median(own):.2f} dB, gain {np.median(own - mean):.2f} dB (median), "
              f"smallest {(own - mean).min():.2f} dB; own W over the first weights' "
              f"{np.median(own - table[:, 0, 1]):.2f} dB")  # fmt: skip
    if args.out:
        write_json(args.out, dict(zip(names, rows, strict=True)))


if __name__ == "__main__":
    main()
