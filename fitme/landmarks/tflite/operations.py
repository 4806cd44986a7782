"""What the operations of a .tflite file compute, in torch.

Pictures stay NHWC, as the files have them: seen as NCHW (`permute`) such a tensor is what torch
calls channels-last, so that nothing is copied around a convolution. Where a file says 1 for the
batch, any number goes through.

The meanings are those of TensorFlow Lite's reference (padding "SAME" puts the odd pixel at the end;
depth to space has the block before the channel), those of the last four operations MediaPipe's
(mediapipe/util/tflite/operations, version 2 of each). fitme's own text.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Options = dict[str, Any]
_SAME = 0  # padding; 1 is none
_RELU, _RELU6 = 1, 3  # fused activations; 0 is none


def _activate(x: Tensor, options: Options) -> Tensor:
    kind = options["FusedActivationFunction"]
    if kind == _RELU:
        return x.relu()
    if kind == _RELU6:
        return x.clamp(0, 6)
    if kind:
        raise ValueError(f"a .tflite file asks for activation {kind}")
    return x


def _padded(x: Tensor, window: tuple[int, int], options: Options, value: float = 0.0) -> Tensor:
    """x [n,c,h,w] with the border that padding "SAME" wants for this window."""
    if options["Padding"] != _SAME:
        return x
    border = []
    for length, size, stride in (
        (x.shape[3], window[1], options["StrideW"]),
        (x.shape[2], window[0], options["StrideH"]),
    ):
        total = max(0, (math.ceil(length / stride) - 1) * stride + size - length)
        border += [total // 2, total - total // 2]
    return F.pad(x, border, value=value) if any(border) else x


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, options: Options, groups: int) -> Tensor:
    """x [n,h,w,c]; weight as torch has it, [out, in, kh, kw]."""
    dilation = options["DilationHFactor"], options["DilationWFactor"]
    window = tuple((k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True))
    x = _padded(x.permute(0, 3, 1, 2), (window[0], window[1]), options)
    stride = options["StrideH"], options["StrideW"]
    y = F.conv2d(x, weight, bias, stride, 0, dilation, groups)
    return _activate(y, options).permute(0, 2, 3, 1)


def _conv_2d(options: Options, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _conv(x, weight.permute(0, 3, 1, 2), bias, options, 1)


def _depthwise(options: Options, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _conv(x, weight.permute(3, 0, 1, 2), bias, options, x.shape[3])


def _max_pool(options: Options, x: Tensor) -> Tensor:
    window = options["FilterHeight"], options["FilterWidth"]
    x = _padded(x.permute(0, 3, 1, 2), window, options, -math.inf)
    y = F.max_pool2d(x, window, (options["StrideH"], options["StrideW"]))
    return _activate(y, options).permute(0, 2, 3, 1)


def _average_pool(options: Options, x: Tensor) -> Tensor:
    window = options["FilterHeight"], options["FilterWidth"]
    if options["Padding"] == _SAME:
        raise ValueError("a .tflite file asks for means over a padded picture")
    y = F.avg_pool2d(x.permute(0, 3, 1, 2), window, (options["StrideH"], options["StrideW"]))
    return _activate(y, options).permute(0, 2, 3, 1)


def _prelu(_: Options, x: Tensor, slope: Tensor) -> Tensor:
    return F.prelu(x.permute(0, 3, 1, 2), slope.reshape(-1)).permute(0, 2, 3, 1)


def _pad(_: Options, x: Tensor, widths: Tensor) -> Tensor:
    border = [int(w) for pair in widths.flip(0).tolist() for w in pair]
    return F.pad(x, border)


def _resize(options: Options, x: Tensor, size: Tensor) -> Tensor:
    if options["AlignCorners"] == options["HalfPixelCenters"]:
        raise ValueError("a .tflite file asks for a kind of resizing that torch lacks")
    y = F.interpolate(
        x.permute(0, 3, 1, 2), size.tolist(), mode="bilinear",
        align_corners=options["AlignCorners"],
    )  # fmt: skip
    return y.permute(0, 2, 3, 1)


def _depth_to_space(options: Options, x: Tensor) -> Tensor:
    n, h, w, c = x.shape
    block = options["BlockSize"]
    y = x.reshape(n, h, w, block, block, c // block**2).permute(0, 1, 3, 2, 4, 5)
    return y.reshape(n, h * block, w * block, c // block**2)


def _reshape(options: Options, x: Tensor, *_: Tensor) -> Tensor:
    return x.reshape(len(x), *options["Shape"][1:])


def _slice(options: Options, x: Tensor, begin: Tensor, end: Tensor, step: Tensor) -> Tensor:
    if any(options.values()):
        raise ValueError("a .tflite file asks for a slice with masks")
    limits = zip(begin.tolist()[1:], end.tolist()[1:], step.tolist()[1:], strict=True)
    return x[(slice(None), *(slice(*limit) for limit in limits))]


def _transposed_conv(options: Options, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Without overlap, which is the only case in use: stride and kernel are the same."""
    _, width, height = struct.unpack("<3i", options["raw"])
    if weight.shape[1:3] != (height, width):
        raise ValueError("a .tflite file asks for a transposed convolution that overlaps")
    kernel = weight.permute(3, 0, 1, 2)
    y = F.conv_transpose2d(x.permute(0, 3, 1, 2), kernel, bias, (height, width))
    return y.permute(0, 2, 3, 1)


