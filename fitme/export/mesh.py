"""What the exporters take: plain numpy meshes and materials, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Reflectance at normal incidence of glTF's default dielectric (index of refraction 1.5).
DIELECTRIC_F0 = 0.04

#: The fields of a material that hold images.
IMAGES = ("base_color", "normal", "metallic_roughness", "occlusion", "specular_color")


@dataclass(frozen=True)
class ExportMaterial:
    """A glTF 2.0 metallic-roughness material with KHR_materials_specular. Images are PNG bytes, or
    WebP bytes, which not every reader knows (EXT_texture_webp).

    Where both are given an image is multiplied by its factor. `specular_color_*` are relative
    to the dielectric F0 of 0.04; :func:`specular_to_khr` makes them from an F0 map.
    """

    name: str
    base_color: bytes | None = None  # sRGB
    base_color_factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)  # linear RGBA
    normal: bytes | None = None  # tangent space, OpenGL Y+
    normal_scale: float = 1.0
    metallic_roughness: bytes | None = None  # linear; G = roughness, B = metallic
    metallic_factor: float = 0.0
    roughness_factor: float = 0.5
    occlusion: bytes | None = None  # linear; R = ambient visibility, may be `metallic_roughness`
    occlusion_uv: int = 0  # the set of texture coordinates the occlusion is looked up with
    specular_color: bytes | None = None  # sRGB
    specular_color_factor: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear, may exceed 1
    specular_factor: float = 1.0  # scales F0 and F90
    alpha_mode: str = "OPAQUE"  # or MASK (cut at 0.5) or BLEND; alpha is that of the base colour
    double_sided: bool = False

    def __post_init__(self) -> None:
        if self.alpha_mode not in ("OPAQUE", "MASK", "BLEND"):
            raise ValueError(f"alpha_mode must be OPAQUE, MASK or BLEND, got {self.alpha_mode!r}")
        for key in ("base_color_factor", "specular_color_factor"):
            wanted = 4 if key == "base_color_factor" else 3
            got = np.shape(getattr(self, key))
            if got != (wanted,):
                raise ValueError(f"material {self.name!r}: {key} must be ({wanted},), got {got}")
        for key in IMAGES:
            data = getattr(self, key)
            if data is not None and image_type(data) is None:
                raise ValueError(
                    f"material {self.name!r}: {key} must be the bytes of a PNG or WebP file"
                )

    @property
    def has_textures(self) -> bool:
        return any(getattr(self, key) is not None for key in IMAGES)


def image_type(data: bytes) -> str | None:
    """The MIME type of the bytes of a PNG or WebP file, None for any other."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


