"""Which texels of the atlas a photo shows, where, and how squarely."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.reflectance.atlas import bake_vertex_field
from fitme.reflectance.means import window_mean
from fitme.render import RenderOutput, get_backend
from fitme.render.camera import FAR, NEAR, Camera

DEPTH_SLACK_M = 0.004  # a texel so little behind what the photo shows still counts as seen
EDGE = 1 / 64  # of the crop: width over which trust rises from its edge
GRAZING = 0.25  # cosine below which a texel says nothing


def texel_pixels(
    head: HeadModel, vertices: Tensor, camera: Camera, texels: int
) -> tuple[Tensor, Tensor]:
    """Where the head's texels lie in P pictures: pixels [P,R,R,2] and weights [P,R,R].

    vertices [P,V,3]. The weight is the cosine to the eye, from 0 at GRAZING to 1 facing it, and 0
    where something else is in front.
    """
    size = min(texels, 256)  # positions are smooth in the atlas
    backend = get_backend(None, head.device)
    normals = backend.vertex_normals(vertices, head.triangles.int())
    pixels, weights = [], []
    rast, _ = backend.rasterize(
        camera.to_clip(vertices), head.triangles.int(), (camera.height, camera.width)
    )
    for k in range(len(vertices)):
        field = torch.cat([vertices[k], normals[k]], -1)
        baked = bake_vertex_field(head, field, size)[None].movedim(-1, 1)
        if size != texels:
            baked = F.interpolate(baked, (texels, texels), mode="bilinear", align_corners=False)
        baked = baked[0].movedim(0, -1)
        points, normal = baked[..., :3].reshape(1, -1, 3), F.normalize(baked[..., 3:], dim=-1)
        one = Camera(
            camera.K[k : k + 1], camera.world_to_camera[k : k + 1], camera.height, camera.width
        )
        where = one.project(points)[0]
        depth = one.transform(points)[0, :, 2]
        front = depth_of(rast[k])
        grid = where / where.new_tensor([camera.width, camera.height]) * 2 - 1
        nearest = F.grid_sample(
            front[None, None], grid[None, None], mode="nearest", padding_mode="border",
            align_corners=False,
        )[0, 0, 0]  # fmt: skip
        inside = (grid.abs() < 1).all(-1)
        towards = F.normalize(one.position[0] - points[0], dim=-1)
        cosine = (towards * normal.reshape(-1, 3)).sum(-1)
        weight = ((cosine - GRAZING) / (1 - GRAZING)).clamp(0, 1)
        weight = weight * inside * (depth < nearest + DEPTH_SLACK_M)
        pixels.append(where.view(texels, texels, 2))
        weights.append(weight.view(texels, texels))
    return torch.stack(pixels), torch.stack(weights)


def sample(image: Tensor, pixels: Tensor) -> Tensor:
    """Values [P,R,R,C] of images [P,n,m,C] at pixels [P,R,R,2], bilinear."""
    height, width = image.shape[1:3]
    grid = pixels / pixels.new_tensor([width, height]) * 2 - 1
    found = F.grid_sample(
        image.movedim(-1, 1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return found.movedim(1, -1)


def texel_weights(
    head: HeadModel, vertices: Tensor, camera: Camera, trusted: Tensor, texels: int
) -> Tensor:
    """[P,R,R] in 0..1: how well each photo shows each texel; trusted [P,n,n] of its pixels."""
    pixels, weight = texel_pixels(head, vertices, camera, texels)
    return weight * sample(trusted[..., None], pixels)[..., 0]


def feathered(trusted: Tensor, edge: float = EDGE) -> Tensor:
    """Masks [P,n,n] that rise over `edge` of their side from 0 at their edges."""
    reach = max(1, round(0.5 * edge * trusted.shape[-1]))
    side = 2 * reach + 1
    least = -F.max_pool2d(-trusted[:, None], side, 1, reach)
    return window_mean(least, side, side)[:, 0]


def pixels_of(out: RenderOutput, mask: Tensor) -> Tensor:
    """A mask of the head's atlas [R,R] as the pictures see it, [P,n,n]."""
    size = len(mask)
    uv = (out.uv_points.detach() * size).long().clamp(0, size - 1)
    seen = mask[uv[:, 1], uv[:, 0]] * (out.part_points == 0)
    return out.image(seen[:, None])[..., 0]


def depth_of(rast: Tensor) -> Tensor:
    """Distance along the view [n,m] of the nearest surface, far where nothing is."""
    # The inverse of z/w in `Camera.clip_matrix`.
    depth = 2 * FAR * NEAR / ((FAR + NEAR) - rast[..., 2] * (FAR - NEAR))
    return torch.where(rast[..., 3] > 0, depth, torch.full_like(depth, FAR))
