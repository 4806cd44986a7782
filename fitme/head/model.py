"""The head model: identity + expression + neck and eye pose -> vertices.

A linear model in the manner of FLAME (Li et al. 2017) and the Basel face models: a mean, an
identity basis scaled to one standard deviation, ARKit-named expression offsets, then rigid
eyes and a skinned neck. Files of other models become the same `HeadModel` in
`fitme.head.formats`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from fitme.head.parts import Part, Role, parts_of
from fitme.render.camera import axis_angle_to_matrix
from fitme.runtime.errors import InputError
from fitme.runtime.files import atomic_write_bytes

FORMAT = "fitme-head-1"

ARKIT_NAMES: tuple[str, ...] = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""Apple ARKit's 52 blend shape locations, in the order the model stores them."""

EYE_LOOK_DEGREES = {"Up": 25.0, "Down": 25.0, "In": 30.0, "Out": 30.0}
"""Eye rotation in degrees that goes with a full eyeLook* shape."""


@dataclass(frozen=True)
class HeadModel:
    """A linear head with named parts.

    Vertices of all parts share one array; `part` gives each triangle's part. Lengths are
    metres in the model's own frame: +Y up, the face looks along +Z, +X is the person's left.
    """

    mean: Tensor  # [V, 3]
    identity: Tensor  # [K, V, 3], one standard deviation each
    expression: Tensor  # [E, V, 3]
    expression_names: tuple[str, ...]
    triangles: Tensor  # [T, 3] int64
    uv: Tensor  # [U, 2], v downwards, each part in its own tile
    uv_triangles: Tensor  # [T, 3] int64
    part: Tensor  # [T] int64, index into part_names
    part_names: tuple[str, ...]
    regions: Mapping[str, Tensor]  # name -> [V] in 0..1
    landmark_triangles: Tensor  # [N] int64
    landmark_barycentric: Tensor  # [N, 3]
    landmark_weight: Tensor  # [N], 0 for points that cannot be trusted
    neck_weight: Tensor  # [V], share of the neck rotation, 1 for the head, 0 at the collar
    neck_joint: Tensor  # [3]
    eye_ring: Tensor  # [2, R] int64, vertices whose mean is the centre of an eye ([0, 1]: none)
    occlusion: Tensor  # [V] ambient visibility in 0..1
    mirror: Tensor  # [V] int64, index of the mirror image (itself where there is none)
    metadata: Mapping[str, str] = field(default_factory=dict)
    # [2, V, 9], see `fitme.render.Mesh`; None: light from all sides is shaded alike
    transfer: Tensor | None = None

    def __post_init__(self) -> None:
        count = self.mean.shape[0]
        if self.identity.shape[1:] != (count, 3) or self.expression.shape[1:] != (count, 3):
            raise ValueError(
                f"wanted identity [K, {count}, 3] and expression [E, {count}, 3], "
                f"got {list(self.identity.shape)} and {list(self.expression.shape)}"
            )
        if len(self.expression_names) != self.expression.shape[0]:
            raise ValueError(
                f"{self.expression.shape[0]} expressions, {len(self.expression_names)} names"
            )

    @property
    def device(self) -> torch.device:
        return self.mean.device

    def to(self, device: torch.device | str) -> HeadModel:
        """The same model with every tensor on `device`; itself where it is there, as what is made
        of a head (its scalp, its seams) is kept with it."""
        if self.device == torch.device(device):
            return self
        moved: dict[str, Any] = {
            k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        regions = {name: mask.to(device) for name, mask in self.regions.items()}
        return replace(self, **moved, regions=regions)

    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with anything coefficients or maps depend on.

        The same for a model and for what `load_head` reads of its file.
        """
        digest = hashlib.blake2b(digest_size=16)
        for name in ("mean", "identity", "expression", "triangles", "uv", "uv_triangles", "part"):
            digest.update(_stored(name, getattr(self, name)).numpy().tobytes())
        digest.update(json.dumps([self.expression_names, self.part_names]).encode())
        return digest.hexdigest()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in their order, with their roles."""
        return parts_of(self.part_names)

    def parts_with(self, role: Role) -> tuple[Part, ...]:
        """The parts of one role, such as both eyes; empty for a model without."""
        return tuple(part for part in self.parts if part.role is role)

    @property
    def skin(self) -> Part:
        """The part that carries the generator's maps. Raises KeyError for a model without."""
        for part in self.parts_with(Role.SKIN):
            return part
        raise KeyError(f"no part is skin; parts are {', '.join(self.part_names)}")

    def part_triangles(self, name: str) -> Tensor:
        """Triangles [T', 3] of one part. Raises KeyError for an unknown name."""
        return self.triangles[self.part == self._part_index(name)]

    def part_vertices(self, name: str) -> Tensor:
        """Sorted vertex indices [V'] used by one part; sorted once, as every step of a fit asks.

        Raises KeyError for an unknown name.
        """
        self._part_index(name)
        return self._part_vertices[name]

    @cached_property
    def _part_vertices(self) -> dict[str, Tensor]:
        return {name: self.part_triangles(name).unique() for name in self.part_names}

    def vertices_with(self, roles: tuple[Role, ...]) -> Tensor:
        """Sorted vertex indices [V'] of all parts of some roles; sorted once."""
        if roles not in self._role_vertices:
            own = [self.part_vertices(p.name) for role in roles for p in self.parts_with(role)]
            self._role_vertices[roles] = torch.cat(own).unique() if own else self.mirror[:0]
        return self._role_vertices[roles]

    @cached_property
    def _role_vertices(self) -> dict[tuple[Role, ...], Tensor]:
        return {}

    def _part_index(self, name: str) -> int:
        if name not in self.part_names:
            raise KeyError(f"no part {name!r}; parts are {', '.join(self.part_names)}")
        return self.part_names.index(name)

    def expression_index(self, name: str) -> int:
        """Position of an expression name. Raises KeyError for an unknown one."""
        if name not in self.expression_names:
            raise KeyError(f"no expression {name!r}")
        return self.expression_names.index(name)

    def shape(self, identity: Tensor, expression: Tensor | None = None) -> Tensor:
        """Unposed vertices [B, V, 3] from coefficients [B, K'] and [B, E]; K' may be below K."""
        used = identity.shape[-1]
        vertices = self.mean + torch.einsum("bk,kvc->bvc", identity, self.identity[:used])
        if expression is not None:
            vertices = vertices + torch.einsum("be,evc->bvc", expression, self.expression)
        return vertices

    def eye_centres(self, vertices: Tensor) -> Tensor:
        """Centres of the left and right eyeball, [B, 2, 3]; [B, 0, 3] for a model without eyes."""
        return vertices[:, self.eye_ring].mean(2)

    def pose(
        self, vertices: Tensor, gaze: Tensor | None = None, neck: Tensor | None = None
    ) -> Tensor:
        """Turn the eyes, then the head on the neck.

        Args:
            vertices: [B, V, 3] from `shape`.
            gaze: [B, 2, 2] pitch (up positive) and yaw (towards +X positive) of the left and
                right eye in radians; ignored by a model without eyes.
            neck: [B, 3] axis-angle of the head against the collar.
        """
        if gaze is not None and len(self.eye_ring):
            centres = self.eye_centres(vertices)
            for eye in self.parts_with(Role.EYE):
                index, centre = self.part_vertices(eye.name), centres[:, eye.side, None]
                rotation = gaze_rotation(gaze[:, eye.side])
                turned = (vertices[:, index] - centre) @ rotation.mT + centre
                vertices = vertices.index_copy(1, index, turned)
        if neck is not None:
            rotation = axis_angle_to_matrix(neck)
            turned = (vertices - self.neck_joint) @ rotation.mT + self.neck_joint
            vertices = torch.lerp(vertices, turned, self.neck_weight[:, None])
        return vertices

    def landmarks(self, vertices: Tensor) -> Tensor:
        """The model's landmark points [B, N, 3] on vertices [B, V, 3]."""
        corners = vertices[:, self.triangles[self.landmark_triangles]]
        return (corners * self.landmark_barycentric[None, :, :, None]).sum(2)


def gaze_rotation(gaze: Tensor) -> Tensor:
    """Rotation [B, 3, 3] of an eye from pitch (up) and yaw (to +X) in radians, [B, 2]."""
    pitch, yaw = gaze.unbind(-1)
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    cp, sp, cy, sy = pitch.cos(), pitch.sin(), yaw.cos(), yaw.sin()
    about_x = torch.stack([one, zero, zero, zero, cp, sp, zero, -sp, cp], -1).view(-1, 3, 3)
    about_y = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], -1).view(-1, 3, 3)
    return about_y @ about_x


