"""The file of dlib's face recognition network, read without dlib and without running anything.

dlib writes a network as a flat stream: an integer is a byte with its length and sign, then its
bytes, lowest first; a number that is no integer is mantissa and exponent, two integers; a text is
its length and its bytes; a tensor is a version, four sizes and raw 32-bit floats. The versions of
all nested layers come first, then each layer from the input on with its own fields and three
tensors of training that are empty in a published file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Convolution layers of a residual block halve the picture where it is the first of its width, but
# for the first width (He et al. 2015, arXiv 1512.03385, with fewer layers and half the widths).
BLOCKS: tuple[tuple[int, bool], ...] = (
    *[(32, False)] * 3, (64, True), *[(64, False)] * 3, (128, True), *[(128, False)] * 2,
    (256, True), *[(256, False)] * 2, (256, True),
)  # fmt: skip
DESCRIPTOR = 128
_MOST_VERSIONS = 1000  # nested layers; the published file has 147 before the input
_MOST_SIZE = 1 << 24  # elements of a tensor; the largest has 590,080


class DamagedError(ValueError):
    """The file is not what dlib wrote; one line."""


@dataclass(frozen=True)
class Convolution:
    """A convolution with the scale and shift after it."""

    weight: Floats  # [O, I, k, k]
    bias: Floats  # [O]
    scale: Floats  # [O]
    shift: Floats  # [O]
    stride: int
    padding: int


@dataclass(frozen=True)
class FaceNetwork:
    """What the file holds."""

    mean: tuple[float, float, float]  # RGB, taken off before the division by 256
    size: int  # side of the input, pixels
    first: Convolution
    blocks: tuple[tuple[Convolution, Convolution], ...]  # as BLOCKS
    last: Floats  # [256, 128]


def read_face_network(data: bytes) -> FaceNetwork:
    """The network in the bytes of `dlib_face_recognition_resnet_model_v1.dat`.

    Raises DamagedError for anything else: cut off, altered, another network.
    """
    stream = _Stream(data)
    stream.expect("version of the loss", stream.integer(), 1)
    stream.name("loss_metric_2")
    stream.number()  # margin
    stream.number()  # threshold
    if not any(stream.integer() == 3 for _ in range(_MOST_VERSIONS)):
        raise DamagedError("it has no layer beside its input")
    stream.name("input_rgb_image_sized")
    red, green, blue = (stream.number() for _ in range(3))
    size = stream.integer()
    stream.expect("height of the input", stream.integer(), size)
    first = _convolution(stream, 3, 32, 7, 2, 0)
    _plain(stream, "relu_")
    _plain(stream, "max_pool_2", 3, 3, 2, 2, 0, 0)
    blocks = tuple(_blocks(stream))
    _plain(stream, "avg_pool_2", 0, 0, 1, 1, 0, 0)  # of everything
    last = _projection(stream, blocks[-1][1].bias.size)
    stream.end()
    return FaceNetwork((red, green, blue), size, first, blocks, last)


def _blocks(stream: _Stream) -> Iterator[tuple[Convolution, Convolution]]:
    before = 32
    for width, halves in BLOCKS:
        inner = _convolution(stream, before, width, 3, 2 if halves else 1, 0 if halves else 1)
        _plain(stream, "relu_")
        outer = _convolution(stream, width, width, 3, 1, 1)
        if halves:
            _plain(stream, "avg_pool_2", 2, 2, 2, 2, 0, 0)
        _plain(stream, "add_prev_")
        _plain(stream, "relu_")
        yield inner, outer
        before = width


def _convolution(
    stream: _Stream, taken: int, given: int, side: int, stride: int, padding: int
) -> Convolution:
    """A convolution and the affine layer after it."""
    stream.name("con_4")
    values = stream.tensor(given * (taken * side * side + 1))
    for wanted in (given, side, side, stride, stride, padding, padding):
        stream.expect("a size of a convolution", stream.integer(), wanted)
    stream.shape(given, taken, side, side)
    stream.shape(1, given, 1, 1)
    stream.rates()
    stream.layer_end(beside_input=taken == 3)
    stream.name("affine_")
    affine = stream.tensor(2 * given)
    stream.shape(1, given, 1, 1)
    stream.shape(1, given, 1, 1)
    stream.integer()  # of convolutions or of dense layers: the same here
    stream.layer_end()
    weight = values[:-given].reshape(given, taken, side, side)
    return Convolution(weight, values[-given:], affine[:given], affine[given:], stride, padding)


def _plain(stream: _Stream, name: str, *fields: int) -> None:
    """A layer without weights: its name and its integers."""
    stream.name(name)
    for wanted in fields:
        stream.expect(f"a size of {name}", stream.integer(), wanted)
    stream.layer_end()


def _projection(stream: _Stream, taken: int) -> Floats:
    stream.name("fc_2")
    stream.expect("width of the descriptor", stream.integer(), DESCRIPTOR)
    stream.expect("width before the descriptor", stream.integer(), taken)
    values = stream.tensor(taken * DESCRIPTOR)
    stream.shape(taken, DESCRIPTOR, 1, 1)
    stream.shape(0, 0, 0, 0)
    stream.integer()  # without bias
    stream.rates()
    stream.layer_end()
    return values.reshape(taken, DESCRIPTOR)


class _Stream:
    """Primitives of dlib's serialization; every read is checked against the end of the file."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def integer(self) -> int:
        control = self._take(1)[0]
        length = control & 0x0F
        if control & 0x70 or not 1 <= length <= 8:
            raise DamagedError(f"no integer at byte {self._at - 1}")
        value = int.from_bytes(self._take(length), "little")
        return -value if control & 0x80 else value

    def number(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        if not -1100 <= exponent <= 1000 or abs(mantissa) >= 1 << 53:
            raise DamagedError(f"no number before byte {self._at}")
        return float(mantissa) * 2.0**exponent

    def name(self, wanted: str) -> None:
        length = self.integer()
        found = self._take(length) if 0 <= length <= 64 else b""
        if found != wanted.encode():
            raise DamagedError(f"no layer {wanted} before byte {self._at}")

    def tensor(self, count: int) -> Floats:
        """The values [count] of a tensor of any sizes with so many elements."""
        self.expect("version of a tensor", self.integer(), 2)
        sizes = [self.integer() for _ in range(4)]
        total = 1
        for size in sizes:
            if not 0 <= size <= _MOST_SIZE:
                raise DamagedError(f"a tensor of sizes {sizes} before byte {self._at}")
            total *= size
        self.expect("count of a tensor's elements", total, count)
        values = np.frombuffer(self._take(4 * total), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise DamagedError(f"a tensor with no finite numbers before byte {self._at}")
        return values

    def shape(self, *wanted: int) -> None:
        """Sizes of a part of the layer's tensor."""
        self.expect("version of a part", self.integer(), 1)
        for size in wanted:
            self.expect("a size of a part", self.integer(), size)

    def rates(self) -> None:
        """Four factors of training."""
        for _ in range(4):
            self.number()

    def layer_end(self, beside_input: bool = False) -> None:
        """Three flags and three empty tensors of training; for the layer beside the input, also
        how many pictures that makes of one."""
        flags = self._take(3)
        if not set(flags) <= set(b"01"):
            raise DamagedError(f"no flags before byte {self._at}")
        for _ in range(3):
            self.tensor(0)
        if beside_input:
            self.expect("pictures of one", self.integer(), 1)

    def expect(self, what: str, found: int, wanted: int) -> None:
        if found != wanted:
            raise DamagedError(f"{what} is {found}, wanted {wanted}, before byte {self._at}")

    def end(self) -> None:
        if self._at != len(self._data):
            raise DamagedError(f"{len(self._data) - self._at} bytes too many")

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise DamagedError(f"it ends after {len(self._data)} bytes")
        taken, self._at = self._data[self._at : end], end
        return taken
