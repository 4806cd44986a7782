"""`--preset talkinghead` in the program it is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fitme.export.presets import ExportOptions, export_files
from fitme.export.shapes import mixtures
from fitme.head.model import ARKIT_NAMES
from tests.export.external import validate
from tests.export.talkinghead_view import talk
from tests.small_avatar import small_avatar


@pytest.fixture(scope="module")
def glb() -> bytes:
    return export_files(small_avatar(), ExportOptions("talkinghead", (2,)))["avatar_lod2.glb"]


class TestTalkingHead:
    def test_valid(self, glb: bytes, tmp_path: Path) -> None:
        (tmp_path / "me.glb").write_bytes(glb)
        issues = validate(tmp_path / "me.glb")["issues"]
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]

    def test_loads_stands_and_speaks(self, glb: bytes, tmp_path: Path) -> None:
        """TalkingHead finds its bones and shapes, has the head where a person's is, and "aa" opens
        the mouth in the picture."""
        state = talk(glb, tmp_path)
        before, after = state["before"], state["after"]
        wanted = {*ARKIT_NAMES, *mixtures(["oculus"])}
        assert all(before["morphs"].get(name, 0) >= 1 for name in wanted)
        assert 1.5 < before["eye"][1] < 1.75 and 0.9 < before["hips"][1] < 1.1
        assert abs(np.linalg.norm(before["neck"]) - 1) < 1e-6
        assert before["aa"] < 0.1 and after["aa"] > 0.9
        pictures = []
        for name in ("rest.png", "aa.png"):
            with Image.open(tmp_path / name) as image:
                pictures.append(np.asarray(image.convert("RGB")).astype(int))
        seen = np.abs(pictures[0] - pictures[0][0, 0]).sum(-1) > 60
        assert 0.05 < seen.mean() < 0.9
        assert np.abs(pictures[1] - pictures[0]).max() > 60
