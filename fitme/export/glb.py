"""Meshes to one binary glTF 2.0 file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from fitme.export.frames import Corners, corner_tangents, split_corners, vertex_normals
from fitme.export.joints import Skeleton
from fitme.export.mesh import ExportMesh
from fitme.export.packer import Packer
from fitme.export.rig import Binding, Rig

#: Offsets of a morph target below these count as none: a micrometre, 0.06 degrees.
POSITION_TOLERANCE = 1e-6
NORMAL_TOLERANCE = 1e-3


def write_glb(
    meshes: Sequence[ExportMesh],
    *,
    root: str = "avatar",
    sparse: bool = True,
    generator: str = "fitme",
    copyright: str | None = None,
    skinned: bool = False,
    skeleton: Skeleton | None = None,
    extend: Callable[[gltf.GLTF2], None] | None = None,
) -> bytes:
    """The bytes of a GLB: one node per mesh, named like it, under one node named `root`.

    Vertices are split at texture seams. Meshes carry NORMAL, TEXCOORD_0 when they have uv and
    TANGENT (MikkTSpace) when their material has a normal map. Morph targets carry POSITION and
    NORMAL, have the names in mesh.extras.targetNames and weight 0. They have no TANGENT: three.js
    and Blender ignore it, and the base tangent stays within the normal's swing of right. With
    `sparse` they are sparse accessors wherever that is smaller. Equal materials and images are
    stored once. The same input gives the same bytes.

    With `skinned` the meshes hang on a skeleton instead, which is what makes Unreal import them as
    one skeletal mesh with morph targets: `root`, under it `head_joint`, and under that a joint
    NAME_joint for every mesh with a pivot.

    With a `skeleton` they hang on that one by their `joint_weights`, as skins that bend; the scene
    has its name where it gives one. `extend` may add to the file's JSON before it is written.

    Raises ValueError without meshes, for a mesh without a triangle, for names used twice, and for
    one without weights on a skeleton.
    """
    names = [mesh.name for mesh in meshes]
    if not meshes or len(set(names)) < len(names) or root in names:
        raise ValueError(f"meshes need names of their own, other than {root!r}; got {names}")
    packer = Packer(sparse)
    packer.file.asset = gltf.Asset(version="2.0", generator=generator, copyright=copyright)
    rig = Rig(meshes, skeleton) if skeleton else _Skeleton(meshes, root) if skinned else None
    for index, mesh in enumerate(meshes):
        _add_mesh(packer, mesh, rig.binding(index) if rig else None, rig.raised if rig else 0.0)
    if rig:
        packer.file.nodes = rig.nodes()
        packer.file.skins = [rig.skin(packer)]
        top = list(range(len(meshes) + 1))
    else:
        nodes = [_placed(mesh, mesh.name, mesh=index) for index, mesh in enumerate(meshes)]
        packer.file.nodes = [*nodes, gltf.Node(name=root, children=list(range(len(meshes))))]
        top = [len(meshes)]
    # Else the scene has no name: three.js would rename the root node if it had the same one.
    packer.file.scenes = [gltf.Scene(nodes=top, name=skeleton.scene if skeleton else None)]
    packer.file.scene = 0
    if extend:
        extend(packer.file)
    return packer.pack()


def _add_mesh(packer: Packer, mesh: ExportMesh, bound: Binding | None, raised: float) -> None:
    corners = split_corners(mesh.triangles, mesh.uv, mesh.uv_triangles)
    if len(corners.triangles) == 0:
        raise ValueError(
            f"mesh {mesh.name!r}: triangles of shape {mesh.triangles.shape} has none that names"
            " three vertices"
        )
    smooth = vertex_normals(mesh.vertices, mesh.triangles)
    normals = smooth if mesh.normals is None else _renormalized(mesh.normals, smooth)
    origin = np.asarray(mesh.pivot) if bound is None else np.array([0.0, -raised, 0.0])
    position = mesh.vertices - origin
    attributes = gltf.Attributes(
        POSITION=packer.vertex_data(position[corners.vertex], bounds=True),
        NORMAL=packer.vertex_data(normals[corners.vertex]),
    )
    if mesh.uv is not None:
        attributes.TEXCOORD_0 = packer.vertex_data(mesh.uv[corners.uv])
        if mesh.material.normal is not None:
            tangents = corner_tangents(corners, mesh.vertices, normals, mesh.uv)
            attributes.TANGENT = packer.vertex_data(tangents)
    if mesh.uv_1 is not None:
        attributes.TEXCOORD_1 = packer.vertex_data(mesh.uv_1[corners.vertex])
    if bound is not None:
        attributes.JOINTS_0 = packer.joints(bound[0][corners.vertex])
        attributes.WEIGHTS_0 = packer.vertex_data(bound[1][corners.vertex])
    primitive = gltf.Primitive(
        attributes=attributes,
        indices=packer.indices(corners.triangles, len(corners.vertex)),
        material=packer.material(mesh.material),
        mode=gltf.TRIANGLES,
        targets=[
            _morph_target(packer, mesh, corners, smooth, offsets)
            for offsets in mesh.morph_targets.values()
        ],
    )
    target_names = list(mesh.morph_targets)
    packer.file.meshes.append(
        gltf.Mesh(
            name=mesh.name,
            primitives=[primitive],
            weights=[float(mesh.weights.get(name, 0.0)) for name in target_names],
            extras={"targetNames": target_names} if target_names else {},
        )
    )


def _morph_target(
    packer: Packer,
    mesh: ExportMesh,
    corners: Corners,
    smooth: NDArray[np.float64],
    offsets: NDArray[Any],
) -> gltf.Attributes:
    bent = vertex_normals(mesh.vertices + offsets, mesh.triangles) - smooth
    offsets = np.where(np.abs(offsets).max(1, keepdims=True) < POSITION_TOLERANCE, 0.0, offsets)
    bent = np.where(np.abs(bent).max(1, keepdims=True) < NORMAL_TOLERANCE, 0.0, bent)
    return gltf.Attributes(
        POSITION=packer.deltas(offsets[corners.vertex], bounds=True),
        NORMAL=packer.deltas(bent[corners.vertex]),
    )


def _renormalized(
    normals: NDArray[np.float64], fallback: NDArray[np.float64]
) -> NDArray[np.float64]:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), fallback)


def _placed(part: ExportMesh, name: str, **more: Any) -> Any:
    """A node at the mesh's pivot."""
    place = [float(x) for x in part.pivot]
    turn = [float(x) for x in part.rotation]
    return gltf.Node(
        name=name,
        translation=place if any(place) else None,
        rotation=turn if any(turn[:3]) else None,
        **more,
    )


