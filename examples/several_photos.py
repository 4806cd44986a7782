"""Several photos of one person: python examples/several_photos.py out/me front.jpg left.jpg ...

One frontal photo and one from each side give the best shape; light and expression may differ.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import fitme
from fitme.fit.settings import FitSettings
from fitme.runtime.progress import TqdmProgress


def main(
    out: Path, photos: Sequence[Path], preset: str | FitSettings = "default", size: int = 1024
) -> fitme.Avatar:
    """Fit all photos at once and write the avatar with its renders and overlays to `out`."""
    summary = fitme.fit_photos(
        photos,
        out,
        preset=preset,
        size=size,
        skip_bad=True,  # go on without photos that show no usable face
        overwrite=True,
        progress=TqdmProgress(),
    )
    for seen in summary.avatar.photos:
        weights = dict(zip(summary.avatar.head.expression_names, seen.view.expression[0].tolist(),
                           strict=True))  # fmt: skip
        strongest = sorted(weights, key=weights.__getitem__)[-3:]
        print(f"{seen.path}: {', '.join(f'{n} {weights[n]:.2f}' for n in reversed(strongest))}")
    return summary.avatar


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
