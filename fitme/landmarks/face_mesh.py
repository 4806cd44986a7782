"""MediaPipe's attention mesh: 478 landmarks of a face that fills a square picture.

Grishchenko et al., "Attention Mesh: high-fidelity face mesh prediction in real-time", 2020. The
network gives 468 points of the whole face and, from closer looks, those of the lips, of both eyes
with their surroundings, and of both irises anew, without depth. Which points the closer looks
replace is what the file says they look at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.landmarks.face import LANDMARKS, SKIN_LANDMARKS
from fitme.landmarks.tflite.network import Network

SIDE = 192  # pixels of the picture
#: Presence below which a picture shows no face, MediaPipe's own bound.
LEAST_PRESENCE = 0.5
_LIDS = 16  # an eye's first points lie on its lids; the iris is taken to be as deep as their mean


class FaceMesh:
    """Landmarks of pictures of one face each."""

    def __init__(self, network: Network) -> None:
        self._network = network
        looks = network.options_of("Landmarks2TransformMatrix")  # lips, right eye, left eye
        self._lips, *self._eyes = (torch.tensor(look["subset_idxs"]) for look in looks)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks [n,478,3] and presence [n], 0 to 1, of sRGB pictures [n,192,192,3], 0 to 1.

        x and y in widths of the picture, depth likewise, smaller is nearer.
        """
        whole, lips, *eyes, presence = self._network(pictures)
        n = len(pictures)
        points = torch.zeros(n, LANDMARKS, 3)
        points[:, :SKIN_LANDMARKS] = whole.reshape(n, SKIN_LANDMARKS, 3)
        points[:, self._lips, :2] = lips.reshape(n, -1, 2)
        first = SKIN_LANDMARKS
        for of_eye, eye, iris in zip(self._eyes, eyes[:2], eyes[2:], strict=True):
            points[:, of_eye, :2] = eye.reshape(n, -1, 2)
            points[:, first : first + 5, :2] = iris.reshape(n, 5, 2)
            points[:, first : first + 5, 2] = points[:, of_eye[:_LIDS], 2].mean(1, keepdim=True)
            first += 5
        return points / SIDE, presence.reshape(n).sigmoid()
