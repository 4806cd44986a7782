"""Curves that shapes and masks on the head follow."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Values = TypeVar("Values", NDArray[np.floating[Any]], Tensor)


def smoothstep(low: Any, high: Any, value: Values) -> Values:
    """0 below `low`, 1 above `high`, C1 in between; low > high reverses it. Both are numbers or of
    a shape that goes with `value`."""
    t: Values = ((value - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)
