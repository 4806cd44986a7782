"""What the viewer of a report draws, as JSON-ready data: geometry, materials, lights, photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import casting, facing_camera, head_sphere, view_light
from fitme.export.content import copyright_note, generator_name
from fitme.export.mesh import DIELECTRIC_F0
from fitme.export.scalp import scalp_skin
from fitme.head.model import EYE_LOOK_DEGREES
from fitme.head.parts import Part
from fitme.head.view import FACING_PITCH_DEG
from fitme.render import Material, brdf, light, shadows, transfer
from fitme.render.light import PRESETS, Light
from fitme.render.picture import to_bytes
from fitme.report.embed import jpeg_uri, resized, rounded
from fitme.report.geometry import TRANSFER_STEP, packed_geometry
from fitme.report.hair import packed_hair
from fitme.report.wrinkles import packed_wrinkles

MAP_SIDE = 1024  # pixels; larger maps are made smaller for the page
SPECULAR_WHITE = 0.08  # F0 that is shown as white, as in Unreal's Specular input
# Ends of the names of images that are numbers, not colours.
LINEAR = ("_normal", "_roughness", "_pressed", "_drawn", "_shade")

Maps = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class ViewerScene:
    """The data of the viewer, and the skin's three maps that the page shows as pictures."""

    data: dict[str, Any]
    maps: dict[str, str]  # "diffuse", "specular", "normal" -> data: URI
    specular_white: float  # the F0 that is white in the specular map


def viewer_scene(avatar: Avatar) -> ViewerScene:
    """Everything the viewer needs. Maps of the skin are given as ids of pictures in the page."""
    head = avatar.head
    centre, radius = head_sphere(avatar)
    camera = facing_camera(avatar, 0.0, 0.0, 2)
    skin = avatar.skin
    white = max(SPECULAR_WHITE, float(skin.specular_albedo.max()))
    images: dict[str, str] = {}
    maps: dict[str, str] = {}
    materials = []
    made: dict[int, dict[str, Any]] = {}
    for part, material in zip(head.parts, avatar.materials, strict=True):
        if id(material) not in made:
            shown = scalp_skin(avatar) if part.is_skin else material
            made[id(material)] = _material(part, shown, white, images)
        materials.append(made[id(material)])
    for key in ("diffuse", "specular", "normal"):
        image = f"{head.skin.name}_{key}"
        if image in images:
            maps[key] = images[image]
            images[image] = f"#map-{key}"
    wrinkles = packed_wrinkles(avatar, images)
    hair = packed_hair(avatar, images)
    names = sorted(PRESETS, key=lambda name: name != "studio")  # the viewer begins with the first
    lights = [{"name": name, "light": _light(avatar, Light.preset(name))} for name in names]
    data: dict[str, Any] = {
        "asset": {"generator": generator_name(), "copyright": copyright_note(head)},
        "geometry": packed_geometry(avatar),
        "images": images,
        "linearImages": [n for n in images if n.endswith(LINEAR)],
        "materials": materials,
        "lights": lights,
        "photos": [_photo(avatar, index) for index in range(len(avatar.photos))],
        "centre": centre.tolist(),
        "radius": radius,
        "distance": float(camera.transform(centre[None, None])[0, 0, 2]),
        "facingPitch": FACING_PITCH_DEG,
        "specularWhite": white,
        "eyeLook": EYE_LOOK_DEGREES,
        "brdf": _constants(),
        "transfer": None
        if avatar.head.transfer is None
        else {"few": transfer.FEW, "most": transfer.MOST, "step": TRANSFER_STEP},
        "dielectricF0": DIELECTRIC_F0,
        "shadow": {
            "side": shadows.MAP_SIDES[1],
            "offsets": shadows.cone_offsets().tolist(),
            "reach": shadows.MARGIN * radius,
            "normalBias": shadows.NORMAL_BIAS,
            "depthBias": shadows.DEPTH_BIAS,
        },
    }
    if wrinkles is not None:
        data["wrinkles"] = wrinkles
    if hair is not None:
        data["hair"] = hair
    return ViewerScene(rounded(data, 7), maps, white)


