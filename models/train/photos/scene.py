"""Head, what is worn and held, hair and backdrop in one picture, with a label for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.mesh import head_mesh
from fitme.head.model import HeadModel
from fitme.head.parts import Role
from fitme.models.train.photos.prop import Prop
from fitme.models.train.photos.skins import Skin
from fitme.reflectance.eyes import eye_material
from fitme.reflectance.materials import part_materials
from fitme.reflectance.regions import AtlasRegions
from fitme.render import Material, Mesh, RenderOutput, render
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.segment.labels import Label

FAR_AWAY = float("inf")


@dataclass(frozen=True)
class Picture:
    """What a camera sees of a scene of H x W pixels."""

    color: np.ndarray  # [H,W,3] linear, over black
    alpha: np.ndarray  # [H,W,1]
    labels: np.ndarray  # [H,W] uint8, see `Label`
    depth: np.ndarray  # [H,W] metres along the camera's axis, infinite where nothing is
    position: np.ndarray  # [H,W,3] metres, the head's frame
    lamps: np.ndarray  # [H,W] share of the light that comes from lamps rather than all around
    worn: np.ndarray  # [H,W] index among the opaque props, -1 elsewhere


def skin_material(skin: Skin, regions: AtlasRegions) -> Material:
    """The head's material."""
    maps = skin.maps
    rough = regions.roughness(maps.diffuse_albedo.shape[1])
    return Material(maps.diffuse_albedo, maps.specular_albedo, maps.normal, rough)


def draw_scene(
    head: HeadModel, regions: AtlasRegions, vertices: Tensor, skin: Skin, iris: Tensor,
    eye_gain: Tensor, props: Sequence[Prop], camera: Camera, light: Light,
) -> Picture:  # fmt: skip
    """vertices [1,V,3] of a head with its opaque props; hair and lenses come later."""
    materials = part_materials(head, skin_material(skin, regions), eye_material(iris, 96, eye_gain))
    opaque = [facing(prop, camera) for prop in props if prop.opacity >= 1]
    mesh = with_props(head_mesh(head, vertices), opaque)
    materials += [material(prop) for prop in opaque]
    out = render(mesh, materials, camera, light, shadows=light.directions.shape[1] > 0)
    labels = _labels(head, skin, out, [prop.label for prop in opaque])
    position = out.position
    seen = camera.transform(position.reshape(1, -1, 3)).reshape(position.shape)[0, ..., 2]
    covered = out.rast[0, ..., 3] > 0
    depth = torch.where(covered, seen, torch.full_like(seen, FAR_AWAY))
    return Picture(
        out.color[0].numpy(), out.alpha[0].numpy(), labels, depth.numpy(),
        position[0].numpy(), _lamp_share(out, light)[0].numpy(),
        (out.part[0] - len(head.part_names)).clamp_min(-1).numpy(),
    )  # fmt: skip


def over_backdrop(picture: Picture, backdrop: np.ndarray) -> Picture:
    """The picture before a backdrop [H,W,3]."""
    color = picture.color + (1 - picture.alpha) * backdrop
    return replace(picture, color=color)


def add_lenses(picture: Picture, lenses: Sequence[Prop], camera: Camera, light: Light) -> Picture:
    """Transparent props before what is drawn, with what they mirror."""
    color, labels = picture.color, picture.labels
    for prop in lenses:
        mesh = with_props(None, [facing(prop, camera)])
        out = render(mesh, [material(prop)], camera, light)
        position = out.position
        seen = camera.transform(position.reshape(1, -1, 3)).reshape(position.shape)[0, ..., 2]
        covered = ((out.rast[0, ..., 3] > 0) & (seen < torch.from_numpy(picture.depth))).numpy()
        alpha = out.alpha[0].numpy() * covered[..., None]
        own = out.color[0].numpy() * covered[..., None]
        color = color * (1 - prop.opacity * alpha) + prop.opacity * own
        if prop.reflection is not None:
            color = color + alpha * _mirrored(prop, out)
        if prop.opacity > DARK_LENS:
            labels = np.where(covered, np.uint8(prop.label), labels)
    return replace(picture, color=color, labels=labels)


DARK_LENS = 0.45  # opacity from which a lens hides what lies behind it


