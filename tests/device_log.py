"""A device that is none: tensors on it lie in the CPU's memory, but carry a mark.

`DeviceLog` lets code run that asks for "cuda" where there is no GPU, and writes down what a real
one would refuse (tensors of two devices in one operation, numpy of a device's tensor) and what
would make the host wait for it (reading a value, shapes that depend on values, copies from and to
the host). A tensor's storage carries the mark, so that views share it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("cuda", 0)

# Operators of which a GPU's result has a shape that depends on values, or whose success is looked
# up: the host waits.
WAITING = {
    "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount",
    "_local_scalar_dense", "equal", "is_nonzero", "linalg_inv_ex", "_linalg_solve_ex",
    "_linalg_eigh", "_linalg_svd", "linalg_lstsq", "linalg_cholesky_ex", "repeat_interleave",
}  # fmt: skip
# Operators that take no scalar of the host beside tensors of a device.
STRICT = {"cat", "stack", "mm", "bmm", "addmm", "index_select", "gather", "convolution", "dot"}


@dataclass(frozen=True)
class Event:
    """Something that a GPU would refuse or wait for."""

    kind: str  # "mixed", "waits" or "copies"
    what: str  # the operator
    where: str  # the innermost line of fitme
    stage: str  # name and step of a descent, such as "invert 3"; "" outside of one

    @property
    def file(self) -> str:
        return self.where.partition(":")[0].split("/")[-1]

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} at {self.where} {self.stage}".strip()


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place() -> tuple[str, str]:
    where, step = "", "begins"
    for frame in _frames():
        name = frame.f_code.co_filename
        if not where and ("/fitme/" in name or "/models/" in name) and "site-packages" not in name:
            short = "/".join(name.split("/")[-2:])
            where = f"{short}:{frame.f_lineno} {frame.f_code.co_name}"
        if name.endswith("/descent.py"):
            step = frame.f_locals.get("step", step)
            if frame.f_code.co_name == "descend":
                return where, f"{frame.f_locals['name']} {step}"
    return where, ""


# Storages on the device; what is kept from one log to the next stays there.
_MARKED: dict[int, StorageWeakRef] = {}


class DeviceLog:
    """See the module. `events` in their order; `operations` counts the kernels of each step."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.operations: Counter[str] = Counter()
        self.by_place: dict[str, Counter[str]] = {}

    def of_kind(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def add(self, kind: str, what: str) -> None:
        self.events.append(Event(kind, what, *_place()))

    # Marks

    def is_marked(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in _MARKED

    def mark(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in _MARKED:
            _MARKED[storage._cdata] = StorageWeakRef(storage)
            if len(_MARKED) % 4096 == 0:
                gone = [key for key, ref in _MARKED.items() if ref.expired()]
                for key in gone:
                    del _MARKED[key]
        return tensor

    def marked(self, values: Any) -> Any:
        return tree_map_only(Tensor, self.mark, values)

    @contextmanager
    def on(self) -> Iterator[DeviceLog]:
        """Code inside may use "cuda"."""
        with ExitStack() as stack:
            stack.enter_context(_Functions(self))
            stack.enter_context(_Operators(self))
            yield self


@contextmanager
def host() -> Iterator[None]:
    """Unseen by the log: what a device does inside of an operator."""
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        yield


def _wants_device(value: Any) -> str | None:
    if isinstance(value, torch.device):
        return value.type
    if isinstance(value, str) and value.partition(":")[0] in ("cuda", "cpu"):
        return value.partition(":")[0]
    return None


class _Functions(TorchFunctionMode):
    """Calls of torch's Python functions: devices that are named, and reads of values."""

    def __init__(self, log: DeviceLog) -> None:
        super().__init__()
        self.log = log

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        log, name = self.log, getattr(func, "__name__", "")
        first = args[0] if args and isinstance(args[0], Tensor) else None
        if first is not None:
            own = log.is_marked(first)
            if name == "__get__":
                if func == torch.Tensor.device.__get__:  # type: ignore[attr-defined]
                    return DEVICE if own else func(*args)
                if func == torch.Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
                    return own
                if func == torch.Tensor.is_cpu.__get__:  # type: ignore[attr-defined]
                    return not own
                return func(*args, **kwargs)
            if name in ("to", "cpu", "cuda"):
                return self._to(name, first, args, kwargs)
            if own and name in ("numpy", "__array__"):
                log.add("mixed", name)
                return func(*args, **kwargs)
            if own and name == "tolist":
                log.add("waits", name)
                with host():
                    return func(*args, **kwargs)
            if name in ("new_tensor", "__deepcopy__"):
                result = func(*args, **kwargs)
                if own:
                    if name == "new_tensor":
                        log.add("copies", "to the device: new_tensor")
                    log.mark(result)
                return result
        wanted = _wants_device(kwargs.get("device"))
        if wanted == "cuda":
            kwargs["device"] = "cpu"
            if name in ("tensor", "as_tensor", "from_numpy"):
                log.add("copies", f"to the device: {name}")
            result = func(*args, **kwargs)
            return log.marked(result)
        return func(*args, **kwargs)

    def _to(self, name: str, tensor: Tensor, args: tuple[Any, ...], kwargs: Any) -> Any:
        log, own = self.log, self.log.is_marked(tensor)
        wanted = {"cpu": "cpu", "cuda": "cuda"}.get(name)
        rest: list[Any] = []
        for value in args[1:]:
            if isinstance(value, Tensor):
                wanted = "cuda" if log.is_marked(value) else "cpu"
                rest.append(value.dtype)
            elif (device := _wants_device(value)) is not None:
                wanted = device
            elif isinstance(value, torch.dtype):
                rest.append(value)
        other = kwargs.pop("other", None)
        if isinstance(other, Tensor):
            wanted = "cuda" if log.is_marked(other) else "cpu"
            rest.append(other.dtype)
        device = kwargs.pop("device", None)
        wanted = wanted or _wants_device(device)
        if name != "to":
            rest = []
        result = tensor.to(*rest, **kwargs) if rest or kwargs else tensor
        if wanted is None or (wanted == "cuda") == own:
            return result
        log.add("copies", "to the device" if wanted == "cuda" else "to the host")
        with _disable_current_modes():
            result = result.clone()
        return log.mark(result) if wanted == "cuda" else result


class _Operators(TorchDispatchMode):
    """Every operator that runs, those of backward passes too."""

    def __init__(self, log: DeviceLog) -> None:
        super().__init__()
        self.log = log

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        log, name = self.log, func.overloadpacket.__name__
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        own = [log.is_marked(x) for x in tensors]
        result = func(*args, **kwargs)
        if not tensors:
            # Made by a backward pass of torch's own, which makes it where its gradient lies.
            return log.marked(result) if torch._C._current_graph_task_id() != -1 else result
        if not any(own):
            return result
        self._count(name, result, tensors)
        if name in WAITING:
            log.add("waits", name)
        if name == "_local_scalar_dense":
            return result
        self._check(name, args, tensors, own)
        if name == "copy_":
            return result
        return log.marked(result)

    def _check(self, name: str, args: Any, tensors: list[Tensor], own: list[bool]) -> None:
        log = self.log
        if name in ("index", "index_put_", "index_put", "_unsafe_index_put"):
            indices = [x for x in args[1] if x is not None]
            if any(x.dtype in (torch.bool, torch.uint8) for x in indices) and not (
                name != "index" and args[2].numel() == 1
            ):
                log.add("waits", f"{name} by a mask")
            if not own[0]:
                log.add("mixed", name)
            elif not all(log.is_marked(x) for x in indices):
                log.add("copies", f"to the device: indices of {name}")
            if name != "index" and args[2].ndim and not log.is_marked(args[2]):
                log.add("mixed", f"values of {name}")
            return
        if all(own):
            return
        if name == "copy_":
            log.add("copies", "to the device" if own[0] else "to the host")
            return
        stray = [x for x, mark in zip(tensors, own, strict=True) if not mark]
        if any(x.ndim for x in stray) or name in STRICT:
            shapes = ", ".join(
                f"{list(x.shape)}{'' if mark else ' of the host'}"
                for x, mark in zip(tensors, own, strict=True)
            )
            log.add("mixed", f"{name}({shapes})")

    def _count(self, name: str, result: Any, tensors: list[Tensor]) -> None:
        """Count a kernel, unless the result is a view."""
        memory = {x.untyped_storage()._cdata for x in tensors}
        found = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        in_place = name.endswith("_") or name.startswith("_foreach")
        if not in_place and found and all(x.untyped_storage()._cdata in memory for x in found):
            return
        where, stage = _place()
        if stage:
            self.log.operations[stage] += 1
            self.log.by_place.setdefault(stage, Counter())[where or "backward"] += 1


def device_operator(log: DeviceLog, function: Callable[..., Any]) -> Callable[..., Any]:
    """An operator of the CPU, which may use numpy, as one of the device, forward and backward."""

    class Operator(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, *values: Any) -> Any:
            with host(), torch.enable_grad():
                inner = [
                    x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x
                    for x in values
                ]
                found = function(*inner)
            outputs = found if isinstance(found, tuple) else (found,)
            context.inner, context.outputs = inner, outputs
            with host():
                shown = [x.detach().clone() for x in outputs]
            for x, y in zip(shown, outputs, strict=True):
                log.mark(x)
                if not y.requires_grad:
                    context.mark_non_differentiable(x)
            return tuple(shown) if isinstance(found, tuple) else shown[0]

        @staticmethod
        def backward(context: Any, *gradients: Any) -> Any:
            with host():
                wanted = [x for x in context.inner if isinstance(x, Tensor) and x.requires_grad]
                pairs = [
                    (x, g)
                    for x, g in zip(context.outputs, gradients, strict=True)
                    if x.requires_grad and g is not None
                ]
                found = iter(
                    torch.autograd.grad(
                        [x for x, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True
                    )
                )
                result = [
                    next(found) if isinstance(x, Tensor) and x.requires_grad else None
                    for x in context.inner
                ]
                result = [None if x is None else x.clone() for x in result]
            for x in result:
                if x is not None:
                    log.mark(x)
            return tuple(result)

    def apply(*values: Any) -> Any:
        for x in values:
            if isinstance(x, Tensor) and x.ndim and not log.is_marked(x):
                log.add("mixed", f"an operator of the renderer, {list(x.shape)} of the host")
        return Operator.apply(*values)

    return apply
