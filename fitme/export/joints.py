"""Joints of a skeleton: where they are at rest, and what of a mesh each of them moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: What moves the vertices of a head, the columns of `ExportMesh.joint_weights`.
ROLES = ("chest", "neck", "head", "jaw", "left_eye", "right_eye")


@dataclass(frozen=True)
class Joint:
    """One joint at rest: its place [3] in metres and its axes [3,3] (columns), both in the world;
    `parent` is a name, None for the first."""

    name: str
    parent: str | None
    place: Floats
    axes: Floats


@dataclass(frozen=True)
class Skeleton:
    """Joints, parents first, and the joint that plays each of ROLES.

    raised     metres that meshes are lifted by, whose origin is that of the head model
    scene      name of the file's scene, which takes the place of a node above all
    mesh_names what meshes are called instead, by their own names
    standard   name of each joint by that of VRM's humanoid bones, those the file has
    """

    name: str
    joints: tuple[Joint, ...]
    roles: Mapping[str, str]
    standard: Mapping[str, str]
    raised: float = 0.0
    scene: str | None = None
    mesh_names: Mapping[str, str] | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)

    def joint(self, name: str) -> Joint:
        return self.joints[self.names.index(name)]

    def role_indices(self) -> NDArray[np.int64]:
        """Index of the joint of each of ROLES."""
        return np.array([self.names.index(self.roles[role]) for role in ROLES])

    def local(self, joint: Joint) -> tuple[Floats, Floats]:
        """Translation [3] and rotation [3,3] of a joint in the frame of its parent."""
        if joint.parent is None:
            return joint.place, joint.axes
        above = self.joint(joint.parent)
        return above.axes.T @ (joint.place - above.place), above.axes.T @ joint.axes

    def inverse_binds(self) -> Floats:
        """Matrices [J,4,4] from the world at rest into each joint's frame."""
        out = np.tile(np.eye(4), (len(self.joints), 1, 1))
        for matrix, joint in zip(out, self.joints, strict=True):
            matrix[:3, :3] = joint.axes.T
            matrix[:3, 3] = -joint.axes.T @ joint.place
        return out

    def mesh_node(self, name: str) -> str:
        """What the node of a mesh is called: names of joints are taken."""
        renamed = (self.mesh_names or {}).get(name, name)
        return f"{renamed}_mesh" if renamed in self.names else renamed


def quaternion(matrix: Floats) -> tuple[float, float, float, float]:
    """Unit quaternion x, y, z, w of a rotation matrix [3,3]."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(matrix).as_quat()
    return (float(x), float(y), float(z), float(w))
