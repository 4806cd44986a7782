"""What an export says of skin: tone of the neck, subsurface scattering, and both in Blender."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.avatar.model import Avatar
from fitme.export.presets import ExportOptions, write_export
from fitme.export.subsurface import neck_tone, skin_about
from fitme.reflectance.atlas import bake_vertex_field
from tests.export.external import blender_python
from tests.small_avatar import small_avatar


def painted(albedo: torch.Tensor) -> Avatar:
    """The avatar with this skin, [1,R,R,3]."""
    avatar = small_avatar()
    skin = avatar.geometry.head.skin.index
    materials = list(avatar.materials)
    materials[skin] = replace(materials[skin], diffuse_albedo=albedo)
    return replace(avatar, materials=tuple(materials))


class TestNeckTone:
    def test_is_that_of_the_neck_alone(self) -> None:
        head = small_avatar().geometry.head
        neck = bake_vertex_field(head, head.regions["neck"][:, None], 256)[None]
        face, throat = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.15, 0.1])
        tone = neck_tone(painted(torch.where(neck > 0.3, throat, face)))
        assert tone == pytest.approx(throat.tolist(), abs=0.01)

    def test_code(self) -> None:
        about = skin_about(painted(torch.full((1, 8, 8, 3), 0.2159)))["skin"]
        assert about["neck_tone"]["srgb"] == "#808080"
        assert about["neck_tone"]["linear"] == pytest.approx([0.2159] * 3, abs=1e-4)


class TestScattering:
    def test_red_goes_farthest_and_dark_skin_lets_less_in(self) -> None:
        light, dark = (
            skin_about(painted(torch.full((1, 8, 8, 3), value)))["skin"]["subsurface"]["radius_m"]
            for value in (0.5, 0.05)
        )
        assert light[0] > light[1] > light[2] > 0 and light[0] == pytest.approx(3.673e-3)
        assert all(d < s for d, s in zip(dark, light, strict=True))


PROBE = """
import json, runpy, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
for _ in range(2):
    runpy.run_path(sys.argv[1], run_name="__main__")
head = next(o for o in bpy.data.objects if o.type == "MESH" and o.data.name == "head")
shader = next(n for n in head.data.materials[0].node_tree.nodes if n.type == "BSDF_PRINCIPLED")
value = lambda name: shader.inputs[name].default_value
print("REPORT " + json.dumps({
    "weight": value("Subsurface Weight"), "scale": value("Subsurface Scale"),
    "radius": list(value("Subsurface Radius")), "base": len(shader.inputs["Base Color"].links),
    "meshes": sum(o.type == "MESH" for o in bpy.data.objects),
}))
"""


@pytest.mark.parametrize("skeleton", ["none", "plain"])
def test_blender_sets_it(tmp_path: Path, skeleton: str) -> None:
    out = tmp_path / "me"
    write_export(small_avatar(), out, ExportOptions("blender", (2,), skeleton=skeleton))
    about = json.loads((out / "fitme_export.json").read_text())["skin"]["subsurface"]
    (tmp_path / "probe.py").write_text(PROBE)
    command = [blender_python(), str(tmp_path / "probe.py"), str(out / "skin_blender.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [row for row in done.stdout.splitlines() if row.startswith("REPORT ")]
    report = json.loads(line.removeprefix("REPORT "))
    assert report["weight"] == about["weight"] and report["base"] == 1
    metres = [report["scale"] * share for share in report["radius"]]
    assert metres == pytest.approx(about["radius_m"], rel=1e-4)
