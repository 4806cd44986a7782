"""The pictures of a report: a photo beside its avatar, other sides, other lights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, haired, posed_vertices, relit
from fitme.image.color import linear_to_srgb, luminance, srgb_to_linear
from fitme.image.photo import Photo
from fitme.reflectance.regions import AtlasRegions
from fitme.render import Material
from fitme.render.camera import Camera
from fitme.render.light import PRESETS, Light
from fitme.render.picture import over, to_bytes
from fitme.report.evidence import Evidence
from fitme.report.overlay import head_window, wire
from fitme.report.photos import PhotoCut, window_pixels
from fitme.report.views import folded

YAWS = (-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0)
LARGEST_DIFFERENCE = 0.25  # display units; the end of the heat map
STRIP_TEXELS = 512
BACKDROP = 0.035  # linear grey behind the heads of the strips
REGION_TEXELS = 128
# From dark over violet and orange to light, even in lightness (after matplotlib's inferno).
HEAT = (
    (0.00, 0.00, 0.02), (0.16, 0.04, 0.33), (0.40, 0.08, 0.43), (0.66, 0.18, 0.37),
    (0.88, 0.34, 0.20), (0.98, 0.60, 0.08), (0.96, 0.92, 0.55),
)  # fmt: skip

Pixels = NDArray[np.uint8]
Strip = list[tuple[str, Pixels]]  # captions and pictures


@dataclass(frozen=True)
class PhotoPanels:
    """Square uint8 pictures [S,S,3] of one photo, and what they measure on the face."""

    photo: Pixels
    wire: Pixels
    render: Pixels
    difference: Pixels
    mask: Pixels | None  # None where the fit's mask is not at hand
    mean_difference: float | None  # display units, over the trusted part of the face
    # dB, likewise; both None without the mask, as hair would count as error, or where it is empty
    psnr: float | None
    masked: float | None  # share of the face that the fit did not trust


def photo_panels(
    avatar: Avatar,
    photo: Photo | PhotoCut,
    index: int = 0,
    evidence: Evidence | None = None,
    size: int = 512,
    regions: AtlasRegions | None = None,
) -> PhotoPanels:
    """Photo `index` of an avatar, as it is and as the avatar explains it, `size` pixels a side.

    `regions` may be given where there are several photos, as making them takes a while.
    """
    seen = avatar.photos[index]
    whole, window = seen.view.camera(), head_window(avatar, index, size)
    pixels = window_pixels(photo, whole, window).clamp(0, 1)
    posed = avatar.posed(index)
    out = avatar.render(window, seen.light, posed, hair=False)
    drawn = over(out, pixels)  # the face is compared as it is, whatever hangs over it
    dressed = over(haired(avatar, out, window, seen.light, posed), pixels)
    wanted, got = linear_to_srgb(pixels), linear_to_srgb(drawn.clamp(0, 1))
    if photo.was_gray:
        wanted, got = (linear_to_srgb(luminance(v.clamp(0, 1)))[..., None] for v in (pixels, drawn))
    miss = (wanted - got).abs()
    regions = AtlasRegions(avatar.head, REGION_TEXELS) if regions is None else regions
    texel = (out.uv[0] * len(regions.skin)).long().clamp(0, len(regions.skin) - 1)
    face = regions.skin[texel[..., 1], texel[..., 0]] * (out.part[0] == avatar.head.skin.index)
    inside = _inside_photo(whole, window) * (out.alpha[0, ..., 0] > 0.99) * face
    trusted = torch.ones_like(inside) if evidence is None else evidence.in_window(whole, window)
    measured = _measure(miss, inside, None if evidence is None else trusted)
    grey = luminance(pixels)[..., None].expand_as(pixels)
    covered = out.alpha[0].clamp(0, 1)
    dim = 0.25 * grey
    return PhotoPanels(
        photo=to_bytes(pixels),
        wire=to_bytes(wire(out, pixels)),
        render=to_bytes(dressed),
        difference=to_bytes(torch.lerp(dim, srgb_to_linear(_heat(miss.mean(-1))), covered)),
        mask=None if evidence is None else to_bytes(_mask(pixels, trusted, face)),
        **measured,
    )


def _measure(miss: Tensor, inside: Tensor, trusted: Tensor | None) -> dict[str, float | None]:
    """mean_difference, psnr and masked from differences [H, W, C] and weights [H, W]."""
    found: dict[str, float | None] = dict.fromkeys(("mean_difference", "psnr", "masked"))
    if trusted is None or not float(inside.sum()):
        return found
    weight = inside * trusted
    total = weight.sum()
    found["masked"] = float(1 - total / inside.sum())
    if float(total) >= 1:  # less than a pixel says nothing
        square = float((miss.square().mean(-1) * weight).sum() / total)
        found["mean_difference"] = float((miss.mean(-1) * weight).sum() / total)
        found["psnr"] = -10 * math.log10(max(square, 1e-10))
    return found


def _inside_photo(whole: Camera, window: Camera) -> Tensor:
    """[H, W]: 1 where a window's pixel lies in the photo."""
    scale = whole.K[0, 0, 0] / window.K[0, 0, 0]
    x = (torch.arange(window.width) + 0.5 - window.K[0, 0, 2]) * scale + whole.K[0, 0, 2]
    y = (torch.arange(window.height) + 0.5 - window.K[0, 1, 2]) * scale + whole.K[0, 1, 2]
    within = [(v >= 0) & (v <= side) for v, side in ((y, whole.height), (x, whole.width))]
    return (within[0][:, None] & within[1][None]).float()


