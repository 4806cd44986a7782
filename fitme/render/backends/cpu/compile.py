"""How every numba kernel of the project is compiled, and where compiled kernels are kept.

numba's own cache ends in a traceback where neither the package's folder nor HOME can be written,
and where one of its files is damaged; and processes that compile different versions of one kernel
at the same time can end up with each other's. Here a compiled kernel is one file whose name says
all that it was compiled from, behind its own checksum: nothing to lock, and what cannot be read is
compiled again.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from fitme.runtime.kept_files import folders, read_kept, remove, write_kept
from fitme.runtime.progress import Progress, Stage

# error_model: no exception branches; fastmath: only what cannot hide a NaN
KERNEL: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp", "reassoc"},
}
_HERE = Path(__file__).absolute().parent
_CONSTANTS = [_HERE.parents[1] / name for name in ("brdf.py", "light.py")]
_listeners: list[Callable[[str], None]] = []


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with the options of all renderer kernels, and keep the result for the next run."""
    return compiled(function, **KERNEL)


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """`numba.njit` with a cache that never fails; `options` are numba's, without `cache`."""
    dispatcher = numba.njit(**options)(function)
    dispatcher._cache = KernelCache(function)
    return dispatcher


@contextmanager
def listening(missed: Callable[[str], None]) -> Iterator[None]:
    """Calls missed(name) before a kernel is compiled because no kept one can be used."""
    _listeners.append(missed)
    try:
        yield
    finally:
        _listeners.remove(missed)


@contextmanager
def reporting(progress: Progress) -> Iterator[None]:
    """Shows kernels that are compiled meanwhile as a stage of their own, and a note when none of
    them can be kept for the next run."""
    with ExitStack() as stack:
        stages: list[Stage] = []

        def missed(name: str) -> None:
            if not stages:
                stages.append(stack.enter_context(progress.stage("compiling kernels, once")))
            stages[0].step()

        KernelCache.unkept = ""
        with listening(missed):
            yield
    if KernelCache.unkept:
        progress.note(
            f"the compiled kernels cannot be kept ({KernelCache.unkept}), so that every run has to "
            "compile them again; name a folder that can be written in NUMBA_CACHE_DIR"
        )


class KernelCache(FunctionCache):
    """The compiled versions of one kernel, one file each: `numba.core.caching.Cache`."""

    unkept: str = ""  # why the latest kernel of this process could not be kept; "" if none failed

    def __init__(self, function: Callable[..., Any]) -> None:
        self._py_func = function
        self._source = Path(function.__code__.co_filename).absolute()
        self._name = f"{self._source.stem}.{function.__qualname__}".translate({60: None, 62: None})
        self._enabled = True

    @property
    def cache_path(self) -> str:
        return str(folders(self._source)[0])

    def flush(self) -> None:
        for folder in folders(self._source):
            for file in folder.glob(f"{self._name}.*.nbc"):
                remove(file)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kept kernel for these argument types, or None."""
        target_context.refresh()
        name = self._file(sig, target_context.codegen())
        for folder in folders(self._source):
            body = read_kept(folder / name)
            if body is None:
                continue
            try:
                return CompileResult._rebuild(target_context, *pickle.loads(body))
            except Exception:
                remove(folder / name)  # of a numba that packs its results in another way
        for missed in list(_listeners):
            missed(self._name)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel in the first folder that takes it; none is no error."""
        if data.library.has_dynamic_globals or any(not lifted.can_cache for lifted in data.lifted):
            return
        name = self._file(sig, data.codegen)
        body = dumps(data._reduce())
        failed = ""
        for folder in folders(self._source):
            try:
                write_kept(folder / name, body)
            except OSError as error:
                failed = f"{folder}: {error.strerror or error}"
                continue
            for file in folder.glob(f"{self._name}.*.nbc"):
                if not file.name.startswith(f"{self._name}.{self._stamp[:12]}-"):
                    remove(file)  # of an older source
            return
        KernelCache.unkept = failed or "no folder for it is known"

    def _file(self, sig: Any, codegen: Any) -> str:
        """Name of the file for these argument types: of the sources, then of all the rest."""
        _, target, code = self._index_key(sig, codegen)
        facts = (numba.__version__, sys.version_info[:2], str(sig), target, code)
        key = hashlib.sha256(repr(facts).encode()).hexdigest()
        return f"{self._name}.{self._stamp[:12]}-{key[:20]}.nbc"

    @functools.cached_property
    def _stamp(self) -> str:
        """Hash of the source and of all that its kernels may have compiled in: the other kernels
        beside it, and the constants of `render/brdf.py` and `render/light.py`."""
        files = {self._source}
        if self._source.parent == _HERE:
            files |= {*_HERE.glob("kernels_*.py"), *_CONSTANTS}
        total = hashlib.sha256()
        for file in sorted(files):
            with suppress(OSError):  # a frozen program has no sources; the bytecode is in the key
                total.update(file.read_bytes() + b"\0")
        return total.hexdigest()
