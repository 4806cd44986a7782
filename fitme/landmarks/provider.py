"""Who finds faces. The default is `fitme.landmarks.mediapipe`."""

from __future__ import annotations

from typing import Protocol

from fitme.image.photo import Photo
from fitme.landmarks.face import FaceLandmarks


class LandmarkProvider(Protocol):
    """Finds faces. Implementations are deterministic: same pixels, same answer."""

    def detect(self, photo: Photo) -> list[FaceLandmarks]:
        """All faces, largest first, also those that are too small to fit; none is []."""
