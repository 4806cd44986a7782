"""The binary chunk of a GLB and the glTF objects that point into it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from fitme.export.mesh import IMAGES, ExportMaterial, image_type


class Packer:
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

    def joints(self, indices: NDArray[Any]) -> int:
        """An accessor of the joints [N,4] of a skin, of which there are fewer than 256."""
        values = np.ascontiguousarray(indices, dtype=np.uint8)
        view = self._view(values.tobytes(), gltf.ARRAY_BUFFER)
        return self._accessor(
            bufferView=view, componentType=gltf.UNSIGNED_BYTE, count=len(values), type=gltf.VEC4
        )

    def matrices(self, values: NDArray[Any]) -> int:
        """An accessor of matrices [N,4,4], given row by row as numpy does."""
        columns = np.ascontiguousarray(np.swapaxes(values, 1, 2), dtype="<f4")
        view = self._view(columns.tobytes())
        return self._accessor(
            bufferView=view, componentType=gltf.FLOAT, count=len(values), type=gltf.MAT4
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
            specular["specularColorTexture"] = {"index": self._texture(material, "specular_color")}
        extensions = {}
        if specular != {"specularFactor": 1.0, "specularColorFactor": [1.0, 1.0, 1.0]}:
            extensions["KHR_materials_specular"] = specular
            self._use("KHR_materials_specular")
        normal = None
        if material.normal is not None:
            normal = gltf.NormalMaterialTexture(
                index=self._texture(material, "normal"), scale=float(material.normal_scale)
            )
        return gltf.Material(
            name=material.name,
            pbrMetallicRoughness=gltf.PbrMetallicRoughness(
                baseColorFactor=_floats(material.base_color_factor),
                baseColorTexture=self._texture_info(material, "base_color"),
                metallicFactor=float(material.metallic_factor),
                roughnessFactor=float(material.roughness_factor),
                metallicRoughnessTexture=self._texture_info(material, "metallic_roughness"),
            ),
            normalTexture=normal,
            alphaMode=material.alpha_mode,
            alphaCutoff=0.5 if material.alpha_mode == "MASK" else None,
            occlusionTexture=(
                None
                if material.occlusion is None
                else gltf.OcclusionTextureInfo(
                    index=self._texture(material, "occlusion"), texCoord=material.occlusion_uv
                )
            ),
            doubleSided=material.double_sided,
            extensions=extensions,
        )

    def _texture_info(self, material: ExportMaterial, slot: str) -> gltf.TextureInfo | None:
        if getattr(material, slot) is None:
            return None
        return gltf.TextureInfo(index=self._texture(material, slot))

    def _texture(self, material: ExportMaterial, slot: str) -> int:
        """The texture of one of a material's images, each of which is stored once."""
        data: bytes = getattr(material, slot)
        if data not in self._textures:
            if not self.file.samplers:
                # Repeat, not clamp: what engines default to, and no texel lies at the border.
                self.file.samplers = [
                    gltf.Sampler(magFilter=gltf.LINEAR, minFilter=gltf.LINEAR_MIPMAP_LINEAR)
                ]
            self._textures[data] = len(self.file.textures)
            kind, index = image_type(data), len(self.file.images)
            name = image_name(material, slot)
            view = self._view(data)
            self.file.images.append(gltf.Image(name=name, mimeType=kind, bufferView=view))
            if kind == "image/webp":  # without a PNG beside it the extension is required
                self._use("EXT_texture_webp", required=True)
                extension = {"EXT_texture_webp": {"source": index}}
                texture = gltf.Texture(sampler=0, extensions=extension)
            else:
                texture = gltf.Texture(sampler=0, source=index)
            self.file.textures.append(texture)
        return self._textures[data]

    def _use(self, extension: str, required: bool = False) -> None:
        for names in (self.file.extensionsUsed, self.file.extensionsRequired)[: 1 + required]:
            if extension not in names:
                names.append(extension)

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


def image_name(material: ExportMaterial, slot: str) -> str:
    """What programs show for an image: its first owner and every use it has there, such as
    "head_base_color" or "head_occlusion_metallic_roughness"."""
    data = getattr(material, slot)
    uses = [key for key in _NAMED_FIRST if getattr(material, key) == data]
    return "_".join([material.name.removesuffix("_material"), *uses])


_NAMED_FIRST = sorted(IMAGES, key=lambda key: key != "occlusion")
_COMPONENT = {np.dtype("<u2"): gltf.UNSIGNED_SHORT, np.dtype("<u4"): gltf.UNSIGNED_INT}


def _index_type(vertex_count: int) -> np.dtype[Any]:
    # The largest number of each type is the restart mark and no index.
    return np.dtype("<u2") if vertex_count <= 65535 else np.dtype("<u4")


def _floats(values: Iterable[Any]) -> list[float]:
    return [float(value) for value in values]
