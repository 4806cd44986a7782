"""Static detail and moving folds in the form in which engines and character tools take them.

displacement.png          grey, 16 bits: static height of neutral skin along its normal; middle grey
                          is the mesh, black to white DISPLACEMENT_MM millimetres
wrinkles_compressed.png   normals (OpenGL Y+) of neutral skin with the folds of full compression
wrinkles_stretched.png    the same of skin that is stretched in full
wrinkles_albedo.png       diffuse albedo, sRGB, with the shade of full compression
wrinkle_masks_0.png, ...  four regions each in R, G, B and A: see `fitme.detail.wrinkle_regions`

Nothing of them is read back: `fitme.export.wrinkles` holds the folds themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fitme.detail.static import static_height
from fitme.detail.wrinkle_regions import REGIONS, fold_masks, region_table
from fitme.detail.wrinkles import DEEPEST, Wrinkles, displaced
from fitme.export.content import Exportable, skin_of
from fitme.export.textures import encode_albedo, encode_normals
from fitme.export.wrinkles import encode_centred
from fitme.head.geometry import Geometry
from fitme.image.png import encode_png
from fitme.reflectance.atlas import resized
from fitme.render import Material

DISPLACEMENT = "displacement.png"
DISPLACEMENT_MM = 4.0  # black to white, the same for everybody; a step is 0.06 micrometres
COMPRESSED, STRETCHED = "wrinkles_compressed.png", "wrinkles_stretched.png"
FOLDED_ALBEDO = "wrinkles_albedo.png"
CHANNELS = "RGBA"
_SMALLEST = 0.005  # of entries of the table that are written: half a per cent of a fold


def detail_maps(
    avatar: Exportable, *, size: int | None = None, bits: int = 8, directx: bool = False
) -> dict[str, bytes]:
    """PNG bytes of all of the files that the avatar has, by name.

    Normals and albedo have `size` texels a side, by default their own, and `bits`; the normals'
    green is down for DirectX.
    """
    geometry = avatar.geometry
    skin = skin_of(avatar)
    files = {}
    if skin.normal is not None:
        height = static_height(geometry.head, geometry.vertices(), skin.normal)[0]
        files[DISPLACEMENT] = encode_centred(1000 * height.cpu().numpy(), DISPLACEMENT_MM)
    if avatar.wrinkles is None:
        return files
    albedo = _sized(folded_albedo(avatar.wrinkles, skin), size)
    files[FOLDED_ALBEDO] = encode_albedo(albedo, bits)
    for name, amount in ((COMPRESSED, 1.0), (STRETCHED, -1.0)):
        normals = _sized(folded_normals(avatar, amount), size)
        if directx:
            normals = normals * np.array([1, -1, 1], np.float32)
        files[name] = encode_normals(normals, bits)
    packed = packed_masks(fold_masks(avatar.wrinkles, geometry.head))
    for index, pixels in enumerate(packed):
        files[mask_file(index)] = encode_png(np.rint(255 * pixels).astype(np.uint8))
    return files


def folded_normals(avatar: Exportable, amount: float) -> Tensor:
    """The skin's normals [1,R,R,3] compressed (or, below 0, stretched) by `amount` everywhere."""
    folds, geometry = avatar.wrinkles, avatar.geometry
    if folds is None:
        raise ValueError("the avatar has no wrinkles")
    height = folds.compressed * amount if amount > 0 else folds.stretched * -amount
    return displaced(skin_of(avatar), geometry.head, geometry.vertices(), height)


def folded_albedo(folds: Wrinkles, skin: Material) -> Tensor:
    """Diffuse albedo [1,R,R,3] with the shade of folds that are compressed in full."""
    return skin.diffuse_albedo * resized(folds.shade.exp(), skin.diffuse_albedo.shape[1])


def _sized(maps: Tensor, size: int | None) -> NDArray[np.float32]:
    """A map [1,R,R,C] at another size, [size,size,C]."""
    array: NDArray[np.float32] = resized(maps, size or maps.shape[1])[0].cpu().numpy()
    return array


def packed_masks(masks: Tensor) -> list[NDArray[np.float32]]:
    """Masks [N,R,R] four to a picture, [R,R,4] each; channels that are left over are 0."""
    pixels = masks.movedim(0, -1).cpu().numpy()
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, -len(masks) % len(CHANNELS))))
    return np.split(pixels, pixels.shape[-1] // len(CHANNELS), axis=-1)


def mask_file(index: int) -> str:
    """The name of one picture of masks."""
    return f"wrinkle_masks_{index}.png"


def describe_regions(wrinkles: Wrinkles, geometry: Geometry) -> dict[str, Any]:
    """JSON-ready table: for each region its file, its channel, and the amount of compression (above
    0) or stretch (below) that each ARKit shape in full causes there."""
    table = region_table(wrinkles, geometry).tolist()
    names = geometry.head.expression_names
    return {
        region: {
            "mask": mask_file(index // len(CHANNELS)),
            "channel": CHANNELS[index % len(CHANNELS)],
            "shapes": {
                name: round(value, 3)
                for name, value in zip(names, row, strict=True)
                if abs(value) >= _SMALLEST
            },
        }
        for index, (region, row) in enumerate(zip(REGIONS, table, strict=True))
    }


def describe_detail(avatar: Exportable) -> dict[str, Any]:
    """What `fit.json` and `fitme_export.json` say of the files: millimetres of the displacement,
    and of folds "amount_range" and "regions"."""
    out: dict[str, Any] = {}
    if skin_of(avatar).normal is not None:
        out["displacement"] = {"millimetres_per_unit": DISPLACEMENT_MM, "middle": 0.5}
    if avatar.wrinkles is not None:
        out["wrinkles"] = {
            "amount_range": [-1.0, DEEPEST],
            "regions": describe_regions(avatar.wrinkles, avatar.geometry),
        }
    return out