def _landmark_matrix(options: Options, points: Tensor) -> Tensor:
    """[n,4,4] from pixels of a small picture to those of the large one: the box around some of the
    landmarks [n,k,3], level with the line through two of them, `scale` times its size."""
    left = points[:, options["left_rotation_idx"], :2]
    right = points[:, options["right_rotation_idx"], :2]
    along = right - left
    angle = torch.atan2(along[:, 1], along[:, 0]) - options["target_rotation_radians"]
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)
    level = points[:, options["subset_idxs"], :2] @ turn  # turned back by the angle
    low, high = level.amin(1), level.amax(1)
    centre = (turn @ ((low + high) / 2)[..., None])[..., 0]
    size = torch.tensor([options["output_width"], options["output_height"]])
    scale = torch.tensor([options["scale_x"], options["scale_y"]]) * (high - low) / size
    linear = turn * scale[:, None]
    matrix = torch.eye(4).repeat(len(points), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 3] = centre - (linear @ (size / 2)[:, None])[..., 0]
    return matrix


def _sample_picture(options: Options, x: Tensor, matrix: Tensor) -> Tensor:
    """[n,oh,ow,c]: x [n,h,w,c] where the matrix [n,4,4] puts the centres of the small picture's
    pixels; zero beyond the middles of the outermost pixels."""
    n, h, w, _ = x.shape
    rows = torch.arange(options["output_height"]) + 0.5
    columns = torch.arange(options["output_width"]) + 0.5
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    at = torch.stack((u, v), -1).reshape(1, -1, 2) @ matrix[:, :2, :2].mT + matrix[:, None, :2, 3]
    size = torch.tensor([w, h])
    inside = ((at >= 0.5) & (at <= size - 0.5)).all(-1)
    grid = (at / size * 2 - 1).reshape(n, len(rows), len(columns), 2)
    y = F.grid_sample(x.permute(0, 3, 1, 2), grid, "bilinear", align_corners=False)
    return y.permute(0, 2, 3, 1) * inside.reshape(n, len(rows), len(columns), 1)


def _move_landmarks(_: Options, points: Tensor, matrix: Tensor) -> Tensor:
    """Points [n,k,2] of the small picture in the large one."""
    return points @ matrix[:, :2, :2].mT + matrix[:, None, :2, 3]


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _max_pool,
    "AVERAGE_POOL_2D": _average_pool,
    "PRELU": _prelu,
    "PAD": _pad,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _slice,
    "ADD": lambda options, x, y: _activate(x + y, options),
    "MUL": lambda options, x, y: _activate(x * y, options),
    "RELU": lambda _, x: x.relu(),
    "HARD_SWISH": lambda _, x: F.hardswish(x),
    "LOGISTIC": lambda _, x: x.sigmoid(),
    "Convolution2DTransposeBias": _transposed_conv,
    "Landmarks2TransformMatrix": _landmark_matrix,
    "TransformTensorBilinear": _sample_picture,
    "TransformLandmarks": _move_landmarks,
}
