"""Meshes on a skeleton as glTF: nodes of the joints, one skin, and four joints for each vertex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from fitme.export.joints import Skeleton, quaternion
from fitme.export.mesh import ExportMesh
from fitme.export.packer import Packer

#: Joints [V,4] of each vertex of a mesh and their weights [V,4], which sum to 1.
Binding = tuple[NDArray[np.int64], NDArray[np.float64]]
_EYES = {"eye_L": "left_eye", "eye_R": "right_eye"}


class Rig:
    """Some meshes on a skeleton. The nodes are the meshes, then the joints in their order."""

    def __init__(self, meshes: Sequence[ExportMesh], skeleton: Skeleton) -> None:
        self.meshes, self.skeleton = meshes, skeleton
        self.raised = skeleton.raised

    def binding(self, index: int) -> Binding:
        """What moves a mesh. Raises ValueError for one without weights."""
        mesh = self.meshes[index]
        if mesh.joint_weights is None:
            raise ValueError(f"mesh {mesh.name!r} has no joint_weights, so no place on a skeleton")
        order = np.argsort(-mesh.joint_weights, axis=1, kind="stable")[:, :4]
        weights = np.take_along_axis(mesh.joint_weights, order, 1).astype(np.float32)
        weights[weights < 1e-4] = 0.0
        weights /= weights.sum(1, keepdims=True)
        joints = self.skeleton.role_indices()[order]
        return np.where(weights > 0, joints, 0), weights.astype(np.float64)

    def joint_node(self, name: str) -> int:
        """The node of a joint."""
        return len(self.meshes) + self.skeleton.names.index(name)

    def nodes(self) -> list[Any]:
        skeleton = self.skeleton
        out = [
            gltf.Node(name=skeleton.mesh_node(mesh.name), mesh=k, skin=0)
            for k, mesh in enumerate(self.meshes)
        ]
        turned = {
            skeleton.roles[_EYES[mesh.name]]: mesh.rotation
            for mesh in self.meshes
            if mesh.name in _EYES and any(mesh.rotation[:3])
        }
        for joint in skeleton.joints:
            place, axes = skeleton.local(joint)
            turn = turned.get(joint.name) or quaternion(axes)
            below = [self.joint_node(j.name) for j in skeleton.joints if j.parent == joint.name]
            out.append(
                gltf.Node(
                    name=joint.name,
                    translation=[float(x) for x in place] if any(place) else None,
                    rotation=list(turn) if np.abs(turn[:3]).max() > 1e-9 else None,
                    children=below,
                )
            )
        return out

    def skin(self, packer: Packer) -> Any:
        first = len(self.meshes)
        return gltf.Skin(
            name=self.skeleton.scene or self.skeleton.name,  # Blender calls its armature so
            skeleton=first,
            joints=[first + k for k in range(len(self.skeleton.joints))],
            inverseBindMatrices=packer.matrices(self.skeleton.inverse_binds()),
        )
