"""Meshes to one binary glTF 2.0 file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from fitme.export.frames import Corners, corner_tangents, split_corners, vertex_normals
from fitme.export.mesh import ExportMaterial, ExportMesh

#: Offsets of a morph target below these count as none: a micrometre, 0.06 degrees.
POSITION_TOLERANCE = 1e-6
NORMAL_TOLERANCE = 1e-3


def write_glb(
    meshes: Sequence[ExportMesh],
    *,
    root: str = "avatar",
    sparse: bool = True,
    generator: str = "fitme",
    copyright: str | None = None,
) -> bytes:
    """The bytes of a GLB: one node per mesh, named like it, under one node named `root`.

    Vertices are split at texture seams. Meshes carry NORMAL, TEXCOORD_0 when they have uv and
    TANGENT (MikkTSpace) when their material has a normal map. Morph targets carry POSITION and
    NORMAL, have the names in mesh.extras.targetNames and weight 0. They have no TANGENT: three.js
    and Blender ignore it, and the base tangent stays within the normal's swing of right. With
    `sparse` they are sparse accessors wherever that is smaller. Equal materials and images are
    stored once. The same input gives the same bytes.

    Raises ValueError without meshes, for a mesh without a triangle, and for names used twice.
    """
    names = [mesh.name for mesh in meshes]
    if not meshes or len(set(names)) < len(names) or root in names:
        raise ValueError(f"meshes need names of their own, other than {root!r}; got {names}")
    packer = _Packer(sparse)
    packer.file.asset = gltf.Asset(version="2.0", generator=generator, copyright=copyright)
    for index, mesh in enumerate(meshes):
        _add_mesh(packer, mesh)
        pivot = [float(x) for x in mesh.pivot]
        packer.file.nodes.append(
            gltf.Node(name=mesh.name, mesh=index, translation=pivot if any(pivot) else None)
        )
    packer.file.nodes.append(gltf.Node(name=root, children=list(range(len(meshes)))))
    # The scene has no name: three.js would rename the root node if it had the same one.
    packer.file.scenes = [gltf.Scene(nodes=[len(meshes)])]
    packer.file.scene = 0
    return packer.pack()


def _add_mesh(packer: _Packer, mesh: ExportMesh) -> None:
    corners = split_corners(mesh.triangles, mesh.uv, mesh.uv_triangles)
    if len(corners.triangles) == 0:
        raise ValueError(
            f"mesh {mesh.name!r}: triangles of shape {mesh.triangles.shape} has none that names"
            " three vertices"
        )
    smooth = vertex_normals(mesh.vertices, mesh.triangles)
    normals = smooth if mesh.normals is None else _renormalized(mesh.normals, smooth)
    position = mesh.vertices - np.asarray(mesh.pivot)
    attributes = gltf.Attributes(
        POSITION=packer.vertex_data(position[corners.vertex], bounds=True),
        NORMAL=packer.vertex_data(normals[corners.vertex]),
    )
    if mesh.uv is not None:
        attributes.TEXCOORD_0 = packer.vertex_data(mesh.uv[corners.uv])
        if mesh.material.normal is not None:
            tangents = corner_tangents(corners, mesh.vertices, normals, mesh.uv)
            attributes.TANGENT = packer.vertex_data(tangents)
    primitive = gltf.Primitive(
        attributes=attributes,
        indices=packer.indices(corners.triangles, len(corners.vertex)),
        material=packer.material(mesh.material),
        mode=gltf.TRIANGLES,
        targets=[
            _morph_target(packer, mesh, corners, smooth, offsets)
            for offsets in mesh.morph_targets.values()
        ],
    )
    target_names = list(mesh.morph_targets)
    packer.file.meshes.append(
        gltf.Mesh(
            name=mesh.name,
            primitives=[primitive],
            weights=[0.0] * len(target_names),
            extras={"targetNames": target_names} if target_names else {},
        )
    )


def _morph_target(
    packer: _Packer,
    mesh: ExportMesh,
    corners: Corners,
    smooth: NDArray[np.float64],
    offsets: NDArray[Any],
) -> gltf.Attributes:
    bent = vertex_normals(mesh.vertices + offsets, mesh.triangles) - smooth
    offsets = np.where(np.abs(offsets).max(1, keepdims=True) < POSITION_TOLERANCE, 0.0, offsets)
    bent = np.where(np.abs(bent).max(1, keepdims=True) < NORMAL_TOLERANCE, 0.0, bent)
    return gltf.Attributes(
        POSITION=packer.deltas(offsets[corners.vertex], bounds=True),
        NORMAL=packer.deltas(bent[corners.vertex]),
    )


def _renormalized(
    normals: NDArray[np.float64], fallback: NDArray[np.float64]
) -> NDArray[np.float64]:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), fallback)


class _Packer:
    """Collects the binary chunk and the objects of the JSON chunk that point into it."""

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse
        self.file = gltf.GLTF2()
        self._blob = bytearray()
        self._materials: dict[ExportMaterial, int] = {}
        self._textures: dict[bytes, int] = {}

    def pack(self) -> bytes:
        self.file.buffers = [gltf.Buffer(byteLength=len(self._blob))]
        self.file.set_binary_blob(bytes(self._blob))
        return b"".join(self.file.save_to_bytes())

    def vertex_data(self, values: NDArray[Any], bounds: bool = False) -> int:
        """A dense float accessor of values [N,k] for a vertex attribute."""
        values = np.ascontiguousarray(values, dtype="<f4") + np.float32(0)  # no negative zeros
        view = self._view(values.tobytes(), gltf.ARRAY_BUFFER)
        return self._float_accessor(values, values if bounds else None, bufferView=view)

    def deltas(self, values: NDArray[Any], bounds: bool = False) -> int:
        """An accessor of offsets [N,3], mostly zero: sparse where that is smaller."""
        values = np.ascontiguousarray(values, dtype="<f4") + np.float32(0)
        changed = np.flatnonzero(values.any(axis=1))
        if len(changed) == 0:
            changed = np.array([0])  # glTF allows no empty list
        index_type = _index_type(len(values))
        if not self.sparse or len(changed) * (12 + index_type.itemsize) >= 12 * len(values):
            return self.vertex_data(values, bounds)
        indices = self._view(changed.astype(index_type).tobytes())
        entries = gltf.Sparse(
            count=len(changed),
            indices=gltf.AccessorSparseIndices(
                bufferView=indices, componentType=_COMPONENT[index_type]
            ),
            values=gltf.AccessorSparseValues(bufferView=self._view(values[changed].tobytes())),
        )
        return self._float_accessor(
            values, values if bounds else None, sparse=entries, byteOffset=None
        )

    def indices(self, triangles: NDArray[np.int64], vertex_count: int) -> int:
        index_type = _index_type(vertex_count)
        view = self._view(triangles.astype(index_type).tobytes(), gltf.ELEMENT_ARRAY_BUFFER)
        return self._accessor(
            bufferView=view,
            componentType=_COMPONENT[index_type],
            count=triangles.size,
            type=gltf.SCALAR,
        )

    def material(self, material: ExportMaterial) -> int:
        if material not in self._materials:
            self._materials[material] = len(self.file.materials)
            self.file.materials.append(self._new_material(material))
        return self._materials[material]

    def _new_material(self, material: ExportMaterial) -> gltf.Material:
        specular = {
            "specularFactor": material.specular_factor,
            "specularColorFactor": _floats(material.specular_color_factor),
        }
        if material.specular_color is not None:
            specular["specularColorTexture"] = {"index": self._texture(material.specular_color)}
        extensions = {}
        if specular != {"specularFactor": 1.0, "specularColorFactor": [1.0, 1.0, 1.0]}:
            extensions["KHR_materials_specular"] = specular
            self.file.extensionsUsed = ["KHR_materials_specular"]
        normal = None
        if material.normal is not None:
            normal = gltf.NormalMaterialTexture(
                index=self._texture(material.normal), scale=float(material.normal_scale)
            )
        return gltf.Material(
            name=material.name,
            pbrMetallicRoughness=gltf.PbrMetallicRoughness(
                baseColorFactor=_floats(material.base_color_factor),
                baseColorTexture=self._texture_info(material.base_color),
                metallicFactor=float(material.metallic_factor),
                roughnessFactor=float(material.roughness_factor),
                metallicRoughnessTexture=self._texture_info(material.metallic_roughness),
            ),
            normalTexture=normal,
            alphaMode=material.alpha_mode,
            alphaCutoff=0.5 if material.alpha_mode == "MASK" else None,
            doubleSided=material.double_sided,
            extensions=extensions,
        )

    def _texture_info(self, png: bytes | None) -> gltf.TextureInfo | None:
        return None if png is None else gltf.TextureInfo(index=self._texture(png))

    def _texture(self, png: bytes) -> int:
        if png not in self._textures:
            if not self.file.samplers:
                # Repeat, not clamp: what engines default to, and no texel lies at the border.
                self.file.samplers = [
                    gltf.Sampler(magFilter=gltf.LINEAR, minFilter=gltf.LINEAR_MIPMAP_LINEAR)
                ]
            self._textures[png] = len(self.file.textures)
            image = gltf.Image(mimeType="image/png", bufferView=self._view(png))
            self.file.images.append(image)
            self.file.textures.append(gltf.Texture(sampler=0, source=len(self.file.images) - 1))
        return self._textures[png]

    def _view(self, data: bytes, target: int | None = None) -> int:
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self._blob), byteLength=len(data), target=target
        )
        self._blob += data  # pygltflib aligns the views when it writes them
        self.file.bufferViews.append(view)
        return len(self.file.bufferViews) - 1

    def _float_accessor(
        self, values: NDArray[np.float32], bounded: NDArray[np.float32] | None, **fields: Any
    ) -> int:
        if bounded is not None:
            fields |= {"min": _floats(bounded.min(axis=0)), "max": _floats(bounded.max(axis=0))}
        kind = {2: gltf.VEC2, 3: gltf.VEC3, 4: gltf.VEC4}[values.shape[1]]
        return self._accessor(componentType=gltf.FLOAT, count=len(values), type=kind, **fields)

    def _accessor(self, **fields: Any) -> int:
        self.file.accessors.append(gltf.Accessor(**fields))
        return len(self.file.accessors) - 1


_COMPONENT = {np.dtype("<u2"): gltf.UNSIGNED_SHORT, np.dtype("<u4"): gltf.UNSIGNED_INT}


def _index_type(vertex_count: int) -> np.dtype[Any]:
    # The largest number of each type is the restart mark and no index.
    return np.dtype("<u2") if vertex_count <= 65535 else np.dtype("<u4")


def _floats(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values]
