"""A trained file of the package as it is read: what it says of itself, and its tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fitme.runtime.errors import ModelError, show_path


@contextmanager
def stored(
    path: Path, kind: str, what: str, device: torch.device | str
) -> Iterator[tuple[Mapping[str, str], dict[str, Tensor]]]:
    """Metadata and tensors of a safetensors file whose format is `kind`. That the file is missing
    or damaged, or that nothing can be made of it inside, is a ModelError that calls it `what`."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).to(device) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != kind:
            raise ValueError(f"not of the format {kind}")
        yield metadata, tensors
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{show_path(path)} is no usable {what} ({line}); reinstall fitme"
        ) from error
