"""The shading of `fitme.render.shading` as one fused CPU kernel with a hand-derived backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.cpu import kernels_shade, kernels_shade_back
from fitme.render.backends.cpu.parallel import CHUNKS, array, run_chunks
from fitme.render.shading import LightTensors, Surface


def shade_points(
    surface: Surface, light: LightTensors, eye: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`shade` for tensors on the CPU."""
    return _Shade.apply(
        surface.position,
        surface.normal,
        surface.tangent,
        surface.sign,
        surface.bump,
        surface.albedo,
        surface.specular,
        surface.roughness,
        surface.occlusion,
        surface.image,
        eye,
        *light,
    )


# places among the arguments of _Shade; the kernels take three of them as [N], not [N,1]
_TANGENT, _SIGN, _BUMP, _ROUGHNESS, _OCCLUSION, _IMAGE = 2, 3, 4, 7, 8, 9
_COLUMNS = (_SIGN, _ROUGHNESS, _OCCLUSION)
_PER_IMAGE = 10  # eye, sh, directions, colors, positions, intensities follow


def _arrays(inputs: tuple[Tensor | None, ...]) -> list[Any]:
    reference = inputs[0]
    assert reference is not None
    values = [reference.new_zeros(0, 3) if value is None else value for value in inputs]
    # eye and light in double: the kernels compute in double and would convert them per point
    return [
        array(value, -1)
        if index in _COLUMNS
        else array(value.double() if index >= _PER_IMAGE else value)
        for index, value in enumerate(values)
    ]


class _Shade(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *inputs: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        position = inputs[0]
        assert position is not None
        diffuse, specular, normal = (position.new_empty(position.shape) for _ in range(3))
        run_chunks(
            kernels_shade.shade,
            len(position),
            *_arrays(inputs),
            array(diffuse),
            array(specular),
            array(normal),
        )
        ctx.save_for_backward(*inputs)
        return diffuse, specular, normal

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs = ctx.saved_tensors
        none = inputs[0].new_zeros(0, 3)
        wanted = [k for k in range(_PER_IMAGE) if k not in (_SIGN, _IMAGE)]
        per_point = {
            k: none
            if inputs[k] is None
            else torch.empty_like(inputs[k], memory_format=torch.contiguous_format)
            for k in wanted
        }
        if inputs[_TANGENT] is not None and inputs[_BUMP] is None:
            per_point[_TANGENT].zero_()  # without a normal map nothing depends on it
        per_image = inputs[_PER_IMAGE:]
        summed = [torch.zeros(CHUNKS, *value.shape, dtype=torch.float64) for value in per_image]
        with_light = any(ctx.needs_input_grad[_PER_IMAGE + 1 :])
        run_chunks(
            kernels_shade_back.shade_backward,
            len(inputs[0]),
            *_arrays(inputs),
            *(array(grad) for grad in grads),
            with_light,
            *(array(per_point[k], -1) if k in _COLUMNS else array(per_point[k]) for k in wanted),
            *(array(value) for value in summed),
        )
        totals = [a.sum(0).to(b.dtype) for a, b in zip(summed, per_image, strict=True)]
        found = [None if inputs[k] is None else per_point.get(k) for k in range(_PER_IMAGE)]
        return (*found, *totals)
