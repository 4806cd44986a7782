"""A .tflite file as plain data: constants as arrays, operations in the order they run.

The file is a flatbuffer whose schema TensorFlow Lite publishes; the package `tflite` is that schema
in Python. Weights stored as half precision (DEQUANTIZE) or with their zeros left out (DENSIFY) are
unpacked here, so that only arithmetic is left to run. Nothing in a file is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from flatbuffers import flexbuffers

_KINDS = {
    value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)
}
_TYPES: dict[int, type[np.generic]] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
#: The schema's table of each kind's options, and its fields that matter here.
_WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", (*_WINDOW, "DilationHFactor", "DilationWFactor")),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions", (*_WINDOW, "DilationHFactor", "DilationWFactor")
    ),
    "MAX_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "AVERAGE_POOL_2D": ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth")),
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", ("BlockSize",)),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One step. kind: the schema's name, or that of a custom operation; inputs and outputs number
    the graph's tensors (-1: an input left out); options by the schema's names."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Graph:
    """What a file holds. constants: arrays in the file's layout (pictures are NHWC)."""

    constants: dict[int, np.ndarray]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(path: Path) -> Graph:
    """The only graph of a .tflite file. Raises ValueError for what this reader does not know."""
    data = path.read_bytes()
    if not tflite.Model.ModelBufferHasIdentifier(data, 0):
        raise ValueError(f"{path.name} is no .tflite file")
    model = tflite.Model.GetRootAsModel(data, 0)
    if model.SubgraphsLength() != 1:
        raise ValueError(f"{path.name} holds {model.SubgraphsLength()} graphs instead of one")
    graph = model.Subgraphs(0)
    constants = dict(_constants(model, graph))
    operations = []
    for number in range(graph.OperatorsLength()):
        operation = _operation(model, graph.Operators(number))
        if operation.kind == "RESHAPE":  # the shape is stored in one of three ways
            shape = graph.Tensors(operation.outputs[0]).ShapeAsNumpy()
            operation.options["Shape"] = shape.tolist()
        if operation.kind in ("DEQUANTIZE", "DENSIFY"):
            value = constants[operation.inputs[0]]
            shape = graph.Tensors(operation.outputs[0]).ShapeAsNumpy()
            constants[operation.outputs[0]] = value.astype(
                np.float32 if operation.kind == "DEQUANTIZE" else value.dtype
            ).reshape(shape)
        else:
            operations.append(operation)
    wanted = {number for operation in operations for number in operation.inputs}
    return Graph(
        {number: value for number, value in constants.items() if number in wanted},
        tuple(operations),
        tuple(graph.InputsAsNumpy().tolist()),
        tuple(graph.OutputsAsNumpy().tolist()),
    )


def _operation(model: Any, stored: Any) -> Operation:
    code = model.OperatorCodes(stored.OpcodeIndex())
    # Files older than 2020 have the kind in the field that is deprecated now.
    kind = _KINDS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    options: dict[str, Any] = {}
    if kind == "CUSTOM":
        kind = code.CustomCode().decode()
        if stored.CustomOptionsLength():
            raw = stored.CustomOptionsAsNumpy().tobytes()
            # Most custom operations store a map; some the bytes of a C structure.
            value = flexbuffers.Loads(raw)
            options = value if isinstance(value, dict) else {"raw": raw}
    elif kind in _OPTIONS:
        table, fields = _OPTIONS[kind]
        options = _fields(stored.BuiltinOptions(), table, fields)
    return Operation(
        kind,
        tuple(stored.InputsAsNumpy().tolist()),
        tuple(stored.OutputsAsNumpy().tolist()),
        options,
    )


def _fields(position: Any, table: str, fields: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a table of options; a file may leave out one whose values are all usual."""
    options = getattr(tflite, table)()
    if position is None:
        raise ValueError(f"a .tflite file lacks its {table}")
    options.Init(position.Bytes, position.Pos)
    return {name: getattr(options, name)() for name in fields}


def _constants(model: Any, graph: Any) -> Iterator[tuple[int, np.ndarray]]:
    """(number, value) of the tensors whose values the file holds."""
    for number in range(graph.TensorsLength()):
        tensor = graph.Tensors(number)
        buffer = model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            continue
        if tensor.Type() not in _TYPES:
            raise ValueError(f"a .tflite file holds numbers of type {tensor.Type()}")
        flat = buffer.DataAsNumpy().view(_TYPES[tensor.Type()])
        shape = tuple(tensor.ShapeAsNumpy().tolist()) if tensor.ShapeLength() else ()
        if tensor.Sparsity() is not None:
            yield number, _dense(flat, shape, tensor.Sparsity())
        else:
            yield number, flat.reshape(shape)


def _dense(values: np.ndarray, shape: tuple[int, ...], sparsity: Any) -> np.ndarray:
    """An array from its values that are not zero. The schema describes the format: the dimensions
    in their order of traversal, those of the blocks last, each either dense or a list of indices
    by segments (compressed rows); an index counts blocks where its dimension is blocked."""
    order = sparsity.TraversalOrderAsNumpy()
    blocks = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else np.zeros(0, np.int32)
    sizes = np.ones(len(shape), np.int64)  # of a block along each dimension
    for place, dimension in enumerate(blocks):
        level = next(i for i, o in enumerate(order) if o == len(shape) + place)
        sizes[dimension] = sparsity.DimMetadata(level).DenseSize()
    # The coordinates [n, levels] of all stored values, level by level.
    coordinates = np.zeros((1, 0), np.int64)
    for level in range(len(order)):
        facts = sparsity.DimMetadata(level)
        if facts.Format() == tflite.DimensionType.DENSE:
            inner = np.tile(np.arange(facts.DenseSize()), len(coordinates))
            outer = np.repeat(np.arange(len(coordinates)), facts.DenseSize())
        else:
            segments = _vector(facts.ArraySegments(), facts.ArraySegmentsType())
            inner = _vector(facts.ArrayIndices(), facts.ArrayIndicesType())
            outer = np.repeat(np.arange(len(coordinates)), np.diff(segments))
        coordinates = np.concatenate((coordinates[outer], inner[:, None]), 1)
    place_of = {int(dimension): level for level, dimension in enumerate(order)}
    index = [coordinates[:, place_of[d]] * sizes[d] for d in range(len(shape))]
    for place, dimension in enumerate(blocks):
        index[dimension] = index[dimension] + coordinates[:, place_of[len(shape) + place]]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(index)] = values[: len(coordinates)]
    return dense


def _vector(position: Any, kind: int) -> np.ndarray:
    """The values of one of the schema's three vectors of whole numbers."""
    name = {
        tflite.SparseIndexVector.Int32Vector: "Int32Vector",
        tflite.SparseIndexVector.Uint16Vector: "Uint16Vector",
        tflite.SparseIndexVector.Uint8Vector: "Uint8Vector",
    }[kind]
    vector = getattr(tflite, name)()
    vector.Init(position.Bytes, position.Pos)
    values: np.ndarray = vector.ValuesAsNumpy().astype(np.int64)
    return values
