"""Drives the add-on inside Blender and prints, as JSON, what came of it.

usage: python blender_addon_probe.py ADDON FOLDER, with a Python that has the `bpy` wheel, and in
FITME_COMMAND what stands for fitme.
"""

import importlib.util
import json
import os
import sys
import time

import bpy

addon_file, folder = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
spec = importlib.util.spec_from_file_location("fitme_addon", addon_file)
addon = importlib.util.module_from_spec(spec)
sys.modules["fitme_addon"] = addon
spec.loader.exec_module(addon)
addon.register()
settings = bpy.context.scene.fitme
settings.root = os.path.join(folder, "heads")


def told(operator):
    """What an operator said, or how it ended."""
    try:
        return sorted(operator())
    except RuntimeError as error:
        return str(error)


def make(photo, **values):
    settings.photo = os.path.join(folder, photo) if photo else ""
    for name, value in values.items():
        setattr(settings, name, value)
    return told(bpy.ops.fitme.make)


def head_of(collection):
    """What the head of a collection has."""
    objects = [o for o in bpy.data.collections[collection].objects if o.data]
    heads = [o for o in objects if o.data.name.split(".")[0] == "head"]
    tree = heads[0].data.materials[0].node_tree
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    return {
        "heads": len(heads),
        "subsurface": shader.inputs["Subsurface Weight"].default_value,
        "scale": shader.inputs["Subsurface Scale"].default_value,
        "wrinkles": "wrinkle nose" in tree.nodes,
        "shapes": len(heads[0].data.shape_keys.key_blocks) - 1,
        "kinds": sorted({o.type for o in objects}),
        "hidden": sorted(o.data.name.split(".")[0] for o in objects if o.hide_render),
    }


def stopped():
    """A fit that would take minutes, stopped: how long that takes, and whether it ended."""
    settings.photo = os.path.join(folder, "slow.png")
    run = addon.start(bpy.context, settings.photo, "")
    end = time.monotonic() + 30
    while run.share() < 0.4 and time.monotonic() < end:
        run.poll()
        time.sleep(0.05)
    seen = [run.text(), run.share()]
    start = time.monotonic()
    run.stop()
    return [
        *seen,
        time.monotonic() - start < 2 * addon.PATIENCE_S,
        run.process._process.poll() is not None,
    ]


report = {
    "background": bpy.app.background,
    "first": make("ok.png", preset="fast", hair="bob", strands=True),
    "second": make("ok.png", strands=False),
    "heads": [head_of("ok"), head_of("ok.001")],
    "refused": make("refuse.png"),
    "missing": make("none.png"),
    "idle": [settings.running, settings.text],
    "stopped": stopped(),
    "hair": [item[0] for item in addon.HAIR],
}
settings.avatar = os.path.join(folder, "saved")
report["imported"] = told(bpy.ops.fitme.import_avatar)
addon.unregister()
addon.register()  # as after an update of the add-on
addon.unregister()
report["gone"] = not hasattr(bpy.types.Scene, "fitme")
print("REPORT " + json.dumps(report))
