"""The public API is frozen: names, signatures and base classes as public_api.txt has them."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import fitme
from tests.packaging.modules import tree

STORED = Path(__file__).with_name("public_api.txt")
WHAT_TO_DO = (
    "The public API changed. Callers rely on it: if that was not wanted, undo it. If it was, run "
    "`uv run python -m tests.packaging.test_public_api`, commit public_api.txt and write a line "
    "into CHANGELOG.md."
)


def describe(name: str, thing: object) -> list[str]:
    """Lines that say how a public name is used."""
    if not inspect.isclass(thing):
        assert inspect.isfunction(thing), f"{name} is neither a class nor a function"
        return [f"{name}{inspect.signature(thing)}"]
    bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
    lines = [f"class {name}({bases})" if bases else f"class {name}"]
    if dataclasses.is_dataclass(thing):
        lines += [f"    {_field(field)}" for field in dataclasses.fields(thing)]
    elif "__init__" in vars(thing):
        lines.append(f"    __init__{inspect.signature(thing.__init__)}")
    for key, value in sorted(vars(thing).items()):
        if key.startswith("_"):
            continue
        if isinstance(value, property):
            lines.append(f"    property {key}")
        elif isinstance(value, staticmethod | classmethod):
            lines.append(f"    {type(value).__name__} {key}{inspect.signature(value.__func__)}")
        elif inspect.isfunction(value):
            lines.append(f"    {key}{inspect.signature(value)}")
    return lines


def _field(field: dataclasses.Field) -> str:
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "?")
    if field.default is not dataclasses.MISSING:
        return f"{field.name}: {kind} = {field.default!r}"
    if field.default_factory is not dataclasses.MISSING:
        return f"{field.name}: {kind} = ..."
    return f"{field.name}: {kind}"


def homes() -> dict[str, str]:
    """The module from which a type checker takes each name."""
    (block,) = (
        node for node in tree(Path(fitme.__file__)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )  # fmt: skip
    imported = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imported for alias in node.names}


def public_api() -> str:
    """Every name of `fitme.__all__`, in order, as text.

    From its home: `fitme.fit` itself is a package that can be called.
    """
    found = [getattr(importlib.import_module(homes()[name]), name) for name in fitme.__all__]
    pairs = zip(fitme.__all__, found, strict=True)
    return "\n".join(line for pair in pairs for line in describe(*pair)) + "\n"


def test_as_stored() -> None:
    assert public_api().splitlines() == STORED.read_text().splitlines(), WHAT_TO_DO


def test_a_changed_signature_shows() -> None:
    def render(camera: int, *, shadows: bool = False) -> None: ...

    def renamed(camera: int, *, shadow: bool = False) -> None: ...

    assert describe("f", render) != describe("f", renamed)
    made = type("Thing", (), {"render": render, "_own": render})
    other = type("Thing", (), {"render": renamed})
    assert describe("Thing", made)[1:] == [f"    render{inspect.signature(render)}"]
    assert describe("Thing", made) != describe("Thing", other)


def test_names_come_from_where_the_type_checker_sees_them() -> None:
    """`TYPE_CHECKING` imports and the table of lazy ones agree with `__all__`."""
    assert list(fitme.__all__) == sorted(fitme.__all__) == sorted(homes())
    assert {name: home for name, home in homes().items() if name != "fit"} == fitme._HOME
    assert callable(fitme.fit)
    for name in fitme.__all__:
        assert getattr(fitme, name) is not None and name in dir(fitme)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(fitme, "nothing")  # noqa: B009


def test_errors_are_one_set_of_classes() -> None:
    errors = importlib.import_module("fitme.errors")
    for name in errors.__all__:
        assert getattr(errors, name) is getattr(fitme, name)
    kinds = {name for name in fitme.__all__ if name.endswith("Error")}
    assert kinds == set(errors.__all__)


def test_import_is_cheap() -> None:
    """Neither `import fitme` nor catching its errors loads anything heavy."""
    program = (
        "import sys, fitme, fitme.errors; fitme.InputError, fitme.fit\n"
        "heavy = {'torch', 'numpy', 'numba', 'cv2', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


if __name__ == "__main__":
    STORED.write_text(public_api())
