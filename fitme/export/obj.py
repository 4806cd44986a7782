"""Wavefront OBJ and MTL: what every program reads, without morph targets or a skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fitme.export.frames import vertex_normals
from fitme.export.mesh import ExportMesh


def write_obj(
    meshes: Sequence[ExportMesh], mtl: str, expression: str | None = None, terms: str = ""
) -> bytes:
    """An OBJ file in metres, +Y up: one object per mesh, smooth normals, materials of `mtl`.

    `terms` is a line of what may be done with it. `expression` names a morph target of some of the
    meshes, which is put on in full. Vertices keep their number and order, so the files of a head
    can be loaded as shape keys of each other.
    """
    lines = ["# metres, +Y up, the face along +Z", *([f"# {terms}"] if terms else ())]
    lines.append(f"mtllib {mtl}")
    vertex_base = uv_base = 1
    for mesh in meshes:
        vertices = mesh.vertices + mesh.morph_targets.get(expression or "", 0.0)
        normals = vertex_normals(vertices, mesh.triangles)
        if mesh.normals is not None:
            normals = mesh.normals + normals - vertex_normals(mesh.vertices, mesh.triangles)
            normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
        lines += [f"o {mesh.name}", *("v {:.7f} {:.7f} {:.7f}".format(*v) for v in vertices)]
        corners = mesh.triangles + vertex_base
        if mesh.uv is not None:
            lines += [f"vt {u:.7f} {1 - v:.7f}" for u, v in mesh.uv]
        lines += ["vn {:.5f} {:.5f} {:.5f}".format(*n) for n in normals]
        lines += [f"usemtl {mesh.material.name}", "s 1"]
        if mesh.uv is None or mesh.uv_triangles is None:
            lines += ["f " + " ".join(f"{v}//{v}" for v in face) for face in corners]
        else:
            pairs = np.stack([corners, mesh.uv_triangles + uv_base, corners], -1)
            lines += ["f {}/{}/{} {}/{}/{} {}/{}/{}".format(*face.ravel()) for face in pairs]
            uv_base += len(mesh.uv)
        vertex_base += len(vertices)
    return ("\n".join(lines) + "\n").encode()


def write_mtl(meshes: Sequence[ExportMesh], textures: Mapping[str, Mapping[str, str]]) -> bytes:
    """An MTL file for the meshes' materials: classic Phong numbers, then the PBR additions.

    `textures` has for a mesh's name the files of some of diffuse_albedo or color, specular_albedo,
    normal (OpenGL), roughness and alpha, relative to the MTL file; others are left out.
    """
    lines = ["# Kd, Ks: linear; map_Kd, map_Ks: sRGB; norm: OpenGL, green up; Pr: roughness"]
    done = set()
    for mesh in meshes:
        material, files = mesh.material, textures.get(mesh.name, {})
        if material.name in done:
            continue
        done.add(material.name)
        roughness = material.roughness_factor
        files = {key: file for key, file in files.items() if key in _KEYS}
        textured = "diffuse_albedo" in files or "color" in files
        color = (1.0, 1.0, 1.0) if textured else material.base_color_factor[:3]
        f0 = tuple(0.04 * c for c in material.specular_color_factor)
        shine = min(2 / max(roughness, 0.1) ** 4 - 2, 1000.0)  # of a Phong lobe as wide
        lines += [
            "",
            f"newmtl {material.name}",
            "Kd {:.5f} {:.5f} {:.5f}".format(*color),
            "Ks {:.5f} {:.5f} {:.5f}".format(*(1.0,) * 3 if "specular_albedo" in files else f0),
            f"Ns {shine:.3f}",
            "Ni 1.4",
            "d 1",
            "illum 2",
            f"Pr {1.0 if 'roughness' in files else roughness:.4f}",
            "Pm 0",
        ]
        lines += [f"{_KEYS[key]} {file}" for key, file in files.items()]
        if "normal" in files:
            lines.append(f"map_Bump {files['normal']}")  # what Blender reads as a normal map
    return ("\n".join(lines) + "\n").encode()


_KEYS = {
    "diffuse_albedo": "map_Kd", "color": "map_Kd", "specular_albedo": "map_Ks", "normal": "norm",
    "roughness": "map_Pr", "alpha": "map_d",
}  # fmt: skip
