"""The shading of `fitme.render.shading` on a GPU: one kernel forward, one backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fitme.render.backends.triton import kernels_shade, kernels_shade_back
from fitme.render.backends.triton.launch import BLOCK, blocks, launch
from fitme.render.shading import LightTensors, Surface


def shade_points(
    surface: Surface, light: LightTensors, eye: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """See `fitme.render.shading.shade`."""
    sh, directions, colors, positions, intensities = light
    lights = torch.cat(
        [torch.cat([directions, positions], dim=1), torch.cat([colors, intensities], dim=1)], dim=2
    )
    scene = torch.cat([eye, sh.flatten(1), lights.flatten(1)], dim=1)
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
        scene,
        directions.shape[1],
    )


# places among the arguments of _Shade
_TANGENT, _SIGN, _BUMP, _SPECULAR = 2, 3, 4, 6
_OCCLUSION, _IMAGE, _SCENE = 8, 9, 10


class _Shade(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
        inputs: list[Any] = [None if v is None else v.contiguous() for v in arguments[:-1]]
        if inputs[_TANGENT] is None or inputs[_SIGN] is None:
            inputs[_BUMP] = None  # no frame to take it in
        position = inputs[0]
        out = torch.empty_like(position), torch.empty_like(position), torch.empty_like(position)
        ctx.options = {
            "BUMPY": inputs[_BUMP] is not None,
            "VEILED": inputs[_OCCLUSION] is not None,
            "SPECULAR": inputs[_SPECULAR].shape[1],
            "BLOCK": BLOCK,
        }
        scene = inputs[_SCENE]
        lights = (scene.shape[1] - kernels_shade.LIGHTS.value) // 6
        ctx.sizes = (len(position), scene.shape[1], arguments[-1], lights)
        launch(
            kernels_shade.shade,
            (blocks(len(position)), len(scene)),
            position,
            *_given(inputs),
            *out,
            *ctx.sizes,
            **ctx.options,
        )
        ctx.save_for_backward(*inputs)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs = list(ctx.saved_tensors)
        position, scene = inputs[0], inputs[_SCENE]
        per_point = [
            None if value is None or k in (_SIGN, _IMAGE) else torch.empty_like(value)
            for k, value in enumerate(inputs[:_SCENE])
        ]
        if inputs[_BUMP] is None:
            per_point[_TANGENT] = None
        wanted = [per_point[k] for k in range(_IMAGE) if k != _SIGN]
        with_light, count = bool(ctx.needs_input_grad[_SCENE]), len(position)
        programs = blocks(count)
        sums = torch.empty(
            programs if with_light else 0, *scene.shape, dtype=torch.float64, device=scene.device
        )
        launch(
            kernels_shade_back.shade_backward,
            (programs, len(scene)),
            position,
            *_given(inputs),
            *(grad.contiguous() for grad in grads),
            *(position if value is None else value for value in wanted),
            sums,
            *ctx.sizes,
            WITH_LIGHT=with_light,
            **ctx.options,
        )
        total = sums.sum(0).to(scene.dtype) if with_light else None
        return (*per_point, total, None)


def _given(inputs: list[Tensor | None]) -> list[Tensor | None]:
    """Any tensor in the place of those that are not there and not read."""
    return [inputs[0] if value is None else value for value in inputs]
