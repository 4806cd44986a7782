"""Imports a GLB into Blender and prints, as JSON, what Blender made of it.

usage: python blender_probe.py FILE, with a Python that has the `bpy` wheel.
"""

import json
import sys

import bpy


def shape_offset(key, basis):
    moved = [(a.co - b.co).length for a, b in zip(key.data, basis.data)]  # noqa: B905
    return {"largest": max(moved), "moved": sum(m > 1e-7 for m in moved)}


def inputs_of(material):
    """Names of the shader inputs that an image reaches."""
    reached = []
    for shader in material.node_tree.nodes:
        if shader.type != "BSDF_PRINCIPLED":
            continue
        for socket in shader.inputs:
            pending, seen = [link.from_node for link in socket.links], set()
            while pending:
                node = pending.pop()
                seen.add(node.name)
                if node.type == "TEX_IMAGE" and socket.name not in reached:
                    reached.append(socket.name)
                for entry in node.inputs:
                    pending += [x.from_node for x in entry.links if x.from_node.name not in seen]
    return reached


def describe(item):
    mesh = item.data
    mesh.calc_tangents()  # MikkTSpace
    keys = mesh.shape_keys.key_blocks if mesh.shape_keys else []
    return {
        "parent": item.parent.name if item.parent else None,
        "location": list(item.location),
        "dimensions": list(item.dimensions),
        "vertices": len(mesh.vertices),
        "triangles": len(mesh.polygons),
        "shape_keys": [key.name for key in keys],
        "shape_values": [key.value for key in keys],
        "shape_offsets": {key.name: shape_offset(key, keys[0]) for key in list(keys)[1:]},
        "materials": [slot.material.name for slot in item.material_slots],
        "image_inputs": [inputs_of(slot.material) for slot in item.material_slots],
        "images": sorted(
            f"{node.image.size[0]}x{node.image.size[1]} {node.image.colorspace_settings.name}"
            for slot in item.material_slots
            for node in slot.material.node_tree.nodes
            if node.type == "TEX_IMAGE"
        ),
        "corner_vertex": [corner.vertex_index for corner in mesh.loops],
        "corner_tangent": [[*corner.tangent, corner.bitangent_sign] for corner in mesh.loops],
        "corner_normal": [list(corner.normal) for corner in mesh.loops],
    }


bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
report = {
    "version": bpy.app.version_string,
    "objects": sorted(item.name for item in bpy.data.objects),
    "meshes": {item.name: describe(item) for item in bpy.data.objects if item.type == "MESH"},
}
print("REPORT " + json.dumps(report))
