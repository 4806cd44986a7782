"""Curves by what they must be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fitme.head.curves import smoothstep


class TestSmoothstep:
    def test_rises_and_falls(self) -> None:
        x = np.linspace(-1, 2, 31)
        rise, fall = smoothstep(0.0, 1.0, x), smoothstep(1.0, 0.0, x)
        assert (rise[x <= 0] == 0).all() and (rise[x >= 1] == 1).all()
        assert (np.diff(rise) >= 0).all()
        np.testing.assert_allclose(rise + fall, 1.0, atol=1e-12)

    @pytest.mark.parametrize("kind", [np.float32, np.float64])
    def test_tensors_as_arrays_in_the_same_precision(self, kind: type) -> None:
        x = np.linspace(-1, 2, 31, dtype=kind)
        of_array, of_tensor = smoothstep(0.2, 0.9, x), smoothstep(0.2, 0.9, torch.from_numpy(x))
        assert of_array.dtype == kind and of_tensor.dtype == torch.from_numpy(x).dtype
        np.testing.assert_allclose(of_array, of_tensor.numpy(), atol=1e-6)
