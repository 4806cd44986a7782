"""A GLB made small for the web: integers instead of floats, then meshopt.

KHR_mesh_quantization: positions in steps of a node's scale, directions and texture coordinates as
normalized integers. EXT_meshopt_compression: every array by the codecs of `meshopt.py`; files
cannot be read without it, as no uncompressed copy is kept. Vertices are numbered anew, as triangles
first use them; triangles may come back rotated.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.export.meshopt import LARGEST_STRIDE, encode_triangles, encode_vertices, first_use
from fitme.export.triangle_order import near_order

POSITION_STEPS = 4095  # from the origin to the farthest vertex: 0.03 mm a step for a head
_EXTENSION = "EXT_meshopt_compression"
_QUANTIZATION = "KHR_mesh_quantization"
_FLOAT, _BYTE, _SHORT, _USHORT, _UINT = 5126, 5120, 5122, 5123, 5125
_DTYPES = {_BYTE: "<i1", 5121: "<u1", _SHORT: "<i2", _USHORT: "<u2", _UINT: "<u4", _FLOAT: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_VERTICES, _TRIANGLES = 34962, 34963  # targets of buffer views


def small_glb(glb: bytes) -> bytes:
    """The bytes of a GLB of `write_glb`, compressed; node names, morph targets and materials are
    the same, triangles in another order. Meshes of a skin, and of nodes with children or a scale,
    keep float positions."""
    return _Shrinker(glb).packed()


class _Shrinker:
    def __init__(self, glb: bytes) -> None:
        size = struct.unpack_from("<I", glb, 12)[0]
        self.old = json.loads(glb[20 : 20 + size])
        self.binary = glb[28 + size :]
        self.new: dict[str, Any] = json.loads(glb[20 : 20 + size])
        self.blob, self.plain = bytearray(), 0  # what is in the file, bytes that it decodes to
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def packed(self) -> bytes:
        for index, mesh in enumerate(self.new["meshes"]):
            nodes = [node for node in self.new["nodes"] if node.get("mesh") == index]
            scalable = not any({"skin", "children", "scale"} & node.keys() for node in nodes)
            scale = self._scale(mesh) if scalable else 0.0
            for node in nodes if scale else ():
                node["scale"] = [scale] * 3
            mesh["primitives"] = [self._primitive(p, scale) for p in mesh["primitives"]]
        for image in self.new.get("images", ()):
            data = self._view_bytes(image["bufferView"])
            image["bufferView"] = self._view(data)
        for skin in self.new.get("skins", ()):
            matrices = self._read(skin["inverseBindMatrices"])
            view = self._view(matrices.tobytes())
            entry = dict(self.old["accessors"][skin["inverseBindMatrices"]], bufferView=view)
            skin["inverseBindMatrices"] = self._accessor(entry)
        self.new |= {"accessors": self.accessors, "bufferViews": self.views}
        self.new["buffers"] = [
            {"byteLength": len(self.blob)},
            {"byteLength": self.plain, "extensions": {_EXTENSION: {"fallback": True}}},
        ]
        for key in ("extensionsUsed", "extensionsRequired"):
            self.new[key] = sorted({*self.new.get(key, ()), _EXTENSION, _QUANTIZATION})
        text = json.dumps(self.new, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        body = bytes(self.blob) + bytes(-len(self.blob) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(body), b"BIN\0") + body
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    # Meshes

    def _scale(self, mesh: Mapping[str, Any]) -> float:
        """Metres that one step of the mesh's positions stands for; 0 where it has no size."""
        farthest = max(
            float(np.abs(self._read(p["attributes"]["POSITION"])).max()) for p in mesh["primitives"]
        )
        return farthest / POSITION_STEPS

    def _primitive(self, primitive: Mapping[str, Any], scale: float) -> dict[str, Any]:
        triangles = self._read(primitive["indices"]).reshape(-1, 3)
        triangles = triangles[near_order(triangles)]
        order = first_use(triangles)
        number = np.zeros(int(triangles.max()) + 1, np.int64)
        number[order] = np.arange(len(order))
        out = dict(primitive, indices=self._indices(number[triangles], len(order)))
        out["attributes"] = {
            name: self._vertices(name, self._read(index)[order], scale)
            for name, index in primitive["attributes"].items()
        }
        if "targets" in primitive:
            out["targets"] = [
                {
                    name: self._vertices(name, self._read(index)[order], scale, offsets=True)
                    for name, index in target.items()
                }
                for target in primitive["targets"]
            ]
        return out

    def _indices(self, triangles: NDArray[np.int64], count: int) -> int:
        kind = _USHORT if count <= 65535 else _UINT
        stride = 2 if kind == _USHORT else 4
        view = self._compressed(
            encode_triangles(triangles), triangles.size, stride, "TRIANGLES", _TRIANGLES
        )
        entry = {"componentType": kind, "count": triangles.size, "type": "SCALAR"}
        return self._accessor(entry | {"bufferView": view})

    def _vertices(
        self, name: str, values: NDArray[Any], scale: float, offsets: bool = False
    ) -> int:
        """An accessor of one attribute, or of a target's offsets from it."""
        kind, normalized, codes = _FLOAT, False, values
        if name == "POSITION" and scale:
            kind, codes = _SHORT, np.rint(values / scale)
        elif name == "NORMAL" and not offsets:
            kind, normalized, codes = _SHORT, True, np.rint(values.clip(-1, 1) * 32767)
        elif name in ("NORMAL", "TANGENT"):
            kind, normalized, codes = _BYTE, True, np.rint(values.clip(-1, 1) * 127)
        elif name.startswith("TEXCOORD") and values.min() >= 0 and values.max() <= 1:
            kind, normalized, codes = _USHORT, True, np.rint(values * 65535)
        elif values.dtype != np.dtype("<f4"):
            kind = next(k for k, dtype in _DTYPES.items() if np.dtype(dtype) == values.dtype)
        codes = np.ascontiguousarray(codes.astype(_DTYPES[kind]))
        used = codes.shape[1] * codes.itemsize
        rows = np.zeros((len(codes), -(-used // 4) * 4), np.uint8)
        rows[:, :used] = codes.view(np.uint8)
        assert rows.shape[1] <= LARGEST_STRIDE
        view = self._compressed(
            encode_vertices(rows), len(rows), rows.shape[1], "ATTRIBUTES", _VERTICES
        )
        entry: dict[str, Any] = {
            "bufferView": view, "componentType": kind, "count": len(codes),
            "type": {2: "VEC2", 3: "VEC3", 4: "VEC4"}[codes.shape[1]],
        }  # fmt: skip
        if normalized:
            entry["normalized"] = True
        if name == "POSITION":
            entry |= {"min": codes.min(0).tolist(), "max": codes.max(0).tolist()}
        return self._accessor(entry)

    # Buffers

    def _read(self, index: int) -> NDArray[Any]:
        """The values [N,k] of an accessor of the given file."""
        entry = self.old["accessors"][index]
        kind, width = _DTYPES[entry["componentType"]], _WIDTHS[entry["type"]]
        values = np.zeros((entry["count"], width), kind)
        if "bufferView" in entry:
            values = np.frombuffer(self._view_bytes(entry["bufferView"]), kind)
            values = values.reshape(-1, width).copy()
        if "sparse" in entry:
            where, what = entry["sparse"]["indices"], entry["sparse"]["values"]
            kept = _DTYPES[where["componentType"]]
            rows = np.frombuffer(self._view_bytes(where["bufferView"]), kept)
            changed = np.frombuffer(self._view_bytes(what["bufferView"]), kind)
            values[rows] = changed.reshape(-1, width)
        return values

    def _view_bytes(self, index: int) -> bytes:
        view = self.old["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.binary[start : start + view["byteLength"]]

    def _store(self, data: bytes) -> int:
        self.blob += bytes(-len(self.blob) % 4)
        start = len(self.blob)
        self.blob += data
        return start

    def _view(self, data: bytes) -> int:
        start = self._store(data)
        self.views.append({"buffer": 0, "byteOffset": start, "byteLength": len(data)})
        return len(self.views) - 1

    def _compressed(self, data: bytes, count: int, stride: int, mode: str, target: int) -> int:
        view = {"buffer": 1, "byteOffset": self.plain, "byteLength": count * stride}
        if target == _VERTICES:
            view["byteStride"] = stride
        packed = {
            "buffer": 0, "byteOffset": self._store(data), "byteLength": len(data),
            "byteStride": stride, "count": count, "mode": mode,
        }  # fmt: skip
        self.views.append(view | {"target": target, "extensions": {_EXTENSION: packed}})
        self.plain += -(-count * stride // 4) * 4
        return len(self.views) - 1

    def _accessor(self, entry: dict[str, Any]) -> int:
        self.accessors.append(entry)
        return len(self.accessors) - 1
