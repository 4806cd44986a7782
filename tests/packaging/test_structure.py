"""The house stays as it was drawn: no cycles, no arrow against the flow, files of one idea."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

from tests.packaging.modules import (
    REPOSITORY,
    cycles,
    imports,
    imports_of_source,
    modules,
    runtime_nodes,
    tree,
)

# What may import what: a module imports its own folder and folders on lower layers, never one of
# its own layer or above. A new folder of fitme/ gets a row here and a line in docs/architecture.md.
LAYERS = {
    "runtime": 0,
    "errors": 1,  # the public alias
    "image": 1,
    "render": 2,  # knows nothing of heads, photos and files
    "learned": 2,
    "models": 3,
    "segment": 4,  # the encoder's network on a photo
    "landmarks": 5,
    "head": 6,
    "reflectance": 7,
    "hair": 7,
    "detail": 8,  # layers on top of the head, and what they do to its materials
    "export": 9,  # works on shape, materials and views, not on avatars
    "avatar": 10,
    "report": 11,
    "fit": 12,
    "batch": 13,
    "sample": 13,
    "doctor": 13,
    "studio": 14,  # a batch's thumbnails are its own, too
    "cli": 15,
    "models.train": 16,  # the recipes use everything, nothing uses them
    "": 17,  # fitme/__init__.py: loads names when they are used
}

MEDIAN_LINES = 130
MOST_LINES = 400
LONG_FILES = {  # tables and kernels
    "fitme/render/backends/cpu/kernels_shade_back.py",
}

PART_NAMES = {"eye_L", "eye_R", "teeth", "tongue"}
MAY_NAME_PARTS = ("fitme.head", "fitme.export", "fitme.models.train")


def layer_of(module: str) -> str:
    """The row of LAYERS that a module belongs to."""
    names = module.split(".")[1:]
    for depth in (2, 1):
        if len(names) >= depth and ".".join(names[:depth]) in LAYERS:
            return ".".join(names[:depth])
    return names[0] if names else ""


def against_the_flow(graph: dict[str, frozenset[str]]) -> list[str]:
    found = []
    for name, others in graph.items():
        for other in others:
            above, below = layer_of(name), layer_of(other)
            if above != below and LAYERS[above] <= LAYERS[below]:
                found.append(f"{name} imports {other}")
    return sorted(found)


def part_names(module: ast.Module) -> list[int]:
    """Lines in which a part's name stands as a string of the code, docstrings left out."""
    return sorted(
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and node.value in PART_NAMES
    )


def lines(what: str, found: list[str]) -> str:
    """What a failed check prints: a line each."""
    return "\n  ".join([f"{what}:", *found])


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_import_cycle() -> None:
    """Imports inside functions count: they only hide a cycle."""
    found = [" <-> ".join(group) for group in cycles(imports())]
    assert not found, lines("import cycles", found)


def test_every_folder_has_a_layer() -> None:
    assert {layer_of(name) for name in modules()} - set(LAYERS) == set()


def test_no_arrow_against_the_flow() -> None:
    found = against_the_flow(imports())
    assert not found, lines("against the flow (see LAYERS)", found)


def test_the_median_file_is_short() -> None:
    """Of those that hold code: the near-empty `__init__.py` of folders would flatter it."""
    files = [path for path in modules().values() if path.name != "__init__.py"]
    assert statistics.median(map(length, files)) < MEDIAN_LINES


def test_no_file_is_long() -> None:
    sizes = {p.relative_to(REPOSITORY).as_posix(): length(p) for p in modules().values()}
    long = {name for name, size in sizes.items() if size > MOST_LINES}
    found = [f"{name}: {sizes[name]}" for name in sorted(long - LONG_FILES)]
    assert not found, lines(f"more than {MOST_LINES} lines", found)
    assert long >= LONG_FILES, "a file of LONG_FILES is short or gone: take it out of the list"


def test_parts_are_told_by_their_role() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for name, path in modules().items()
        if not name.startswith(MAY_NAME_PARTS)
        for line in part_names(tree(path))
    ]
    assert not found, lines("take the part's role (fitme.head.parts) instead of its name", found)


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples"])
def test_no_patched_path(folder: str) -> None:
    """Everything is imported by its package."""
    allowed = {
        "benchmarks/generator_speed.py",  # measures a checkout of NVIDIA's beside ours
        "tests/render/test_compile.py",  # imports a module that it writes
    }
    found = set()
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(tree(path)):
            sys_path = (
                isinstance(node, ast.Attribute)
                and node.attr == "path"
                and getattr(node.value, "id", "") == "sys"
            )
            if sys_path or getattr(node, "attr", "") == "syspath_prepend":
                found.add(path.relative_to(REPOSITORY).as_posix())
    assert found - allowed == set()


def test_benchmarks_take_nothing_from_tests() -> None:
    for path in (REPOSITORY / "benchmarks").rglob("*.py"):
        for node in runtime_nodes(tree(path)):
            named = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in [named or "", *names]:
                assert name.split(".")[0] != "tests", path


class TestTheTools:
    """The checks above see what they are meant to see."""

    KNOWN = frozenset({"fitme", "fitme.a", "fitme.a.b", "fitme.c"})

    def of(self, source: str, name: str = "fitme.a.b", is_package: bool = False) -> set[str]:
        return set(imports_of_source(ast.parse(source), name, is_package, self.KNOWN))

    def test_every_form_of_import(self) -> None:
        assert self.of("import fitme.c") == {"fitme.c"}
        assert self.of("import fitme.c as d, torch") == {"fitme.c"}
        assert self.of("from fitme import c") == {"fitme.c"}
        assert self.of("from fitme.c import thing") == {"fitme.c"}
        assert self.of("from . import b") == {"fitme.a.b"}
        assert self.of("from .b import thing", "fitme.a", True) == {"fitme.a.b"}
        assert self.of("from .. import c") == {"fitme.c"}
        assert self.of("def f():\n    from fitme.c import thing") == {"fitme.c"}
        assert self.of("from importlib import import_module\nimport_module('fitme.c')") == {
            "fitme.c"
        }

    def test_what_only_the_type_checker_reads(self) -> None:
        source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import fitme.c\n"
        assert self.of(source) == set()
        assert self.of(source + "else:\n    import fitme.a\n") == {"fitme.a"}

    def test_cycles(self) -> None:
        graph = {"a": "b", "b": "c", "c": "a", "d": "a", "e": "f", "f": ""}
        assert cycles({k: frozenset(v) for k, v in graph.items()}) == [["a", "b", "c"]]
        assert cycles({"a": frozenset("b"), "b": frozenset()}) == []

    def test_layers(self) -> None:
        assert layer_of("fitme.models.train.head") == "models.train"
        assert layer_of("fitme.models.stylegan2") == "models" and layer_of("fitme") == ""
        graph = {"fitme.head.model": frozenset({"fitme.fit.align", "fitme.render.camera"})}
        assert against_the_flow(graph) == ["fitme.head.model imports fitme.fit.align"]
        graph = {"fitme.segment.frame": frozenset({"fitme.landmarks", "fitme.segment.labels"})}
        assert against_the_flow(graph) == ["fitme.segment.frame imports fitme.landmarks"]

    def test_part_names(self) -> None:
        source = '"""The teeth."""\nnames = ("eye_L", "mouth")\nteeth = {"teeth": 1}\n'
        assert part_names(ast.parse(source)) == [2, 3]
