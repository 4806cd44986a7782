"""How wrong a fitted camera is: lens and head rotation."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.measures import similarity


def field_of_view_deg(focal_px: float, side_px: int) -> float:
    """Full angle in degrees that a focal length sees across a side of the picture."""
    return math.degrees(2 * math.atan(side_px / (2 * focal_px)))


def turn_error_deg(
    fitted_pose: np.ndarray, true_pose: np.ndarray, fitted: np.ndarray, truth: np.ndarray
) -> float:
    """Angle in degrees between the fitted and the true rotation of the head.

    Poses [3,3] are world to camera, each in the world of its own vertices [N,3]; how one world
    lies in the other is found from these corresponding points.
    """
    _, between, _ = similarity(fitted, truth)
    miss = fitted_pose @ between.T @ true_pose.T
    cosine = (np.trace(miss) - 1) / 2
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
