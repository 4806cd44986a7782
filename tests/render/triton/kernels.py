"""The modules of the Triton backend that start kernels."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from fitme.render.backends import triton


def modules_that_launch() -> list[ModuleType]:
    names = [f"{triton.__name__}.{found.name}" for found in pkgutil.iter_modules(triton.__path__)]
    modules = [importlib.import_module(name) for name in names]
    return [
        module
        for module in modules
        if hasattr(module, "launch") and not module.__name__.endswith(".launch")
    ]
