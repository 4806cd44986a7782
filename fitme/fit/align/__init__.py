"""Landmarks -> pose, focal length, identity, expression and gaze, by Levenberg-Marquardt.

    aligned = Aligner(head).align(face, photo.width, photo.height, photo.focal_px)

`model` projects the head's landmark points and knows their derivatives, `priors` says what is
believed before a photo is seen, `solver` descends, `aligner` puts them together.
"""

from fitme.fit.align.aligner import Aligned, Aligner
from fitme.fit.align.model import LIP_OPENINGS, OPENINGS
from fitme.fit.align.priors import AlignWeights, LensPrior, lens_prior

__all__ = [
    "LIP_OPENINGS",
    "OPENINGS",
    "AlignWeights",
    "Aligned",
    "Aligner",
    "LensPrior",
    "lens_prior",
]
