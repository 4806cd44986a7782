"""Strands of a fitme avatar in Blender: curves from hair_strands.npz, with colour and radius.

In Blender: Scripting > Open > Run Script, or: blender --python hair_strands_blender.py. The mesh
objects "hair" and "beard" of the avatar are hidden, the selected ones where there are several, as
the curves take their place.
"""

import os

import bpy
import numpy as np

NAME = "hair_strands"
COLOR = "strand_color"  # per curve: renderers find no colour of points on curves


def folder():
    """Where this script and the file lie."""
    for text in bpy.data.texts:
        if text.filepath and os.path.basename(text.filepath) == "hair_strands_blender.py":
            return os.path.dirname(bpy.path.abspath(text.filepath))
    return os.path.dirname(os.path.abspath(__file__))


def material():
    """A hair shader that takes the colour of each curve."""
    made = bpy.data.materials.new(NAME)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeBsdfHairPrincipled")
    shader.parametrization = "COLOR"
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    color = tree.nodes.new("ShaderNodeAttribute")
    color.attribute_name = COLOR
    tree.links.new(color.outputs["Color"], shader.inputs["Color"])
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return made


def curves(data):
    """A curves object; Blender's axes are x right, y away, z up."""
    points = data["points"][..., [0, 2, 1]] * np.array([1, -1, 1], np.float32)
    count, many = points.shape[:2]
    made = bpy.data.hair_curves.new(NAME)
    made.add_curves([many] * count)
    made.attributes["position"].data.foreach_set("vector", points.astype(np.float32).ravel())
    radius = made.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", data["half_width"].astype(np.float32).ravel())
    color = made.attributes.new(COLOR, "FLOAT_COLOR", "CURVE")
    rgba = np.ones((count, 4), np.float32)
    rgba[:, :3] = data["color"].mean(1)
    color.data.foreach_set("color", rgba.ravel())
    made.materials.append(material())
    return bpy.data.objects.new(NAME, made)


def find(name):
    """The object of a mesh of the avatar, the selected one where there are several, or None."""
    found = [o for o in bpy.data.objects if o.type == "MESH" and o.data.name.split(".")[0] == name]
    found.sort(key=lambda item: not item.select_get())
    return found[0] if found else None


def main():
    place = folder()
    if any(made.get(NAME) == place for made in bpy.data.objects):
        return
    with np.load(os.path.join(place, "hair_strands.npz")) as data:
        made = curves(data)
    made[NAME] = place  # so that they are made once
    bpy.context.scene.collection.objects.link(made)
    for cards in filter(None, map(find, ("hair", "beard"))):
        cards.hide_render = True
        cards.hide_set(True)


main()
