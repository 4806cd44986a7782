"""How well heads sit on photos: a table of landmark errors and a sheet of overlays.

    python -m benchmarks.align ../shared/data/photos --sheet out/align_photos.png
    python -m benchmarks.align ../shared/data/portraits --landmarks-only

The error is the mean distance of the trusted landmarks over the interocular distance. With
`--landmarks-only` the pixels are not looked at, which suits hundreds of portraits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sheets import labelled
from fitme.fit.align import Aligner
from fitme.fit.faces import align_photos
from fitme.fit.models import Models
from fitme.fit.pipeline import fit_faces
from fitme.fit.settings import PRESETS
from fitme.image.photo import load_photo
from fitme.landmarks.select import select_face
from fitme.report.overlay import overlay_picture
from fitme.runtime.errors import FitmeError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, help="write the overlays of all photos here")
    parser.add_argument("--landmarks-only", action="store_true")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", nargs="*", help="stems of the photos to take")
    parser.add_argument("--skip", default="x_", help="skip names that start so (group pictures)")
    args = parser.parse_args()
    models = Models.load()
    aligner = Aligner(models.head)
    rows, errors, failures, seconds = [], [], [], []
    paths = [p for p in sorted(args.folder.iterdir()) if not p.name.startswith(args.skip)]
    if args.only:
        paths = [p for p in paths if p.stem in args.only]
    for path in paths[: args.limit]:
        start = time.perf_counter()
        try:
            photo = load_photo(path)
            face = select_face(models.landmarks.detect(photo), None, path)
            if args.landmarks_only:
                error = aligner.align(face, photo.width, photo.height, photo.focal_px).error
            else:
                seen = [(photo, face)]
                avatar = fit_faces(
                    seen, align_photos(seen, models.head), models, size=512,
                    settings=PRESETS["fast"],
                ).avatar  # fmt: skip
                error = avatar.photos[0].landmark_error
        except FitmeError as problem:
            failures.append(f"{path.name}: {problem}")
            continue
        errors.append(error)
        seconds.append(time.perf_counter() - start)
        print(f"{path.name:24s} {100 * error:5.2f} %  {seconds[-1]:5.1f} s", flush=True)
        if args.sheet and not args.landmarks_only:
            rows.append(labelled(overlay_picture(avatar, photo, size=320), path.stem))
    for line in failures:
        print("failed:", line)
    if errors:
        print(f"{len(errors)} photos, {len(failures)} failed; landmark error median "
              f"{100 * np.median(errors):.2f} %, 95 % {100 * np.quantile(errors, 0.95):.2f} %, "
              f"largest {100 * max(errors):.2f} %; median {np.median(seconds):.1f} s")  # fmt: skip
    if args.sheet and rows:
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows)).save(args.sheet)


if __name__ == "__main__":
    main()
