"""The wheel holds everything and works where nothing but it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packaging.installed import REPOSITORY, SOURCES, Installed, install_wheel

# Modules that run inside another program or drive a package that is never a dependency, and the
# one import that may be missing there. Every other module must come in on a plain installation
# with the dev group.
OPTIONAL = {
    "fitme.export.blender_fbx": "bpy",  # runs in Blender
    "fitme.export.wrinkles_blender": "bpy",
    "fitme.export.skin_blender": "bpy",
    "fitme.export.hair_strands_blender": "bpy",
    "fitme.render.backends.nvdiffrast": "nvdiffrast",  # not on the package index
    # comes with torch's wheels for Linux, but not with those for the CPU alone
    **{
        f"fitme.render.backends.triton.{path.stem}": "triton"
        for path in (REPOSITORY / "fitme/render/backends/triton").glob("[!_]*.py")
    },
}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import fitme
failed, count = {}, 0
def onerror(name): pass  # imported again below, where the reason is kept
for module in pkgutil.walk_packages(fitme.__path__, "fitme.", onerror):
    count += 1
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        failed[module.name] = error.name
    except BaseException as error:
        failed[module.name] = repr(error)
json.dump({"file": fitme.__file__, "count": count, "failed": failed}, sys.stdout)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install_wheel(tmp_path_factory.mktemp("wheel"))


def in_wheel(path: Path) -> str:
    """Where a file of the checkout lies in the wheel."""
    name = path.relative_to(REPOSITORY).as_posix()
    return name if name.startswith("fitme/") else f"fitme/{name}"


@pytest.mark.parametrize(
    "suffixes",
    [(".py", ".typed"), (".safetensors",), (".md", ".json", ".jpg"), (".j2", ".css", ".js")],
    ids=["modules", "weights", "cards", "pages"],
)  # fmt: skip
def test_every_file_is_in_the_wheel(installed: Installed, suffixes: tuple[str, ...]) -> None:
    """A new folder has to be named in pyproject.toml, its data under package-data."""
    wanted = {
        in_wheel(path)
        for source in SOURCES
        for path in (REPOSITORY / source).rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }
    assert wanted and sorted(wanted - installed.files) == []


def test_nothing_else_is_in_the_wheel(installed: Installed) -> None:
    for name in installed.files:
        assert name.startswith(("fitme/", "fitme-")), name
        assert not name.endswith((".pyc", ".so")), name


def test_every_module_can_be_imported(installed: Installed) -> None:
    done = installed.run("python", "-I", "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert Path(report["file"]).is_relative_to(installed.environment)
    modules = {name for name in installed.files if name.endswith(".py")} - {"fitme/__init__.py"}
    assert report["count"] == len(modules)
    left = {name: why for name, why in report["failed"].items() if OPTIONAL.get(name) != why}
    assert left == {}
    for name in OPTIONAL:  # the list names modules that are there
        path = name.replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py"} & installed.files, name


def test_version(installed: Installed) -> None:
    done = installed.run("fitme", "version", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fitme"] in next(
        name for name in installed.files if name.endswith("/METADATA")
    )


def test_doctor_finds_weights_and_device(installed: Installed) -> None:
    done = installed.run("fitme", "doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
