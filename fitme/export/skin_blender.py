"""Skin of a fitme avatar in Blender: light that goes into it and comes out beside.

In Blender: Scripting > Open > Run Script, with avatar.glb imported or not (it is, if no mesh is
named "head"). Or: blender --python skin_blender.py. The head's shader gets subsurface scattering
with the radii of `fitme_export.json`; run it again and it sets the same.
"""

import json
import os

import bpy


def folder():
    """Where this script and the export lie."""
    for text in bpy.data.texts:
        if text.filepath and os.path.basename(text.filepath) == "skin_blender.py":
            return os.path.dirname(bpy.path.abspath(text.filepath))
    return os.path.dirname(os.path.abspath(__file__))


def find_head():
    """The object of the mesh "head", which on a skeleton has another name, the selected one where
    there are several; None without."""
    heads = [
        found
        for found in bpy.data.objects
        if found.type == "MESH" and found.data.name.split(".")[0] == "head"
    ]
    heads.sort(key=lambda head: not head.select_get())
    return heads[0] if heads else None


def set_skin(head, about):
    """Blender multiplies its radius by its scale, both in metres of the scene."""
    radius = about["radius_m"]
    scale = max(radius)
    for slot in head.material_slots:
        for shader in slot.material.node_tree.nodes:
            if shader.type != "BSDF_PRINCIPLED":
                continue
            shader.subsurface_method = "RANDOM_WALK"
            shader.inputs["Subsurface Weight"].default_value = about["weight"]
            shader.inputs["Subsurface Radius"].default_value = [r / scale for r in radius]
            shader.inputs["Subsurface Scale"].default_value = scale


def main():
    place = folder()
    with open(os.path.join(place, "fitme_export.json"), encoding="utf-8") as stream:
        about = json.load(stream)["skin"]["subsurface"]
    if find_head() is None:
        models = sorted(f for f in os.listdir(place) if f.endswith(".glb"))
        bpy.ops.import_scene.gltf(filepath=os.path.join(place, models[0]))
    set_skin(find_head(), about)


main()
