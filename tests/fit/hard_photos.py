"""Photos that give a fit little to go by, drawn over examples/astronaut.png.

The coordinates are those of the landmarks in that photo, 512 pixels a side.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

EYES = ((204, 102), (248, 104))
SKIN = (222, 172, 150)
MASK_BLUE = (150, 196, 222)
LENS = (12, 12, 14)
HAND = (205, 150, 126)


def _ovals(pixels: np.ndarray, radii: tuple[int, int], colour: tuple[int, int, int]) -> np.ndarray:
    for middle in EYES:
        cv2.ellipse(pixels, middle, radii, 2, 0, 360, colour, -1, cv2.LINE_AA)
    return pixels


def shut_eyes(pixels: np.ndarray) -> np.ndarray:
    """Skin-coloured lids, and a thin line of lashes."""
    _ovals(pixels, (14, 8), SKIN)
    for x, y in EYES:
        cv2.ellipse(pixels, (x, y), (9, 3), 2, 20, 160, (96, 62, 52), 1, cv2.LINE_AA)
    return pixels


def black_eyes(pixels: np.ndarray) -> np.ndarray:
    """Black ovals, no larger than the eyes."""
    return _ovals(pixels, (11, 6), (0, 0, 0))


def sunglasses(
    pixels: np.ndarray, lens: tuple[int, int, int] = LENS, glint: bool = False
) -> np.ndarray:
    """Dark lenses joined by a bridge, with side arms; with `glint` a window shines on them."""
    for (x, y), end in zip(EYES, (178, 273), strict=True):
        cv2.line(pixels, (x, y - 5), (end, y - 4), lens, 2, cv2.LINE_AA)
    cv2.line(pixels, (214, 99), (238, 100), lens, 3, cv2.LINE_AA)
    _ovals(pixels, (20, 14), lens)
    if glint:
        for x, y in EYES:
            corners = np.array([(x - 9, y - 7), (x - 2, y - 8), (x - 3, y - 1), (x - 9, y)])
            cv2.fillConvexPoly(pixels, corners, (190, 205, 220), cv2.LINE_AA)
    return pixels


def glinting_lenses(pixels: np.ndarray) -> np.ndarray:
    """Sunglasses of dark brown glass in which a window shines."""
    return sunglasses(pixels, (52, 34, 26), glint=True)


def mouth_mask(pixels: np.ndarray) -> np.ndarray:
    """A light-blue mask from the nose's back to below the chin, with bands to the ears."""
    shape = [(182, 122), (200, 119), (225, 111), (249, 122), (268, 127), (263, 158), (243, 178),
             (222, 183), (202, 176), (185, 155)]  # fmt: skip
    cv2.fillPoly(pixels, [np.array(shape)], MASK_BLUE, cv2.LINE_AA)
    for row in (136, 148, 160):
        cv2.line(pixels, (187, row), (263, row + 3), (126, 172, 202), 1, cv2.LINE_AA)
    return pixels


def hand(pixels: np.ndarray) -> np.ndarray:
    """A hand in the tone of the skin before the mouth: four fingers, and its back at the left."""
    for row, (x, y, length) in enumerate(
        ((178, 168, 70), (176, 158, 74), (178, 148, 72), (184, 139, 62))
    ):
        ends = (x, y), (x + length, y - 6 + 2 * row)
        cv2.line(pixels, *ends, (148, 108, 91), 14, cv2.LINE_AA)
        cv2.line(pixels, *ends, HAND, 11, cv2.LINE_AA)
    cv2.ellipse(pixels, (165, 170), (34, 40), 20, 0, 360, HAND, -1, cv2.LINE_AA)
    return pixels


def wink(pixels: np.ndarray) -> np.ndarray:
    """The person's left eye shut."""
    half = pixels.shape[1] * 225 // 512
    shut = shut_eyes(pixels.copy())
    pixels[:, half:] = shut[:, half:]
    return pixels


def statue(pixels: np.ndarray) -> np.ndarray:
    """Smooth pale stone without irises."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    stone = 110 + 0.5 * cv2.bilateralFilter(grey, 9, 40, 9)[..., None].astype(float)
    pixels = (stone * (1, 0.97, 0.91)).clip(0, 255).astype(np.uint8)
    return _ovals(pixels, (11, 6), (176, 171, 160))


def painting(pixels: np.ndarray) -> np.ndarray:
    """Dark strokes and even areas, on canvas."""
    strokes = cv2.stylization(pixels, sigma_s=30, sigma_r=0.3).astype(float)
    weave = np.random.default_rng(0).normal(0, 18, pixels.shape[:2])
    return (strokes + cv2.GaussianBlur(weave, (0, 0), 1.2)[..., None]).clip(0, 255).astype(np.uint8)


def cartoon(pixels: np.ndarray) -> np.ndarray:
    """A few colours with black outlines."""
    grey = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 5)
    line = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 9, 4)
    for _ in range(6):
        pixels = cv2.bilateralFilter(pixels, 9, 35, 9)
    levels = pixels // 40 * 36 + 20
    levels[line > 0] = (20, 20, 24)
    return levels.astype(np.uint8)


def heads_touching(pixels: np.ndarray) -> np.ndarray:
    """A second, smaller, mirrored person, whose hair touches that of the first."""
    pixels[38:218, 268:394] = cv2.resize(pixels[20:220, 289:149:-1], (126, 180))
    return pixels


def half_out(pixels: np.ndarray) -> np.ndarray:
    """The photo ends in the middle of the face."""
    return pixels[:, 225:]


def black(pixels: np.ndarray) -> np.ndarray:
    return np.zeros_like(pixels)


def white(pixels: np.ndarray) -> np.ndarray:
    return np.full_like(pixels, 255)


def night(pixels: np.ndarray) -> np.ndarray:
    """Three hundredths of the values, with noise."""
    noise = np.random.default_rng(0).normal(0, 1.5, pixels.shape)
    return (0.03 * pixels + noise).round().clip(0, 255).astype(np.uint8)


def plain(pixels: np.ndarray) -> np.ndarray:
    return pixels


def mirrored(pixels: np.ndarray) -> np.ndarray:
    """As the camera of a phone shows its owner."""
    return np.ascontiguousarray(pixels[:, ::-1])


HARD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": plain, "shut_eyes": shut_eyes, "black_eyes": black_eyes,
    "sunglasses": sunglasses, "glinting_lenses": glinting_lenses,
    "mouth_mask": mouth_mask, "hand": hand, "half_out": half_out,
    "black": black, "white": white, "night": night,
}  # fmt: skip


# What a face is found in without more ado, and something may have to be said about.
ODD: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": plain, "mirrored": mirrored, "wink": wink, "shut_eyes": shut_eyes, "hand": hand,
    "mouth_mask": mouth_mask, "statue": statue, "painting": painting, "cartoon": cartoon,
    "heads_touching": heads_touching,
}  # fmt: skip


def draw(kind: str, source: Path, target: Path) -> Path:
    """`source`, changed as `HARD` and `ODD` say, as the file `target`."""
    with Image.open(source) as picture:
        pixels = np.array(picture.convert("RGB"))
    Image.fromarray((HARD | ODD)[kind](pixels)).save(target)
    return target
