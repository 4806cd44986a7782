"""Ties the 478 MediaPipe landmarks to the template: `python -m fitme.models.train.tie`.

Random heads with random expression, pose, gaze, tone and light are rendered and shown to the
landmarker. Each landmark's hits, carried back to the surface of the mean head, vote for a first
guess; then the surface point with the smallest robust reprojection error over all renders wins.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from tqdm import tqdm

from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel, load_head, save_head
from fitme.image.photo import Photo
from fitme.landmarks.face import LANDMARK_MIRROR
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.reflectance.skin import MeanReflectance, Tone
from fitme.render import render
from fitme.render.camera import Camera, intrinsics, look_at
from fitme.render.light import Light

SIZE = 512
IRIS = range(468, 478)
NEIGHBOURS = 90  # candidate vertices around the first guess
BARYCENTRIC_STEPS = 4


@dataclass(frozen=True)
class Views:
    """What was rendered and what the landmarker saw in it."""

    identity: torch.Tensor  # [N, K]
    vertices: torch.Tensor  # [N, V, 3] posed
    cameras: Camera  # batch N
    points: torch.Tensor  # [N, 478, 2] pixels
    interocular: torch.Tensor  # [N] pixels


def random_views(head: HeadModel, count: int, seed: int) -> Views:
    """Render `count` random heads and detect their landmarks; misses are drawn again."""
    draw = torch.Generator().manual_seed(seed)
    reflectance = MeanReflectance(head, 512)
    provider = MediaPipeLandmarks()
    kept: list[tuple[torch.Tensor, Camera, torch.Tensor, float, torch.Tensor]] = []
    bar = tqdm(total=count, desc="views")
    while len(kept) < count:
        identity = 0.8 * torch.randn(1, head.identity.shape[0], generator=draw)
        vertices = head.shape(identity, random_expression(head, draw))
        gaze = 0.15 * torch.randn(1, 1, 2, generator=draw).expand(1, 2, 2)
        vertices = head.pose(vertices, gaze=gaze)
        yaw, pitch, roll = torch.randn(3, generator=draw) * torch.tensor([0.35, 0.18, 0.1])
        camera = orbit(yaw.clamp(-0.8, 0.8), pitch.clamp(-0.4, 0.4), roll, vertices)
        tone = Tone.unstacked(0.8 * torch.randn(1, 5, generator=draw))
        light = random_light(draw)
        mesh = head_mesh(head, vertices)
        background = torch.rand(1, 1, 1, 3, generator=draw) * 0.5
        with torch.no_grad():
            out = render(mesh, reflectance.materials(tone), camera, light,
                         background=background.expand(1, SIZE, SIZE, 3))  # fmt: skip
        faces = provider.detect(Photo(Path("render"), out.color[0].clamp(0, 1)))
        if faces:
            kept.append((vertices[0], camera, faces[0].points, faces[0].interocular, identity))
            bar.update()
    bar.close()
    cameras = Camera(
        torch.cat([k[1].K for k in kept]),
        torch.cat([k[1].world_to_camera for k in kept]),
        SIZE,
        SIZE,
    )
    return Views(
        torch.cat([k[4] for k in kept]), torch.stack([k[0] for k in kept]), cameras,
        torch.stack([k[2] for k in kept]), torch.tensor([k[3] for k in kept]),
    )  # fmt: skip


def random_expression(head: HeadModel, draw: torch.Generator) -> torch.Tensor:
    """A sparse random expression [1, 52]; left and right mostly move together."""
    weights = torch.rand(1, len(head.expression_names), generator=draw)
    active = torch.rand(weights.shape, generator=draw) < 0.10
    weights = weights * active
    index = {name: i for i, name in enumerate(head.expression_names)}
    for name, i in index.items():
        twin = index.get(name.removesuffix("Left") + "Right") if name.endswith("Left") else None
        if twin is not None and torch.rand(1, generator=draw) < 0.8:
            weights[0, twin] = weights[0, i]
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "mouthFunnel", "cheekPuff"):
        weights[0, index[name]] *= 0.6
    weights[0, index["mouthClose"]] = torch.minimum(
        weights[0, index["mouthClose"]], weights[0, index["jawOpen"]]
    )
    weights[0, index["tongueOut"]] = 0
    return weights


def orbit(
    yaw: torch.Tensor, pitch: torch.Tensor, roll: torch.Tensor, vertices: torch.Tensor
) -> Camera:
    """A camera at 0.8 m that looks at the head from yaw and pitch, rolled, in radians."""
    target = vertices[:, :, :].mean(1) * torch.tensor([0.0, 0.3, 0.3])
    eye = target + 0.8 * torch.stack(
        [yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()]
    )
    up = torch.stack([roll.sin(), roll.cos(), torch.zeros(())])
    world_to_camera = look_at(eye, target, up[None]).reshape(1, 4, 4)
    return Camera(intrinsics(1150.0, SIZE, SIZE).reshape(1, 3, 3), world_to_camera, SIZE, SIZE)


def random_light(draw: torch.Generator) -> Light:
    """Ambient with a tint, a key and a fill light."""
    sh = torch.zeros(1, 9, 3)
    sh[:, 0] = (0.5 + 0.8 * torch.rand(1, 1, generator=draw)) * (
        1 + 0.08 * torch.randn(1, 3, generator=draw)
    )
    directions = torch.randn(1, 2, 3, generator=draw) * torch.tensor([1.0, 0.6, 0.3])
    directions[..., 2] = directions[..., 2].abs() + 0.7
    directions[..., 1] += 0.3
    colors = torch.rand(1, 2, 1, generator=draw).expand(1, 2, 3) * 0.6
    return Light(sh, torch.nn.functional.normalize(directions, dim=-1), colors)


def robust(error: np.ndarray, scale: float = 0.02) -> np.ndarray:
    """Geman-McClure cost of normalised errors."""
    return error**2 / (error**2 + scale**2)


def first_guess(head: HeadModel, views: Views) -> np.ndarray:
    """Positions [478, 3] on the mean head by voting of the nearest projected visible vertices."""
    mean = head.mean.numpy()
    skin = np.unique(head.part_triangles("head").numpy())
    eyes = np.concatenate(
        [head.part_vertices("eye_L").numpy(), head.part_vertices("eye_R").numpy()]
    )
    votes = np.full((len(views.vertices), 478, 3), np.nan)
    triangles = head.triangles
    for n in range(len(views.vertices)):
        camera = Camera(
            views.cameras.K[n : n + 1], views.cameras.world_to_camera[n : n + 1], SIZE, SIZE
        )
        vertices = views.vertices[n]
        screen = camera.project(vertices[None])[0].numpy()
        corners = vertices[triangles]
        normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        facing = ((camera.position - corners.mean(1)) * normal).sum(-1) > 0
        front = np.unique(triangles[facing].numpy())
        for group, pool in (
            (range(468), np.intersect1d(front, skin)),
            (IRIS, np.intersect1d(front, eyes)),
        ):
            wanted = views.points[n, list(group)].numpy()
            distance, near = cKDTree(screen[pool]).query(wanted)
            good = distance < 0.1 * views.interocular[n].item()
            votes[n, np.array(list(group))[good]] = mean[pool[near[good]]]
    return np.nanmedian(votes, axis=0)


def tie(head: HeadModel, views: Views) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Triangles [478], barycentric [478, 3] and median normalised residual [478]."""
    guess = first_guess(head, views)
    screen = views.cameras.project(views.vertices).numpy()  # [N, V, 2]
    points, scale = views.points.numpy(), views.interocular.numpy()
    part, mean = head.part.numpy(), head.mean.numpy()
    names = head.part_names
    eyes = np.isin(part, [names.index("eye_L"), names.index("eye_R")])
    pools = {False: part == names.index("head"), True: eyes}
    steps = [
        (i / BARYCENTRIC_STEPS, j / BARYCENTRIC_STEPS)
        for i in range(BARYCENTRIC_STEPS + 1) for j in range(BARYCENTRIC_STEPS + 1 - i)
    ]  # fmt: skip
    grid = np.array([(1 - a - b, a, b) for a, b in steps])
    mirror = head.mirror.numpy()
    all_triangles = head.triangles.numpy()
    lookup = {tuple(sorted(t)): i for i, t in enumerate(all_triangles.tolist())}
    found_triangle = np.zeros(478, dtype=np.int64)
    found_weight, residual = np.zeros((478, 3)), np.zeros(478)

    def miss(k: int, on_screen: np.ndarray) -> np.ndarray:
        wanted = points[:, k].reshape(-1, *[1] * (on_screen.ndim - 2), 2)
        return np.linalg.norm(on_screen - wanted, axis=-1) / scale.reshape(
            -1, *[1] * (on_screen.ndim - 2)
        )

    for k in range(478):
        # A skin landmark and its mirror image are tied together; irises each on their own.
        twin = LANDMARK_MIRROR[k] if k not in IRIS else k
        if twin < k:
            continue
        reflect = mirror if k not in IRIS else np.arange(len(mirror))
        chosen = np.flatnonzero(pools[k in IRIS])
        vertices = np.unique(all_triangles[chosen])
        if twin == k and k not in IRIS:  # its own mirror image: on the plane of symmetry
            vertices = vertices[np.abs(mean[vertices, 0]) < 1e-6]
        near = vertices[np.argsort(((mean[vertices] - guess[k]) ** 2).sum(1))[:NEIGHBOURS]]
        cost = robust(miss(k, screen[:, near])) + robust(miss(twin, screen[:, reflect[near]]))
        best = near[np.argmin(cost.mean(0))]
        around = chosen[(all_triangles[chosen] == best).any(1)]
        corners = all_triangles[around]
        error = miss(k, np.einsum("gk,ntkc->ntgc", grid, screen[:, corners]))
        other = miss(twin, np.einsum("gk,ntkc->ntgc", grid, screen[:, reflect[corners]]))
        cost = (robust(error) + robust(other)).mean(0)
        if twin == k and k not in IRIS:
            off_plane = np.abs(np.einsum("gk,tk->tg", grid, mean[corners][..., 0])) > 1e-5
            cost = cost + 10.0 * off_plane
        t, g = np.unravel_index(np.argmin(cost), cost.shape)
        for which, corner, seen in ((k, corners[t], error), (twin, reflect[corners[t]], other)):
            index = lookup[tuple(sorted(corner.tolist()))]
            order = [corner.tolist().index(v) for v in all_triangles[index].tolist()]
            found_triangle[which], found_weight[which] = index, grid[g][order]
            residual[which] = np.median(seen[:, t, g])
    return torch.tensor(found_triangle), torch.tensor(found_weight).float(), residual


