"""What a fit is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fitme.fit.settings import FitSettings, choose_preset
from fitme.runtime.errors import InputError

MIN_SIZE, MAX_SIZE = 64, 4096  # texels
FINDERS = ("mediapipe", "encoder")


@dataclass(frozen=True)
class FitRequest:
    """Photos of one person and how to fit them; checked when made.

    Raises InputError, one line with the cure, for what cannot be meant.
    """

    photos: tuple[Path, ...]
    preset: str | FitSettings = "default"  # "fast", "default", "best" or settings of your own
    size: int = 1024  # side of the maps in texels
    device: str = "auto"  # or "cpu", "cuda"
    face: int | None = None  # of each photo, counted from 0 by falling size; default: the largest
    landmarks: Path | None = None  # a file of your own 478 landmarks, for a single photo
    finder: str = "mediapipe"  # of faces and landmarks; or "encoder", which needs no mediapipe
    weights: Path | None = None  # another generator than the one that comes with the package
    skip_bad: bool = False  # leave out photos that cannot be used as long as one remains

    def __post_init__(self) -> None:
        if not self.photos:
            raise InputError("no photo is given; give one or several of the same person")
        if self.landmarks is not None and len(self.photos) != 1:
            raise InputError(
                f"--landmarks {self.landmarks} is for one photo, {len(self.photos)} are given"
            )
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise InputError(f"--size {self.size}: give {MIN_SIZE} to {MAX_SIZE} texels")
        if self.face is not None and self.face < 0:
            raise InputError(f"--face {self.face}: faces are counted from 0, the largest")
        if self.finder not in FINDERS:
            raise InputError(f"finder {self.finder!r}: give {' or '.join(FINDERS)}")
        choose_preset(self.preset)

    @staticmethod
    def of(
        photos: Sequence[str | Path] | str | Path,
        *,
        landmarks: str | Path | None = None,
        weights: str | Path | None = None,
        **options: object,
    ) -> FitRequest:
        """From one path or several, as text or not; `landmarks` a file or the name of a finder;
        `options` are the other fields."""
        paths = [photos] if isinstance(photos, str | Path) else photos
        if isinstance(landmarks, str) and landmarks in FINDERS:
            options["finder"], landmarks = landmarks, None
        return FitRequest(
            tuple(Path(path) for path in paths),
            landmarks=None if landmarks is None else Path(landmarks),
            weights=None if weights is None else Path(weights),
            **options,  # type: ignore[arg-type]
        )

    @property
    def settings(self) -> FitSettings:
        return choose_preset(self.preset)

    @property
    def preset_name(self) -> str:
        """Its name, "custom" for settings of one's own."""
        return self.preset if isinstance(self.preset, str) else "custom"