@dataclass(frozen=True, eq=False)
class ExportMesh:
    """A triangle mesh in metres, +Y up, the face along +Z, triangles counter-clockwise.

    vertices      [V,3]  float
    triangles     [T,3]  int, into vertices
    uv            [U,2]  float, glTF's convention: (0, 0) is the top left of the image
    uv_triangles  [T,3]  int, into uv; left out when uv is given per vertex (U = V)
    normals       [V,3]  float, unit; left out they are smooth, of the mesh before seams split it
    morph_targets name -> [V,3] offsets in metres, added to vertices; the order is kept
    pivot         [3]    the node's origin in the same space as vertices (an eye's centre, so
                         that rotating the node rotates the eye)
    uv_1          [V,2]  float, a second set, for the occlusion; one per vertex
    weights       name -> weight of a morph target the file opens with; 0 where left out
    rotation      [4]    quaternion x, y, z, w of the node, about its pivot
    joint_weights [V,6]  how much each of `joints.ROLES` moves a vertex; rows sum to 1

    Raises ValueError with the wanted and the given shape, for an index out of range, and for
    numbers that are not finite.
    """

    name: str
    vertices: NDArray[Any]
    triangles: NDArray[Any]
    material: ExportMaterial
    uv: NDArray[Any] | None = None
    uv_triangles: NDArray[Any] | None = None
    normals: NDArray[Any] | None = None
    morph_targets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    uv_1: NDArray[Any] | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    joint_weights: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__  # the dataclass is frozen for its users
        put(self, "vertices", self._floats("vertices", self.vertices, ("V", 3)))
        put(self, "triangles", self._indices("triangles", self.triangles, len(self.vertices)))
        shape = (len(self.vertices), 3)
        if self.normals is not None:
            put(self, "normals", self._floats("normals", self.normals, shape))
        if self.uv is not None:
            put(self, "uv", self._floats("uv", self.uv, ("U", 2)))
            corners = self.triangles if self.uv_triangles is None else self.uv_triangles
            corners = self._indices("uv_triangles", corners, len(self.uv))
            if corners.shape != self.triangles.shape:
                raise ValueError(
                    f"mesh {self.name!r}: uv_triangles must be {self.triangles.shape},"
                    f" got {corners.shape}"
                )
            put(self, "uv_triangles", corners)
        elif self.uv_triangles is not None:
            raise ValueError(f"mesh {self.name!r}: uv_triangles without uv")
        elif self.material.has_textures:
            raise ValueError(f"mesh {self.name!r}: its material has textures, so it needs uv")
        if self.uv_1 is not None:
            put(self, "uv_1", self._floats("uv_1", self.uv_1, (len(self.vertices), 2)))
        elif self.material.occlusion_uv:
            raise ValueError(f"mesh {self.name!r}: its material has occlusion_uv, so it needs uv_1")
        if self.joint_weights is not None:
            self._floats("joint_weights", self.joint_weights, (len(self.vertices), 6))
        targets = {
            name: self._floats(f"morph target {name!r}", offsets, shape)
            for name, offsets in self.morph_targets.items()
        }
        put(self, "morph_targets", targets)
        self._floats("pivot", self.pivot, (3,))
        self._floats("rotation", self.rotation, (4,))
        unknown = self.weights.keys() - targets.keys()
        if unknown:
            raise ValueError(f"mesh {self.name!r}: weights of no morph target: {sorted(unknown)}")

    def posed(self) -> ExportMesh:
        """The mesh with its weights and rotation put into the vertices, without morph targets."""
        offsets = [weight * self.morph_targets[name] for name, weight in self.weights.items()]
        local = self.vertices + sum(offsets, np.zeros(3)) - self.pivot
        axis, real = np.asarray(self.rotation[:3]), self.rotation[3]
        swing = 2 * np.cross(axis, local)
        turned = local + real * swing + np.cross(axis, swing)
        return replace(
            self, vertices=turned + self.pivot, morph_targets={}, weights={},
            rotation=(0.0, 0.0, 0.0, 1.0), normals=None if offsets else self.normals,
        )  # fmt: skip

    def _floats(
        self, what: str, value: ArrayLike, wanted: tuple[int | str, ...]
    ) -> NDArray[np.float64]:
        array = np.asarray(value, dtype=np.float64)
        sizes = [s if isinstance(w, str) else w for w, s in zip(wanted, array.shape, strict=False)]
        if array.ndim != len(wanted) or array.shape != tuple(sizes):
            shape = "(" + ", ".join(map(str, wanted)) + ")"
            raise ValueError(f"mesh {self.name!r}: {what} must be {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(
                f"mesh {self.name!r}: {what} of shape {array.shape} has numbers that are not finite"
            )
        return array

    def _indices(self, what: str, value: ArrayLike, bound: int) -> NDArray[np.int64]:
        array = np.asarray(value)
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iu":
            raise ValueError(
                f"mesh {self.name!r}: {what} must be (T, 3) integers,"
                f" got {array.shape} {array.dtype}"
            )
        if array.size and (array.min() < 0 or array.max() >= bound):
            raise ValueError(
                f"mesh {self.name!r}: {what} must lie in 0..{bound - 1},"
                f" got {array.min()}..{array.max()}"
            )
        return array.astype(np.int64)


def specular_to_khr(f0: NDArray[Any]) -> tuple[tuple[float, float, float], NDArray[np.float32]]:
    """Specular albedo (F0) to the relative form of KHR_materials_specular.

    glTF multiplies its dielectric F0 of 0.04 by specularColorFactor * specularColorTexture.
    The texture can only darken, so the factor is the largest F0 of the map over 0.04 (skin's
    0.028 gives 0.7; above 1 is allowed) and the texture uses its whole range. F0 outside 0..1
    is clipped first.

    f0: [H,W], [H,W,1] or [H,W,3] linear reflectance at normal incidence.
    Returns (factor, texture [H,W,3] linear in 0..1; encode it as sRGB).
    Raises ValueError for another shape.
    """
    f0 = np.asarray(f0, dtype=np.float32)
    if f0.ndim == 2:
        f0 = f0[..., None]
    if f0.ndim != 3 or f0.shape[2] not in (1, 3) or f0.size == 0:
        raise ValueError(f"f0 must be (H, W), (H, W, 1) or (H, W, 3), got {f0.shape}")
    clipped = np.clip(np.nan_to_num(f0), 0.0, 1.0)
    peak = float(clipped.max())
    texture = clipped / peak if peak > 0 else clipped
    factor = peak / DIELECTRIC_F0
    return (factor, factor, factor), np.ascontiguousarray(
        np.broadcast_to(texture, (*f0.shape[:2], 3))
    )