class _Skeleton:
    """One joint for the head and one below it for every mesh that has a pivot of its own.

    The nodes are the meshes, `root`, the head's joint, then the joints below it.
    """

    def __init__(self, meshes: Sequence[ExportMesh], root: str) -> None:
        self.meshes, self.root = meshes, root
        self.turning = [mesh for mesh in meshes if any(mesh.pivot)]
        self.first = len(meshes) + 1  # node of the head's joint

    raised = 0.0

    def binding(self, index: int) -> Binding:
        """The one joint that moves a mesh."""
        mesh = self.meshes[index]
        joint = 1 + self.turning.index(mesh) if mesh in self.turning else 0
        weights = np.zeros((len(mesh.vertices), 4))
        weights[:, 0] = 1.0
        return (weights * joint).astype(np.int64), weights

    def nodes(self) -> list[Any]:
        below = [self.first + 1 + k for k in range(len(self.turning))]
        return [
            *(gltf.Node(name=mesh.name, mesh=k, skin=0) for k, mesh in enumerate(self.meshes)),
            gltf.Node(name=self.root, children=[self.first]),
            gltf.Node(name="head_joint", children=below),
            *(_placed(mesh, f"{mesh.name}_joint") for mesh in self.turning),
        ]

    def skin(self, packer: Packer) -> Any:
        inverse = np.tile(np.eye(4), (1 + len(self.turning), 1, 1))
        for matrix, mesh in zip(inverse[1:], self.turning, strict=True):
            matrix[:3, 3] = -np.asarray(mesh.pivot)
        return gltf.Skin(
            name=self.root,
            skeleton=self.first - 1,
            joints=[self.first + k for k in range(len(inverse))],
            inverseBindMatrices=packer.matrices(inverse),
        )
