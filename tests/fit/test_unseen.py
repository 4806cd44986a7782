"""What tuning did beside hair."""

from __future__ import annotations

import torch

from fitme.fit.stages.unseen import FLECKS, without_flecks


class TestWithoutFlecks:
    def test_a_fleck_goes_where_hair_is_near_and_a_tan_stays(self) -> None:
        change = torch.full((1, 256, 256, 3), -0.3)
        change[:, 60:64, 60:64] -= 0.8
        change[:, 190:194, 190:194] -= 0.8
        rim = torch.zeros(1, 256, 256, 1)
        rim[:, :128] = 1
        found = without_flecks(change, rim)
        assert -0.34 - FLECKS < float(found[0, 62, 62, 0]) < -0.3
        torch.testing.assert_close(found[:, 128:], change[:, 128:])
        torch.testing.assert_close(found[:, 10:30], change[:, 10:30], atol=1e-3, rtol=0)
