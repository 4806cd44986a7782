"""What the code imports is what pyproject.toml names."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomllib", reason="reads pyproject.toml with Python 3.11")

from tests.packaging.modules import REPOSITORY, foreign_imports, modules

OURS = {"fitme", "benchmarks", "tests"}
# Imported where they are found, never installed: the module's own text says how to get them.
BROUGHT_ALONG = {
    "bpy", "mathutils",  # Blender's own
    "nvdiffrast",  # not on the package index
    "triton",  # comes with torch's wheels for Linux
    "meshoptimizer",  # wants a compiler; models/train/lods.py
    "training",  # a checkout of NVIDIA's, benchmarks/generator_speed.py
}  # fmt: skip


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def normalized(requirement: str) -> str:
    """The name in a requirement, as the package index compares names (PEP 503)."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def imported_at_once(path: Path) -> set[str]:
    """Top names of the packages that a file imports when it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def wanted_by(files: list[Path], imports: Callable[[Path], set[str]] = foreign_imports) -> set[str]:
    """Distributions that the files import."""
    top = set().union(*(imports(file) for file in files))
    top -= OURS | BROUGHT_ALONG | set(sys.stdlib_module_names)
    known = packages_distributions()
    names = [known.get(name, [name])[0] for name in sorted(top)]
    return {normalized(name) for name in names}


def test_the_program_imports_dependencies_and_extras() -> None:
    table = project()["project"]
    named = {normalized(r) for r in table["dependencies"]}
    for extra, requirements in table["optional-dependencies"].items():
        named |= {normalized(r) for r in requirements if extra != "train"}
    recipes = "fitme.models.train"
    wanted = wanted_by([p for name, p in modules().items() if not name.startswith(recipes)])
    assert "torch" in wanted and wanted - named == set()


def test_what_is_imported_at_once_is_no_extra() -> None:
    """An extra may be missing; so may what only a dependency of a dependency brings along. The
    recipes and the studio are for those who have theirs: nothing else imports them at once."""
    named = {normalized(r) for r in project()["project"]["dependencies"]}
    whole = ("fitme.models.train", "fitme.studio")
    files = [path for name, path in modules().items() if not name.startswith(whole)]
    wanted = wanted_by(files, imported_at_once)
    assert "scipy" in wanted and wanted - named == set()
    for path in files:
        assert not re.search(r"^(from|import) fitme\.studio", path.read_text(), re.M), path


def test_recipes_and_benchmarks_import_dependencies_and_train() -> None:
    table = project()["project"]
    extra = table["optional-dependencies"]["train"]
    named = {normalized(r) for r in [*table["dependencies"], *extra]}
    files = [*(REPOSITORY / "models/train").glob("*.py"), *(REPOSITORY / "benchmarks").glob("*.py")]
    wanted = wanted_by(files)
    assert wanted >= {"scipy", "trimesh"} and wanted - named == set()


def test_the_dev_group_holds_all_extras() -> None:
    data = project()
    dev = {normalized(r) for r in data["dependency-groups"]["dev"]}
    for requirements in data["project"]["optional-dependencies"].values():
        assert {normalized(r) for r in requirements} - dev == set()
