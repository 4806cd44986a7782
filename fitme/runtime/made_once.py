"""Arrays that depend on a model's file and the code alone, made by the first run to need them."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from fitme.runtime.kept_files import folders, read_kept, remove, write_kept

Arrays = dict[str, NDArray[np.generic]]
_PACKAGE = Path(__file__).absolute().parents[1]


def made_once(
    source: str, name: str, made_of: Iterable[Tensor | NDArray[np.generic] | str],
    make: Callable[[], Mapping[str, NDArray[np.generic]]],
) -> Arrays:  # fmt: skip
    """What `make` makes of CPU tensors, arrays and texts, by the code of file `source`, or what it
    made of the same in an earlier run: the same bits, as any other code, library, processor or
    number of threads counts as something else. Where nothing can be kept it is made each time."""
    stamp, key = _code(), hashlib.blake2b(_machine().encode(), digest_size=10)
    for value in made_of:
        if isinstance(value, str):
            key.update(value.encode())
            continue
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        key.update(f"{array.dtype.str}{array.shape}".encode())
        key.update(np.ascontiguousarray(array).tobytes())
    file = f"{name}.{stamp}-{key.hexdigest()}.made"
    places = folders(Path(source).absolute())
    for folder in places:
        body = read_kept(folder / file)
        if body is not None:
            with suppress(SafetensorError, ValueError, KeyError):
                return {key: value.copy() for key, value in load(body).items()}
    made = {key: np.ascontiguousarray(value) for key, value in make().items()}
    for folder in places:
        with suppress(OSError):
            write_kept(folder / file, save(made))
            for old in folder.glob(f"{name}.*.made"):
                if not old.name.startswith(f"{name}.{stamp}-"):
                    remove(old)  # of an earlier state of the code
            break
    return made


def _machine() -> str:
    """What may change the last bit of a sum."""
    libraries = (np.__version__, torch.__version__, platform.python_version())
    processor = (platform.machine(), torch.backends.cpu.get_cpu_capability())
    return repr((libraries, processor, torch.get_num_threads()))


@functools.cache
def _code() -> str:
    """Changes with any source file of the package."""
    total = hashlib.blake2b(digest_size=6)
    for file in sorted(_PACKAGE.rglob("*.py")):
        with suppress(OSError):
            facts = file.stat()
            total.update(f"{file}{facts.st_size}{facts.st_mtime_ns}".encode())
    return total.hexdigest()
