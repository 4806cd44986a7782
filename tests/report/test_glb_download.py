"""The button of the report that gives the avatar out as a file, against `avatar_glb`."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitme.export.bundle import avatar_glb
from fitme.report.html import report_html
from tests.browser import Visit, download, evaluate, open_page, wait
from tests.export.external import load_in_blender, load_in_three, validate
from tests.small_avatar import small_avatar

OFFERED = wait("!document.querySelector('.get').hidden")
STEP = 2e-6  # metres; shapes are rounded to 16 bits in the page


class Glb:
    """What a GLB holds, sparse accessors filled in."""

    def __init__(self, data: bytes) -> None:
        assert struct.unpack("<4sII", data[:12]) == (b"glTF", 2, len(data))
        length = struct.unpack("<I", data[12:16])[0]
        self.json = json.loads(data[20 : 20 + length])
        self.binary = data[28 + length :]

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        return self.binary[start : start + view["byteLength"]]

    def array(self, index: int) -> np.ndarray:
        given = self.json["accessors"][index]
        size = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[given["type"]]
        kinds = {5123: np.uint16, 5125: np.uint32, 5126: np.float32}
        kind = kinds[given["componentType"]]
        out = np.zeros((given["count"], size), kind)
        if given.get("bufferView") is not None:
            out = np.frombuffer(self.view(given["bufferView"]), kind).reshape(out.shape)
        if given.get("sparse"):
            where, what = given["sparse"]["indices"], given["sparse"]["values"]
            rows = np.frombuffer(self.view(where["bufferView"]), kinds[where["componentType"]])
            out[rows] = np.frombuffer(self.view(what["bufferView"]), kind).reshape(-1, size)
        return out

    def mesh(self, name: str) -> dict[str, Any]:
        """Corners in the order of the triangles, so that two files can be compared."""
        mesh = next(mesh for mesh in self.json["meshes"] if mesh["name"] == name)
        (part,) = mesh["primitives"]
        order = self.array(part["indices"])[:, 0].astype(int)
        names = mesh["extras"]["targetNames"]
        attributes = {key: self.array(index)[order] for key, index in part["attributes"].items()}
        shapes = {
            shape: {key: self.array(index)[order] for key, index in target.items()}
            for shape, target in zip(names, part["targets"], strict=True)
        }
        return {**attributes, "shapes": shapes}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a click on the button gives, from a page that lies alone in a folder."""
    folder = tmp_path_factory.mktemp("page")
    page = folder / "report.html"
    page.write_text(report_html(small_avatar()), encoding="utf-8")
    seen: Visit = open_page(
        page, [OFFERED, download("#save-glb", folder / "files"),
               evaluate("document.getElementById('glb-note').textContent")],
    )  # fmt: skip
    assert seen.errors == [] and seen.requests == []
    assert seen.values[2] == ""
    assert Path(seen.values[1]).name == "avatar.glb"
    return Path(seen.values[1])


def test_the_validator_accepts_it(file: Path) -> None:
    issues = validate(file)["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"][:5]


@pytest.fixture(scope="module")
def exported(file: Path) -> Path:
    """The avatar.glb that `fitme fit` writes."""
    other = file.parent / "exported.glb"
    other.write_bytes(avatar_glb(small_avatar()))
    return other


@pytest.mark.parametrize(
    ("read", "same"),
    [
        (load_in_three, ("attributes", "vertices", "triangles", "targets")),
        (load_in_blender, ("parent", "triangles", "shape_keys", "shape_values", "materials")),
    ],
)
def test_others_read_the_same_meshes(
    file: Path, exported: Path, read: Callable[[Path], dict], same: tuple[str, ...]
) -> None:
    theirs, ours = (read(path)["meshes"] for path in (file, exported))
    assert list(theirs) == list(ours)
    for name, mesh in ours.items():
        for key in same:
            assert theirs[name][key] == mesh[key], (name, key)


def test_it_is_the_avatar_of_the_export(file: Path) -> None:
    theirs, ours = Glb(file.read_bytes()), Glb(avatar_glb(small_avatar()))
    names = [mesh["name"] for mesh in ours.json["meshes"]]
    assert [mesh["name"] for mesh in theirs.json["meshes"]] == names
    places = [
        [(node["name"], node.get("translation") or [0, 0, 0]) for node in glb.json["nodes"]]
        for glb in (theirs, ours)
    ]
    for (name, at), (wanted, where) in zip(*places, strict=True):
        assert name == wanted and np.allclose(at, where, atol=STEP)
    for name in names:
        got, wanted = theirs.mesh(name), ours.mesh(name)
        for key, least in (("POSITION", STEP), ("NORMAL", 2e-3), ("TEXCOORD_0", 1e-6)):
            assert np.abs(got[key] - wanted[key]).max() < least, (name, key)
        assert ("TANGENT" in got) == ("TANGENT" in wanted)
        if "TANGENT" in got:  # ours are MikkTSpace's, the viewer's are smoother over seams
            a, b = got["TANGENT"], wanted["TANGENT"]
            assert np.quantile((a[:, :3] * b[:, :3]).sum(1), 0.05) > 0.9
            assert (a[:, 3] == b[:, 3]).mean() > 0.999
        assert list(got["shapes"]) == list(wanted["shapes"])
        for shape, targets in wanted["shapes"].items():
            found = got["shapes"][shape]
            # What moves less than 10 micrometres is left out of the page.
            assert np.abs(found["POSITION"] - targets["POSITION"]).max() < 1.2e-5, (name, shape)
            miss = np.abs(found["NORMAL"] - targets["NORMAL"]).max(-1)
            assert np.quantile(miss, 0.99) < 5e-3, (name, shape)


def test_its_materials_are_those_of_the_export(file: Path) -> None:
    theirs, ours = Glb(file.read_bytes()), Glb(avatar_glb(small_avatar()))
    for got, wanted in zip(theirs.json["materials"], ours.json["materials"], strict=True):
        assert got["name"] == wanted["name"] and got["doubleSided"] == wanted["doubleSided"]
        a, b = got["pbrMetallicRoughness"], wanted["pbrMetallicRoughness"]
        assert np.allclose(a["baseColorFactor"], b["baseColorFactor"], atol=1e-5)
        assert np.allclose(a["roughnessFactor"], b["roughnessFactor"], atol=1e-5)
        assert a["metallicFactor"] == b["metallicFactor"] == 0
        for key in ("baseColorTexture", "metallicRoughnessTexture"):
            assert (a.get(key) is None) == (b.get(key) is None), (got["name"], key)
        assert (got.get("normalTexture") is None) == (wanted.get("normalTexture") is None)
    assert theirs.json["asset"] == {key: x for key, x in ours.json["asset"].items() if x}
    assert all(
        image["mimeType"] == "image/jpeg" and image["name"] for image in theirs.json["images"]
    )