_TENSORS = (
    "mean", "identity", "expression", "triangles", "uv", "uv_triangles", "part",
    "landmark_triangles", "landmark_barycentric", "landmark_weight",
    "neck_weight", "neck_joint", "eye_ring", "occlusion", "mirror",
)  # fmt: skip
_HALF = ("identity", "expression", "transfer")
_INDEX = ("triangles", "uv_triangles", "part", "landmark_triangles", "eye_ring", "mirror")


def _stored(name: str, value: Tensor) -> Tensor:
    """A tensor of the model as its file holds it."""
    kind = torch.half if name in _HALF else torch.int32 if name in _INDEX else torch.float32
    return value.detach().cpu().to(kind).contiguous()


def save_head(model: HeadModel, path: Path) -> None:
    """Write a model as safetensors: bases in half precision, indices as int32.

    The file appears whole or not at all. Raises OutputError when it cannot be written.
    """
    tensors = {name: getattr(model, name) for name in _TENSORS}
    if model.transfer is not None:
        tensors["transfer"] = model.transfer
    tensors |= {f"region.{name}": mask for name, mask in model.regions.items()}
    tensors = {name: _stored(name, value) for name, value in tensors.items()}
    names = {"expression_names": model.expression_names, "part_names": model.part_names}
    metadata = {"format": FORMAT, **{k: json.dumps(v) for k, v in names.items()}}
    atomic_write_bytes(path, save(tensors, metadata={**model.metadata, **metadata}))


