"""Imports a GLB, FBX or OBJ into Blender and prints, as JSON, what Blender made of it.

usage: python blender_probe.py FILE [AGAIN], with a Python that has the `bpy` wheel; AGAIN is a GLB
that its exporter then writes.
"""

import json
import sys

import bpy
from mathutils import Vector


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


def corners(mesh):
    """Normals and tangents; of a whole head they would be a hundred megabytes of text."""
    if len(mesh.polygons) > 5000:
        return {}
    mesh.calc_tangents()  # MikkTSpace
    return {
        "corner_vertex": [corner.vertex_index for corner in mesh.loops],
        "corner_tangent": [[*corner.tangent, corner.bitangent_sign] for corner in mesh.loops],
        "corner_normal": [list(corner.normal) for corner in mesh.loops],
    }


def world(item):
    """Bounds in metres, and how much of the surface a closed mesh's normals say it encloses."""
    mesh, place = item.data, item.matrix_world
    points = [place @ v.co for v in mesh.vertices]
    normals = place.to_3x3().inverted_safe().transposed()
    volume = 0.0
    agree = 0
    for face in mesh.polygons:
        a, b, c = (points[k] for k in face.vertices)
        volume += a.dot(b.cross(c)) / 6
        outward = (b - a).cross(c - a)
        # Custom normals, as they are drawn, against the side the triangle's order says is out.
        mean = sum((mesh.corner_normals[k].vector for k in face.loop_indices), Vector())
        agree += (normals @ mean).dot(outward) > 0
    return {
        "low": [min(p[k] for p in points) for k in range(3)],
        "high": [max(p[k] for p in points) for k in range(3)],
        "volume": volume,
        "normals_agree": agree / len(mesh.polygons),
    }


def describe(item):
    mesh = item.data
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
        **world(item),
        **corners(mesh),
    }


bpy.ops.wm.read_factory_settings(use_empty=True)
if sys.argv[1].endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=sys.argv[1])
elif sys.argv[1].endswith(".obj"):
    bpy.ops.wm.obj_import(filepath=sys.argv[1])
else:
    bpy.ops.import_scene.gltf(filepath=sys.argv[1])
report = {
    "version": bpy.app.version_string,
    "objects": sorted(item.name for item in bpy.data.objects),
    "bones": [b.name for item in bpy.data.armatures for b in item.bones],
    "meshes": {item.name: describe(item) for item in bpy.data.objects if item.type == "MESH"},
}
print("REPORT " + json.dumps(report))
if len(sys.argv) > 2:
    bpy.ops.export_scene.gltf(filepath=sys.argv[2], export_format="GLB")
