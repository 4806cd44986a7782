"""Subsets of the shapes, and the mixtures that talking heads ask for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fitme.export.presets import ExportOptions, export_files
from fitme.export.shapes import SETS, chosen_shapes, mixtures, read_sets, with_shapes
from fitme.head.model import ARKIT_NAMES
from fitme.runtime.errors import InputError
from tests.export.export_meshes import head
from tests.export.glb_reader import Glb
from tests.small_avatar import small_avatar

VISEMES = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U"]


class TestMixtures:
    def test_names_of_the_engines_and_parts_of_the_head(self) -> None:
        assert list(mixtures(["oculus"])) == [f"viseme_{name}" for name in VISEMES]
        assert {"aa", "ih", "ou", "ee", "oh", "blink", "lookUp"} <= set(mixtures(["vrm"]))
        for parts in mixtures(SETS).values():
            assert parts.keys() <= set(ARKIT_NAMES)
            assert all(0 < weight <= 1 for weight in parts.values())

    def test_a_mixture_is_the_sum_of_its_parts(self) -> None:
        names = ["jawOpen", "mouthFunnel", "mouthPucker"]
        draw = np.random.default_rng(1)
        own = head()
        targets = {name: draw.normal(size=own.vertices.shape) for name in names}
        mesh = with_shapes(
            replace(own, morph_targets=targets),
            ["jawOpen", "viseme_sil", "viseme_O", "blink"],
        )
        assert list(mesh.morph_targets) == ["jawOpen", "viseme_sil", "viseme_O"]
        parts = mixtures(["oculus"])["viseme_O"]
        wanted = sum(weight * targets[name] for name, weight in parts.items())
        np.testing.assert_allclose(mesh.morph_targets["viseme_O"], wanted)
        assert not mesh.morph_targets["viseme_sil"].any()

    def test_a_head_without_the_parts_has_no_mixture(self) -> None:
        names = chosen_shapes(["jawOpen", "mouthFunnel", "mouthPucker"], ["jawOpen"], ["oculus"])
        assert names == ["jawOpen", "viseme_sil", "viseme_RR", "viseme_O", "viseme_U"]

    def test_refused(self) -> None:
        with pytest.raises(InputError, match="did you mean jawOpen"):
            chosen_shapes(ARKIT_NAMES, ["jawOpn"], ())
        with pytest.raises(InputError, match="oculus, vrm, all or none"):
            read_sets("azure")


class TestExport:
    def test_subset_dense_and_visemes(self) -> None:
        options = ExportOptions(
            "three", (2,), shapes=("jawOpen", "mouthFunnel"), visemes="oculus", sparse=False
        )
        files = export_files(small_avatar(), options)
        glb = Glb(files["avatar_lod2.glb"])
        names = {m["name"]: m.get("extras", {}).get("targetNames") for m in glb.json["meshes"]}
        visemes = list(mixtures(["oculus"]))
        assert names["head"] == ["jawOpen", "mouthFunnel", *visemes]
        assert set(names["teeth"]) <= {"jawOpen", *visemes}
        assert not any("sparse" in accessor for accessor in glb.json["accessors"])
        assert b'"viseme_sil"' in files["fitme_export.json"]

    def test_web(self) -> None:
        files = export_files(small_avatar(), ExportOptions("web", (2,)))
        content = Glb(files["avatar_lod2.glb"]).json
        assert set(content["extensionsRequired"]) == {
            "EXT_meshopt_compression", "EXT_texture_webp", "KHR_mesh_quantization",
        }  # fmt: skip
        names = next(m for m in content["meshes"] if m["name"] == "head")["extras"]["targetNames"]
        assert names == [*ARKIT_NAMES, *mixtures(["oculus"])]
        assert "textures/normal.webp" in files
        plain = export_files(
            small_avatar(), ExportOptions("web", (2,), compress="none", visemes="none")
        )
        assert 3 * len(files["avatar_lod2.glb"]) < len(plain["avatar_lod2.glb"])

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (ExportOptions("unity", compress="meshopt"), "does not read meshopt"),
            (ExportOptions("web", compress="draco"), "meshopt or none"),
            (ExportOptions("obj", visemes="vrm"), "no morph targets"),
            (ExportOptions("gltf", shapes=("smile",)), "no expression smile"),
            (ExportOptions("web", bits=16), "leave --bits out"),
        ],
    )
    def test_refused(self, options: ExportOptions, words: str) -> None:
        with pytest.raises(InputError, match=words):
            export_files(small_avatar(), options)
