"""Folds in an export: the files, three.js that blends them as the renderer does, Blender."""

from __future__ import annotations

import functools
import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.avatar.relight import facing_camera, posed_vertices
from fitme.export.presets import ExportOptions, export_files
from fitme.export.textures import decode_normals
from fitme.image.png import decode_png
from fitme.render.light import Light
from fitme.render.picture import render_rgba
from fitme.runtime.files import check_output_dir
from tests.export.external import blender_python
from tests.export.three_view import draw
from tests.small_avatar import creased, small_avatar

AVATAR = creased(small_avatar())
SIZE = 256
SMILE = {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0}
SCRIPTS = {"three": "wrinkles.js", "gltf": "wrinkles.js", "blender": "wrinkles_blender.py"}


@functools.cache
def files_of(name: str) -> dict[str, bytes]:
    return export_files(AVATAR, ExportOptions(name, (2,), map_size=16 if name == "obj" else None))


def exported(name: str, folder: Path) -> dict:
    """Writes an export's files; what fitme_export.json says."""
    files = files_of(name)
    for file, data in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    return json.loads(files["fitme_export.json"])


@pytest.mark.parametrize("name", ["three", "blender", "unreal", "obj"])
def test_files_go_along(name: str, tmp_path: Path) -> None:
    about = exported(name, tmp_path)
    files = about["wrinkles"]["files"]
    named = [files["compressed"], files["stretched"], files["albedo"], *files["masks"]]
    assert len(named) == 6 and all((tmp_path / file).is_file() for file in named)
    notes = (tmp_path / "wrinkles.md").read_text()
    assert all(files[key] in notes for key in ("compressed", "stretched", "albedo"))
    assert "{" not in notes.split("```")[0].replace("import { loadWrinkles, addWrinkles }", "")
    assert (tmp_path / about["displacement"]["file"]).is_file()
    side = 16 if name == "obj" else 32
    assert decode_png((tmp_path / files["albedo"]).read_bytes()).shape == (side, side, 3)
    script = SCRIPTS.get(name)
    assert script is None or (tmp_path / script).is_file()
    check_output_dir(tmp_path, overwrite=True)  # knows every file as ours


def test_green_is_down_for_unreal(tmp_path: Path) -> None:
    normals = []
    for name in ("unreal", "blender"):
        about = exported(name, tmp_path / name)
        file = tmp_path / name / about["wrinkles"]["files"]["compressed"]
        assert file.stem.endswith("_directx") == (name == "unreal")
        normals.append(decode_normals(file.read_bytes()))
    np.testing.assert_allclose(normals[0] * [1, -1, 1], normals[1], atol=0.01)


def test_three_folds_as_the_renderer_does(tmp_path: Path) -> None:
    about = exported("three", tmp_path)
    glb = (tmp_path / "avatar_lod2.glb").read_bytes()
    camera = facing_camera(AVATAR, 0.0, 0.0, SIZE)
    towards = torch.nn.functional.normalize(torch.tensor([[[0.5, 1.0, 1.5]]]), dim=-1)
    more = {"size": SIZE, "sun": 2.0, "environment": 0.0, "sun_direction": towards[0, 0].tolist()}
    plain, _, _ = draw(glb, tmp_path, camera, [{}, SMILE], **more)
    folded, _, _ = draw(glb, tmp_path, camera, [{}, SMILE], about=about, **more)
    assert np.abs(plain[0].astype(int) - folded[0]).max() <= 2  # a face at rest
    theirs = folded[1].astype(int) - plain[1]

    sun = Light(torch.zeros(1, 9, 3), towards, torch.full((1, 1, 3), 2.0 / math.pi))
    smiling = posed_vertices(AVATAR, expression=SMILE, neutral=True)
    pictures = [
        render_rgba(avatar.render(camera, sun, smiling))[..., :3].astype(int)
        for avatar in (AVATAR, small_avatar())
    ]
    ours = pictures[0] - pictures[1]
    assert np.abs(ours).max() > 20
    both = (theirs * ours).sum() / math.sqrt((theirs**2).sum() * (ours**2).sum())
    assert both > 0.8


PROBE = """
import json, runpy, sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
for _ in range(2):  # the second time does nothing
    runpy.run_path(sys.argv[1], run_name="__main__")
head = bpy.data.objects["head"]
tree = head.data.materials[0].node_tree
def values():
    bpy.context.view_layer.update()
    made = tree.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {n.name[8:]: n.outputs[0].default_value for n in made.nodes if n.type == "VALUE"}
rest = values()
for name in json.loads(sys.argv[2]):
    head.data.shape_keys.key_blocks[name].value = 1
shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
print("REPORT " + json.dumps({
    "rest": rest, "smile": values(),
    "base": shader.inputs["Base Color"].links[0].from_node.type,
    "images": sorted(n.image.name for n in tree.nodes if n.type == "TEX_IMAGE"),
    "valid": all(d.driver.is_valid for d in tree.animation_data.drivers),
}))
"""


def test_blender_wires_it(tmp_path: Path) -> None:
    about = exported("blender", tmp_path)
    (tmp_path / "probe.py").write_text(PROBE)
    command = [blender_python(), str(tmp_path / "probe.py"), str(tmp_path / "wrinkles_blender.py")]
    done = subprocess.run(
        [*command, json.dumps(list(SMILE))], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (line,) = [row for row in done.stdout.splitlines() if row.startswith("REPORT ")]
    report = json.loads(line.removeprefix("REPORT "))
    assert report["valid"] and report["base"] == "MIX"
    assert sum(name.startswith("wrinkle") for name in report["images"]) == 6
    assert not any(report["rest"].values())
    for name, region in about["wrinkles"]["regions"].items():
        wanted = sum(region["shapes"].get(shape, 0.0) for shape in SMILE)
        assert report["smile"][name] == pytest.approx(wanted, abs=0.02)
