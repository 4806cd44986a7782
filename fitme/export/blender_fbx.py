"""Run by Blender, not by fitme: a GLB to FBX.

usage: blender --background --factory-startup --python-exit-code 1 --python blender_fbx.py
           -- IN.glb OUT.fbx unity|unreal
"""

import sys

import bpy
from mathutils import Matrix

CENTIMETRES = 100.0


def in_centimetres() -> None:
    """One unit becomes a centimetre, in the data: Unreal keeps the scale of a root bone and would
    animate everything below it 100 times too large."""
    bpy.context.scene.unit_settings.scale_length = 1 / CENTIMETRES
    scale = Matrix.Scale(CENTIMETRES, 4)
    for item in bpy.data.objects:
        item.location *= CENTIMETRES
        if item.type == "MESH":
            item.data.transform(scale, shape_keys=True)
        elif item.type == "ARMATURE":
            item.data.transform(scale)
            for bone in item.pose.bones:
                bone.location *= CENTIMETRES


def main() -> None:
    source, target, engine = sys.argv[sys.argv.index("--") + 1 :]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=source, bone_heuristic="TEMPERANCE")
    for item in [x for x in bpy.data.objects if x.users_collection and "glTF_not" in
                 x.users_collection[0].name]:  # fmt: skip
        bpy.data.objects.remove(item)  # the shape Blender draws bones with
    unreal = engine == "unreal"
    if unreal:
        in_centimetres()
    bpy.ops.export_scene.fbx(
        filepath=target,
        object_types={"EMPTY", "ARMATURE", "MESH"},
        apply_scale_options="FBX_SCALE_NONE" if unreal else "FBX_SCALE_ALL",
        axis_forward="-Z",
        axis_up="Y",
        bake_space_transform=not unreal,  # Blender warns of it where there are bones
        use_mesh_modifiers=False,  # with them it would drop the shape keys
        mesh_smooth_type="OFF",  # the normals are in the file
        use_tspace=True,
        add_leaf_bones=False,
        bake_anim=False,
        path_mode="STRIP",
    )


main()
