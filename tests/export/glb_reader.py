"""A small independent decoder of the GLBs we write: JSON plus accessors as numpy arrays."""

from __future__ import annotations

import json
import struct

import numpy as np

_TYPES = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.json = json.loads(data[20 : 20 + size])
        binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0" and binary_size % 4 == 0
        self.binary = data[28 + size :]
        assert len(self.binary) == binary_size

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.binary[start : start + view["byteLength"]]

    def accessor(self, index: int) -> np.ndarray:
        entry = self.json["accessors"][index]
        kind, width = _TYPES[entry["componentType"]], _WIDTH[entry["type"]]
        values = np.zeros((entry["count"], width), kind)
        if "bufferView" in entry:
            values = np.frombuffer(self.view(entry["bufferView"]), kind).reshape(-1, width).copy()
        if "sparse" in entry:
            part = entry["sparse"]
            where = part["indices"]
            rows = np.frombuffer(self.view(where["bufferView"]), _TYPES[where["componentType"]])
            values[rows] = np.frombuffer(self.view(part["values"]["bufferView"]), kind).reshape(
                -1, width
            )
        return values

    def primitive(self, mesh: int = 0) -> dict:
        (primitive,) = self.json["meshes"][mesh]["primitives"]
        return primitive

    def attribute(self, name: str, mesh: int = 0) -> np.ndarray:
        return self.accessor(self.primitive(mesh)["attributes"][name])

    def triangles(self, mesh: int = 0) -> np.ndarray:
        return self.accessor(self.primitive(mesh)["indices"]).reshape(-1, 3).astype(int)