def load_head(path: Path | None = None, device: torch.device | str = "cpu") -> HeadModel:
    """Read a model written by `save_head`; without a path the one that comes with fitme.

    Raises InputError when the file is missing or not such a file.
    """
    if path is None:
        from fitme.models import weight_path

        path = weight_path("head.safetensors")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except Exception as error:
        raise InputError(
            f"{path}: not a readable head model ({error}); check the path, or reinstall fitme"
        ) from error
    if metadata.get("format") != FORMAT or not set(_TENSORS) <= set(tensors):
        raise InputError(f"{path}: not a {FORMAT} file; write it with fitme.head.model.save_head")
    regions = {k[7:]: v for k, v in tensors.items() if k.startswith("region.")}
    arrays = {k: tensors[k].long() if k in _INDEX else tensors[k].float() for k in _TENSORS}
    try:
        for key in ("expression_names", "part_names"):
            arrays[key] = tuple(json.loads(metadata.pop(key)))
        metadata.pop("format")
        transfer = tensors["transfer"].float() if "transfer" in tensors else None
        model = HeadModel(**arrays, regions=regions, metadata=metadata, transfer=transfer)
        _check_ranges(model)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path}: a damaged head model ({error}); convert or download it again"
        ) from error
    return model.to(device)


def _check_ranges(model: HeadModel) -> None:
    """Raise ValueError for an index that points nowhere, a wrong length, or a NaN."""
    vertices, triangles = len(model.mean), len(model.triangles)
    limits = {
        "triangles": (vertices, (triangles, 3)),
        "uv_triangles": (len(model.uv), (triangles, 3)),
        "part": (len(model.part_names), (triangles,)),
        "landmark_triangles": (triangles, tuple(model.landmark_weight.shape)),
        "eye_ring": (vertices, tuple(model.eye_ring.shape)),
        "mirror": (vertices, (vertices,)),
    }
    for name, (count, shape) in limits.items():
        index = getattr(model, name)
        if tuple(index.shape) != shape:
            raise ValueError(f"{name}: wanted {list(shape)}, got {list(index.shape)}")
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < count:
            raise ValueError(f"{name} points outside of {count}")
    for name in ("mean", "identity", "expression", "uv"):
        if not torch.isfinite(getattr(model, name)).all():
            raise ValueError(f"{name} holds a NaN or infinite number")
