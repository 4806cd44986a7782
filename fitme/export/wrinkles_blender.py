"""Wrinkles of a fitme avatar in Blender: folds that come and go with its shape keys.

In Blender: Scripting > Open > Run Script, with avatar.glb imported or not (it is, if no mesh is
named "head"). Or: blender --python wrinkles_blender.py. The nodes of the head's material are wired,
and a driver for each region of the face reads the shape keys; run it again and it does nothing.
"""

import json
import os
import string

import bpy

MOST_TERMS = 34  # of a driver, whose text may have 256 characters


def folder():
    """Where this script and the textures lie."""
    for text in bpy.data.texts:
        if text.filepath and os.path.basename(text.filepath) == "wrinkles_blender.py":
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


def image_node(tree, place, file, color, at):
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(os.path.join(place, file), check_existing=True)
    node.image.colorspace_settings.name = "sRGB" if color else "Non-Color"
    node.image.alpha_mode = "CHANNEL_PACKED"  # alpha is one more mask
    node.location = at
    return node


def math(tree, operation, first, second, third=None):
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, (first, second, third)):  # noqa: B905
        if isinstance(value, (int, float)):
            socket.default_value = value
        elif value is not None:
            tree.links.new(value, socket)
    return node.outputs[0]


def mixed(tree, factor, first, second):
    """Colours; the factor may be above 1."""
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type, node.clamp_factor, node.clamp_result = "RGBA", False, False
    for value, socket in ((factor, 0), (first, 6), (second, 7)):
        tree.links.new(value, node.inputs[socket])
    return node.outputs[2]


def driven(tree, head, name, shapes):
    """A value that is the sum of the shape keys, each times its entry of the table."""
    node = tree.nodes.new("ShaderNodeValue")
    node.name = node.label = f"wrinkle {name}"
    keys = head.data.shape_keys.key_blocks
    terms = sorted((s for s in shapes if s in keys), key=lambda s: -abs(shapes[s]))[:MOST_TERMS]
    driver = node.outputs[0].driver_add("default_value").driver
    driver.type = "SCRIPTED"
    letters = dict(zip(terms, string.ascii_letters))  # noqa: B905
    for shape, letter in letters.items():
        variable = driver.variables.new()
        variable.name = letter
        variable.targets[0].id_type = "KEY"
        variable.targets[0].id = head.data.shape_keys
        variable.targets[0].data_path = f'key_blocks["{shape}"].value'
    text = "".join(f"{shapes[shape]:+.2f}*{letter}" for shape, letter in letters.items())
    driver.expression = text.replace("0.", ".") or "0"
    return node.outputs[0]


def wire(head, place, about):
    tree = head.data.materials[0].node_tree
    if tree.nodes.get("wrinkle nose"):
        return
    shader = next(n for n in tree.nodes if n.type == "BSDF_PRINCIPLED")
    bump = next(n for n in tree.nodes if n.type == "NORMAL_MAP")
    files = about["files"]
    masks = []
    for index, file in enumerate(files["masks"]):
        node = image_node(tree, place, file, False, (-2000, 300 - 300 * index))
        split = tree.nodes.new("ShaderNodeSeparateColor")
        tree.links.new(node.outputs["Color"], split.inputs[0])
        masks += [*split.outputs[:3], node.outputs["Alpha"]]
    amount = 0.0
    for mask, (name, region) in zip(masks, about["regions"].items()):  # noqa: B905
        amount = math(
            tree, "MULTIPLY_ADD", mask, driven(tree, head, name, region["shapes"]), amount
        )
    low, high = about["amount_range"]
    amount = math(tree, "MINIMUM", math(tree, "MAXIMUM", amount, low), high)
    pressed = math(tree, "MAXIMUM", amount, 0.0)
    drawn = math(tree, "MAXIMUM", math(tree, "MULTIPLY", amount, -1.0), 0.0)
    compressed = image_node(tree, place, files["compressed"], False, (-900, -700))
    stretched = image_node(tree, place, files["stretched"], False, (-900, -1000))
    albedo = image_node(tree, place, files["albedo"], True, (-900, 700))
    base, normal = shader.inputs["Base Color"], bump.inputs["Color"]
    plain, flat = base.links[0].from_socket, normal.links[0].from_socket
    tree.links.new(mixed(tree, pressed, plain, albedo.outputs["Color"]), base)
    folded = mixed(tree, pressed, flat, compressed.outputs["Color"])
    tree.links.new(mixed(tree, drawn, folded, stretched.outputs["Color"]), normal)


def main():
    place = folder()
    with open(os.path.join(place, "fitme_export.json"), encoding="utf-8") as stream:
        about = json.load(stream)["wrinkles"]
    if find_head() is None:
        models = sorted(f for f in os.listdir(place) if f.endswith(".glb"))
        bpy.ops.import_scene.gltf(filepath=os.path.join(place, models[0]))
    wire(find_head(), place, about)


main()
