"""The viewer's light between open lips against `mouth_visibility`, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import fitme.report
from fitme.head.mesh import BRIGHT, INNER_LIPS, in_the_mouth, mouth_visibility
from fitme.head.model import HeadModel, load_head

SCRIPT = """
const {head, vertices, bright} = JSON.parse(require("fs").readFileSync(0));
const mouth = new Mouth(head, bright);
const more = Array.from(mouth.pose(Float32Array.from(vertices)));
const reached = Float32Array.from(head.occlusion);
mouth.light(reached);
console.log(JSON.stringify({more, height: mouth.height, reached: Array.from(reached)}));
"""


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def in_node(head: HeadModel, vertices: Tensor) -> dict[str, Any]:
    """What mouth.js makes of vertices [V,3]."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    index, behind = in_the_mouth(head)
    lips = list(INNER_LIPS)
    given = {
        "mouthVertex": index, "mouthBehind": behind, "occlusion": head.occlusion,
        "lipVertex": head.triangles[head.landmark_triangles[lips]].flatten(),
        "lipWeight": head.landmark_barycentric[lips].flatten(),
    }  # fmt: skip
    job = {
        "head": {name: value.tolist() for name, value in given.items()},
        "vertices": vertices.flatten().tolist(), "bright": BRIGHT,
    }  # fmt: skip
    source = Path(fitme.report.__file__).with_name("mouth.js").read_text(encoding="utf-8")
    done = subprocess.run(
        [node, "-e", source + SCRIPT],
        input=json.dumps(job), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class TestMouth:
    @pytest.mark.parametrize("weight", [0.25, 1.0])
    def test_does_what_the_renderer_does(self, head: HeadModel, weight: float) -> None:
        jaw = head.expression_index("jawOpen")
        vertices = head.mean + weight * head.expression[jaw]
        index, visible = mouth_visibility(head, vertices[None])
        found = in_node(head, vertices)
        assert found["height"] > 0.003 * weight
        lit = torch.tensor(found["reached"])
        assert float((visible - head.occlusion[index]).amax()) > 0.05
        torch.testing.assert_close(lit[index], visible, atol=1e-4, rtol=0)
        outside = torch.ones(len(lit), dtype=torch.bool)
        outside[index] = False
        torch.testing.assert_close(lit[outside], head.occlusion[outside], atol=1e-6, rtol=0)

    def test_shut_lips_let_nothing_in(self, head: HeadModel) -> None:
        shut = head.mean.clone()
        found = in_node(head, shut * torch.tensor([1.0, 0.0, 1.0]))
        assert found["height"] == 0 and max(found["more"]) == 0