def _heat(values: Tensor) -> Tensor:
    """Differences [H, W] -> display-encoded colours [H, W, 3]."""
    table = values.new_tensor(HEAT)
    at = (values / LARGEST_DIFFERENCE).clamp(0, 1) * (len(table) - 1)
    low = at.long().clamp_max(len(table) - 2)
    return torch.lerp(table[low], table[low + 1], (at - low)[..., None])


def _mask(pixels: Tensor, trusted: Tensor, face: Tensor) -> Tensor:
    """The photo: natural where the face is trusted, orange where not, dim and grey elsewhere."""
    grey = luminance(pixels)[..., None].expand_as(pixels)
    warning = 0.35 * grey + pixels.new_tensor([0.62, 0.14, 0.01])
    shown = torch.lerp(warning, pixels, trusted[..., None])
    return torch.lerp(0.25 * grey, shown, face[..., None])


def yaw_strip(avatar: Avatar, size: int = 288, photo: int = 0) -> Strip:
    """(caption, picture [size,size,3]) of the head turned from side to side under studio light."""
    vertices = posed_vertices(avatar, photo)
    small = folded(reduced(avatar), vertices)
    strip = []
    for yaw in YAWS:
        camera = facing_camera(small, yaw, 0.0, size, photo)
        out = relit(small, camera, vertices, Light.preset("studio"))
        strip.append((f"{yaw:+.0f}°" if yaw else "0°", to_bytes(over(out, BACKDROP))))
    return strip


def light_strip(
    avatar: Avatar, size: int = 288, photo: int = 0, names: Sequence[str] = PRESETS
) -> Strip:
    """(caption, picture [size,size,3]) of the head under its photo's light and the presets."""
    vertices = posed_vertices(avatar, photo)
    small = folded(reduced(avatar), vertices)
    camera = facing_camera(small, -20.0, 0.0, size, photo)
    lights: list[tuple[str, Light | None]] = [(name, Light.preset(name)) for name in names]
    if avatar.photos:
        lights.insert(0, ("the photo's", None))
    return [
        (name, to_bytes(over(relit(small, camera, vertices, light, photo), BACKDROP)))
        for name, light in lights
    ]


def reduced(avatar: Avatar, texels: int = STRIP_TEXELS) -> Avatar:
    """The avatar with maps of at most `texels` a side: enough for small pictures, and faster."""

    def shrink(value: Tensor | float | None) -> Tensor | float | None:
        factor = max(value.shape[1:3]) // texels if isinstance(value, Tensor) else 1
        if not isinstance(value, Tensor) or factor < 2:
            return value
        return F.avg_pool2d(value.movedim(-1, 1), factor).movedim(1, -1).contiguous()

    made: dict[int, Material] = {}
    for material in avatar.materials:
        if id(material) not in made:
            maps = {name: shrink(value) for name, value in vars(material).items()}
            made[id(material)] = Material(**maps)  # type: ignore[arg-type]
    return replace(avatar, materials=tuple(made[id(m)] for m in avatar.materials))