def weights_of(residual: np.ndarray) -> torch.Tensor:
    """Trust per landmark from its residual: inverse variance, 1 for the best, [478].

    Contour points (they slide along the face with the pose) and the hairline come out low by
    themselves. Mirror partners share their weight.
    """
    shared = 0.5 * (residual + residual[list(LANDMARK_MIRROR)])
    weight = (np.median(shared) / np.maximum(shared, 0.5 * np.median(shared))) ** 2
    return torch.tensor(np.clip(weight / 4, 0.01, 1.0)).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, default=Path("models/weights/head.safetensors"))
    parser.add_argument("--work", type=Path, default=Path("out/head"))
    parser.add_argument("--views", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    head = load_head(args.head)
    views = random_views(head, args.views, args.seed)
    triangles, barycentric, residual = tie(head, views)
    fields: dict[str, Any] = {
        "landmark_triangles": triangles,
        "landmark_barycentric": barycentric,
        "landmark_weight": weights_of(residual),
    }
    torch.save(fields, args.work / "landmarks.pt")
    save_head(replace(head, **fields), args.head)
    (args.work / "landmark_residual.json").write_text(
        json.dumps([round(float(r), 5) for r in residual])
    )
    order = np.argsort(residual)
    print(f"median residual {np.median(residual):.4f} of the interocular distance, 90 % "
          f"{np.quantile(residual, 0.9):.4f}; worst landmarks {order[-12:].tolist()}")  # fmt: skip


if __name__ == "__main__":
    main()
