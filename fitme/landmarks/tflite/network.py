"""Runs the graph of a .tflite file with torch, on a CPU, for any number of pictures at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitme.landmarks.tflite.file import Graph, read_graph
from fitme.landmarks.tflite.operations import OPERATIONS


class Network:
    """A network of one input. `options_of` shows what the file says about an operation."""

    def __init__(self, graph: Graph) -> None:
        unknown = {operation.kind for operation in graph.operations} - OPERATIONS.keys()
        if unknown or len(graph.inputs) != 1:
            what = f"the operations {sorted(unknown)}" if unknown else "several inputs"
            raise ValueError(f"a .tflite file has {what}")
        self.graph = graph
        # Copies: the arrays are views of the file's bytes, which nothing may write to.
        self._constants = {
            number: torch.from_numpy(value.copy()) for number, value in graph.constants.items()
        }
        # What may be forgotten after each operation: the tensors that it is the last to read.
        last = {i: n for n, operation in enumerate(graph.operations) for i in operation.inputs}
        kept = {*graph.outputs, *self._constants}
        self._over: list[list[int]] = [[] for _ in graph.operations]
        for number, when in last.items():
            if number >= 0 and number not in kept:
                self._over[when].append(number)

    @classmethod
    def read(cls, path: Path) -> Network:
        """Raises ValueError for a file that holds what is not known here."""
        return cls(read_graph(path))

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> list[Tensor]:
        """The outputs in the file's order, of pictures [n,h,w,3] as the network expects them."""
        values = {**self._constants, self.graph.inputs[0]: x}
        for operation, over in zip(self.graph.operations, self._over, strict=True):
            inputs = [values[number] for number in operation.inputs if number >= 0]
            values[operation.outputs[0]] = OPERATIONS[operation.kind](operation.options, *inputs)
            for number in over:
                del values[number]
        return [values[number] for number in self.graph.outputs]

    def options_of(self, kind: str) -> list[dict[str, Any]]:
        """The options of all operations of a kind, in order."""
        return [o.options for o in self.graph.operations if o.kind == kind]