def _mirrored(prop: Prop, out: RenderOutput) -> np.ndarray:
    """[H,W,3]: the prop's picture of what it reflects, looked up by its texture coordinates."""
    picture = torch.from_numpy(np.ascontiguousarray(prop.reflection)).float()
    grid = out.uv * 2 - 1
    found = F.grid_sample(
        picture.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )
    return found[0].permute(1, 2, 0).numpy()


def with_props(mesh: Mesh | None, props: Sequence[Prop]) -> Mesh:
    """One mesh of a mesh, if any, and props; the props' parts follow the mesh's."""
    vertices, triangles, uv, uv_triangles, part, occlusion = [], [], [], [], [], []
    points = corners = parts = 0
    if mesh is not None:
        vertices, triangles, uv = [mesh.vertices[0]], [mesh.triangles.long()], [mesh.uv]
        uv_triangles, part = [mesh.uv_triangles.long()], [mesh.part.long()]
        own = mesh.occlusion
        occlusion = [torch.ones(len(vertices[0])) if own is None else own]
        points, corners, parts = len(vertices[0]), len(mesh.uv), int(mesh.part.max()) + 1
    for index, prop in enumerate(props):
        faces = torch.from_numpy(prop.triangles).long()
        vertices.append(torch.from_numpy(prop.vertices).float())
        uv.append(torch.from_numpy(prop.uv).float())
        triangles.append(faces + points)
        uv_triangles.append(faces + corners)
        part.append(torch.full((len(faces),), parts + index))
        occlusion.append(torch.ones(len(prop.vertices)))
        points, corners = points + len(prop.vertices), corners + len(prop.uv)
    return Mesh(
        torch.cat(vertices)[None], torch.cat(triangles), torch.cat(uv),
        torch.cat(uv_triangles), torch.cat(part), torch.cat(occlusion),
    )  # fmt: skip


def facing(prop: Prop, camera: Camera) -> Prop:
    """A two-sided prop whose triangles all face the camera: those that look away get vertices of
    their own, turned around."""
    if not prop.two_sided:
        return prop
    eye = camera.position[0].numpy()
    corners = prop.vertices[prop.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = ((eye - corners[:, 0]) * normal).sum(1) < 0
    count = len(prop.vertices)
    turned = prop.triangles[away][:, ::-1] + count
    return replace(
        prop,
        vertices=np.concatenate([prop.vertices, prop.vertices]),
        uv=np.concatenate([prop.uv, prop.uv]),
        triangles=np.concatenate([prop.triangles[~away], turned]).astype(np.int32),
    )


def material(prop: Prop) -> Material:
    """The renderer's material of a prop."""
    albedo = torch.from_numpy(np.ascontiguousarray(prop.albedo)).float()[None]
    specular = torch.full((1, 1, 1, 1), prop.specular)
    return Material(albedo, specular, None, prop.roughness)


def _labels(head: HeadModel, skin: Skin, out: RenderOutput, worn: Sequence[Label]) -> np.ndarray:
    """[H,W] uint8 of the nearest surface in the middle of each pixel."""
    texels = skin.labels.shape[0]
    place = (out.uv_points * texels).long().clamp(0, texels - 1)
    painted = torch.from_numpy(skin.labels)[place[:, 1], place[:, 0]]
    of_role = {Role.EYE: Label.EYES, Role.HAIR: Label.HAIR}
    table = [of_role.get(part.role, Label.MOUTH) for part in head.parts] + list(worn)
    found = torch.tensor([int(label) for label in table], dtype=torch.uint8)[out.part_points]
    found = torch.where(out.part_points == head.skin.index, painted, found)
    image = out.image(found[:, None].float(), float(Label.BACKGROUND))
    return image[0, ..., 0].to(torch.uint8).numpy()


def _lamp_share(out: RenderOutput, light: Light) -> Tensor:
    """[1,H,W]: how much of a front-facing point's light is lamps'."""
    if light.directions.shape[1] == 0:
        return torch.zeros(out.rast.shape[:3])
    normal = out.normal
    towards = F.normalize(light.directions[0], dim=-1)
    lamps = ((normal @ towards.T).clamp_min(0) @ light.colors[0]).mean(-1)
    around = light.sh[0, 0].mean() * 0.282
    return lamps / (lamps + around.clamp_min(1e-4))
