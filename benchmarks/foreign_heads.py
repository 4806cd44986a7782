"""Geometry and camera on photos of heads that are no shapes of the head model's makers.

    python -m benchmarks.foreign_heads --data ../shared/data/valid_heads --align-only
    python -m benchmarks.foreign_heads --data ../shared/data/valid_heads --preset fast --size 512

11 photographed faces of the VALID avatar library, two photos each by the project's renderer, with
lenses of 24 to 85 mm and no EXIF. `--align-only` measures what the landmarks alone say (a second
per photo); `--true-landmarks` and `--true-lens` say what they would with a perfect landmarker, and
with EXIF. Errors stand beside those of the mean head; below it is what a fit is for. Photos and
the registration of the template are kept in `--out`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from benchmarks.foreign.heads import FACES, ForeignHead, load_heads
from benchmarks.foreign.lifting import true_landmarks
from benchmarks.foreign.photos import ForeignPhoto, take_photos
from benchmarks.foreign.registration import Registration, registration
from benchmarks.foreign.score import Judge, Row
from benchmarks.regions import REGIONS
from benchmarks.sheets import labelled
from fitme.fit.align import Aligner
from fitme.fit.faces import align_photos, encode_faces
from fitme.fit.models import Models
from fitme.fit.pipeline import fit_faces
from fitme.fit.settings import choose_preset, override
from fitme.head.view import View
from fitme.image.photo import load_photo
from fitme.landmarks.select import select_face
from fitme.report.overlay import overlay_picture
from fitme.runtime.errors import FitmeError
from fitme.runtime.memory import keep_large_blocks

SHOWN = (
    "fov true", "fov fitted", "focal ratio", "turn deg", "surface mm", "mean's mm", "ratio",
    "nearest all", "corresponding all", "seconds",
)  # fmt: skip


class Fitter:
    """Photos to neutral vertices and views, by the landmarks alone or by the whole fit."""

    def __init__(self, args: argparse.Namespace, models: Models, laid: Registration) -> None:
        self.models, self.laid, self.size = models, laid, args.size
        self.settings = override(
            choose_preset(args.preset), dict(item.split("=") for item in args.set)
        )
        self.aligner = Aligner(models.head) if args.align_only else None
        self.true_landmarks: bool = args.true_landmarks
        self.true_lens: bool = args.true_lens
        self.pictures: Path = args.out / "fits"

    def fit(self, path: Path, head: ForeignHead, taken: ForeignPhoto) -> tuple[Tensor, View]:
        """Neutral vertices [V,3] and the view of a photo. Raises FitmeError."""
        photo = load_photo(path)
        face = select_face(self.models.landmarks.detect(photo), None, path)
        ((photo, face),) = encode_faces([(photo, face)], self.models, self.settings)
        if self.true_lens:
            photo = replace(photo, focal_px=taken.focal_px)
        if self.true_landmarks:
            laid = self.laid
            face = true_landmarks(
                face, self.models.head, laid.vertices(head), laid.valid, taken.camera()
            )
        if self.aligner:
            found = self.aligner.align(face, photo.width, photo.height, photo.focal_px)
            return self.models.head.shape(found.identity)[0], found.view
        seen = [(photo, face)]
        fitted = fit_faces(
            seen, align_photos(seen, self.models.head), self.models, size=self.size,
            settings=self.settings,
        )  # fmt: skip
        self.pictures.mkdir(parents=True, exist_ok=True)
        strip = overlay_picture(fitted.avatar, photo, size=480)
        Image.fromarray(labelled(strip, path.stem)).save(self.pictures / f"{path.stem}.png")
        return fitted.avatar.neutral()[0], fitted.avatar.photos[0].view


def measured(
    fitter: Fitter, judge: Judge, heads: list[ForeignHead], photos: list[ForeignPhoto], folder: Path
) -> dict[str, Row]:
    """A row per photo, printed as it comes."""
    by_name = {head.name: head for head in heads}
    print(f"{'':28s}" + "".join(f"{name:>18s}" for name in SHOWN), flush=True)
    rows: dict[str, Row] = {}
    for photo in photos:
        start, head = time.perf_counter(), by_name[photo.head]
        try:
            neutral, view = fitter.fit(photo.path(folder), head, photo)
        except FitmeError as problem:
            print(f"{photo.name}: {problem}", flush=True)
            continue
        seconds = time.perf_counter() - start
        row = judge.row(head, photo, neutral, view) | {"seconds": seconds}
        rows[photo.name] = row
        print(f"{photo.name:28s}" + "".join(f"{row[n]:18.3f}" for n in SHOWN), flush=True)
    return rows


def summary(rows: list[Row]) -> str:
    """Medians and means over photos, and the regions' errors beside the mean head's."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    lines = []
    for title, of in (("median", np.median), ("mean", np.mean)):
        lines.append(f"{title:28s}" + "".join(f"{of(columns[n]):18.3f}" for n in SHOWN))
    off = columns["fov fitted"] - columns["fov true"]
    stray = np.abs(np.log(columns["focal ratio"]))
    lines += [
        "",
        f"field of view off: mean {off.mean():+.1f} deg, mean size {np.abs(off).mean():.1f} deg; "
        f"focal length off by {100 * (np.exp(np.median(stray)) - 1):.0f} % in the median",
        "",
        f"{'mm, each by itself':28s}" + "".join(f"{name:>12s}" for name in (*REGIONS, "all")),
    ]
    for kind in ("nearest", "corresponding"):
        own = np.array([columns[f"{kind} {name}"].mean() for name in (*REGIONS, "all")])
        mean = np.array([columns[f"{kind} {name} mean"].mean() for name in (*REGIONS, "all")])
        for title, values in (("fit", own), ("mean head", mean), ("ratio", own / mean)):
            label = f"{kind}, {title}"
            lines.append(f"{label:28s}" + "".join(f"{value:12.3f}" for value in values))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the VALID heads")
    parser.add_argument("--out", type=Path, default=Path("out/foreign"))
    parser.add_argument("--faces", nargs="*", choices=FACES, default=list(FACES), metavar="NAME")
    parser.add_argument("--photos", type=int, default=2, help="of each face")
    parser.add_argument("--seed", type=int, default=0, help="of the photos")
    parser.add_argument("--align-only", action="store_true", help="the landmarks alone")
    parser.add_argument(
        "--true-landmarks", action="store_true", help="as a perfect landmarker would find them"
    )
    parser.add_argument("--true-lens", action="store_true", help="as if EXIF told it")
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--size", type=int, default=512)
    args = parser.parse_args()
    keep_large_blocks()
    models = Models.load()
    laid = registration(args.data, args.out / "registration.npz", models.head, models.landmarks)
    heads = load_heads(args.data, args.faces)
    folder = args.out / "photos"
    photos = take_photos(heads, folder, args.photos, args.seed)
    judge = Judge(models.head, laid)
    rows = measured(Fitter(args, models, laid), judge, heads, photos, folder)
    if rows:
        print(summary(list(rows.values())))


if __name__ == "__main__":
    main()