def _material(
    part: Part, material: Material, white: float, images: dict[str, str]
) -> dict[str, Any]:
    """Factors, and names of images (albedo, specular, normal, roughness; None: none) of one part.

    The pictures are added to `images`. An image is multiplied by its factor.
    """

    def put(key: str, pixels: NDArray[np.uint8], quality: int) -> str:
        images[f"{part.name}_{key}"] = jpeg_uri(resized(pixels, MAP_SIDE), quality, fine=True)
        return f"{part.name}_{key}"

    out: dict[str, Any] = {"images": [None] * 4, "roughness": 1.0}
    keep = part.is_skin  # the page shows the skin's maps, be they of one colour or not
    albedo = material.diffuse_albedo[0].cpu()
    f0 = material.specular_albedo[0].cpu()
    f0 = f0.expand(*f0.shape[:2], 3)
    for slot, key, value, scale, factor in (
        (0, "diffuse", albedo, 1.0, "albedo"), (1, "specular", f0, white, "specular"),
    ):  # fmt: skip
        flat = value.reshape(-1, 3)
        if not keep and bool((flat == flat[0]).all()):
            out[factor] = flat[0].tolist()
        else:
            out["images"][slot] = put(key, to_bytes(value / scale), 90)
            out[factor] = [scale] * 3
    if material.normal is not None:
        out["images"][2] = put("normal", _bytes(material.normal[0].cpu() * 0.5 + 0.5), 92)
    if isinstance(material.roughness, Tensor):
        rough = resized(_bytes(material.roughness[0].cpu()), 512)
        out["images"][3] = put("roughness", rough, 92)
    else:
        out["roughness"] = float(material.roughness)
    return out


def _bytes(values: Tensor) -> NDArray[np.uint8]:
    """Numbers in 0..1 as uint8, not display-encoded."""
    return (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()


def _light(avatar: Avatar, given: Light | None, photo: int = 0) -> dict[str, Any]:
    """A light, or that of a photo, in the picture's axes with the head's centre as origin."""
    # The world of this camera has the picture's axes, since -FACING_PITCH_DEG cancels there.
    camera = facing_camera(avatar, 0.0, -FACING_PITCH_DEG, 2, photo)
    centre, _ = head_sphere(avatar)
    sh, directions, colors, positions, intensities = (
        value[0] for value in view_light(avatar, camera, given, photo).tensors()
    )
    return {
        "sh": sh.tolist(), "directions": directions.tolist(), "colors": colors.tolist(),
        "positions": (positions - centre).tolist(), "intensities": intensities.tolist(),
        "shadows": casting(avatar, given, photo),
    }  # fmt: skip


def _photo(avatar: Avatar, index: int) -> dict[str, Any]:
    """Expression, gaze, light and the head's angles in degrees in one photo."""
    photo = avatar.photos[index]
    view = photo.view
    weights = dict(zip(avatar.head.expression_names, view.expression[0].tolist(), strict=True))
    # Rz(-roll) Ry(yaw) Rx(-(pitch + FACING_PITCH)) in the picture's axes, taken apart.
    m = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ view.camera().world_to_camera[0, :3, :3]
    yaw = math.asin(max(-1.0, min(1.0, -float(m[2, 0]))))
    pitch = -math.degrees(math.atan2(m[2, 1], m[2, 2])) - FACING_PITCH_DEG
    return {
        "name": photo.path.name,
        "weights": {name: weight for name, weight in weights.items() if weight},
        "gaze": view.gaze[0].tolist(),
        "light": _light(avatar, None, index),
        "angles": {
            "yaw": math.degrees(yaw),
            "pitch": pitch,
            "roll": -math.degrees(math.atan2(m[1, 0], m[0, 0])),
        },
    }


def _constants() -> dict[str, Any]:
    """The numbers of `fitme.render.brdf` and `fitme.render.light`: the viewer has no copy."""
    return {
        "minRoughness": brdf.MIN_ROUGHNESS, "minCosine": brdf.MIN_COSINE,
        "bands": brdf.GGX_BAND_FIT, "scale": brdf.ENV_SCALE, "bias": brdf.ENV_BIAS,
        "cosine": light.COSINE,
        "y0": light.Y0, "y1": light.Y1, "y2": light.Y2, "y20": light.Y2_0, "y22": light.Y2_2,
    }  # fmt: skip
