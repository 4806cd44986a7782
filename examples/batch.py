"""A loop over a folder of photos, a person each: python examples/batch.py photos out/people

`fitme batch` does the same from the command line, on several cores, and goes on where it
stopped. This loop is for those who want to do something of their own with every avatar.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import fitme
from fitme.fit.settings import FitSettings
from fitme.runtime.errors import FitmeError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")


def main(
    photos: Path, out: Path, preset: str | FitSettings = "fast", size: int = 1024
) -> dict[str, str]:
    """Write out/NAME for every photo NAME.*, and out/summary.csv; what went wrong, by name."""
    out.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    with (out / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("name", "landmark_error", "seconds", "problem"))
        for photo in sorted(p for p in photos.iterdir() if p.suffix.lower() in SUFFIXES):
            try:
                summary = fitme.fit_photos(
                    [photo], out / photo.stem, preset=preset, size=size, overwrite=True
                )
            except FitmeError as error:  # a bad photo must not stop the others
                failed[photo.stem] = str(error)
                table.writerow((photo.stem, "", "", error))
                continue
            row = (f"{summary.landmark_error:.4f}", f"{summary.seconds['total']:.1f}", "")
            table.writerow((photo.stem, *row))
    return failed


if __name__ == "__main__":
    for name, problem in main(Path(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{name}: {problem}")
