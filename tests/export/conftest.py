"""What several tests of exports read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fitme.avatar.run_info import RunInfo
from fitme.export.engines import PRESETS
from fitme.export.presets import ExportOptions, export_files
from tests.small_avatar import small_avatar


@pytest.fixture(scope="session")
def coarse() -> dict[str, dict[str, bytes]]:
    """Files of every preset at level 2 by preset name; nobody changes them."""
    avatar = replace(small_avatar(), run=RunInfo(fitme="0.0.1"))
    return {name: export_files(avatar, ExportOptions(name, (2,))) for name in PRESETS}
