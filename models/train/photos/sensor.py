"""What lenses, sensors and phones do to a picture on its way to a file."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch

from fitme.image.color import linear_to_srgb
from fitme.models.train.photos.pictures import packed_jpeg, unpacked

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG has it
Image = np.ndarray  # [H,W,3] float32


def develop(linear: Image, rng: np.random.Generator) -> np.ndarray:
    """[H,W,3] linear -> [H,W,3] uint8 sRGB, blurred, noisy, toned, sharpened, compressed."""
    image = np.ascontiguousarray(linear, dtype=np.float32).clip(0, 8)
    image = _soft(image, rng)
    image = _vignetted(image, rng)
    image = _noisy(image, rng)
    shown = linear_to_srgb(torch.from_numpy(_rolled_off(image, rng))).numpy()
    shown = _toned(shown, rng)
    shown = _smoothed_or_sharpened(shown, rng)
    if rng.random() < 0.10:
        gray = shown @ LUMA
        shown = np.repeat(gray[..., None], 3, -1) * _sepia(rng)
    return _compressed((shown.clip(0, 1) * 255).round().astype(np.uint8), rng)


def _soft(image: Image, rng: np.random.Generator) -> Image:
    """Defocus, motion, and pictures that were small once."""
    chance = rng.random()
    if chance < 0.45:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.8))
    if chance < 0.60:
        return cv2.GaussianBlur(image, (0, 0), rng.gamma(2.0, 0.6) + 0.4)
    if chance < 0.66:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        angle, middle = rng.uniform(0, math.pi), (length - 1) / 2
        for step in np.linspace(-middle, middle, 4 * length):
            x, y = middle + step * math.cos(angle), middle + step * math.sin(angle)
            kernel[round(y), round(x)] += 1
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    if chance < 0.78:
        small = max(int(image.shape[0] * rng.uniform(0.25, 0.7)), 16)
        low = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        way = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        return cv2.resize(low, image.shape[1::-1], interpolation=way).clip(0)
    return image


def _vignetted(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() > 0.2:
        return image
    side = image.shape[0]
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    radius = (axis[:, None] - rng.normal(0, 0.1)) ** 2 + (axis - rng.normal(0, 0.1)) ** 2
    return image * (1 - np.float32(rng.uniform(0.2, 0.9)) * radius)[..., None]


def _noisy(image: Image, rng: np.random.Generator) -> Image:
    """Shot and read noise; correlated where a phone has smoothed it."""
    strong = 8.0 if rng.random() < 0.12 else 1.0
    shot, read = 0.0002 * strong * rng.gamma(1.5, 1.0), 0.0008 * strong * rng.gamma(1.5, 1.0)
    noise = rng.standard_normal(image.shape).astype(np.float32)
    if rng.random() < 0.4:
        sigma = rng.uniform(0.5, 1.2)
        noise = cv2.GaussianBlur(noise, (0, 0), sigma) * np.float32(2 * sigma)
    return image + noise * np.sqrt(shot * image.clip(0) + read**2).astype(np.float32)


def _rolled_off(image: Image, rng: np.random.Generator) -> Image:
    """Highlights: cut hard, or with a shoulder as cameras draw it."""
    if rng.random() < 0.4:
        return image.clip(0, 1)
    knee = np.float32(rng.uniform(0.5, 0.85))
    over = (image - knee).clip(0) / (1 - knee)
    return np.where(image > knee, knee + (1 - knee) * (1 - np.exp(-over)), image.clip(0))


def _toned(shown: Image, rng: np.random.Generator) -> Image:
    """Contrast, saturation, white balance."""
    contrast, pivot = np.exp(rng.normal(0.06, 0.11)), rng.uniform(0.35, 0.55)
    shown = (shown - pivot) * contrast + pivot + rng.normal(0, 0.02)
    gray = shown.mean(-1, keepdims=True)
    shown = gray + (shown - gray) * np.exp(rng.normal(0.22, 0.2))
    warm = rng.normal(0, 0.03) * np.array([1, 0.1, -1]) + rng.normal(0, 0.01, 3)
    return (shown * np.exp(warm)).astype(np.float32)


def _smoothed_or_sharpened(shown: Image, rng: np.random.Generator) -> Image:
    chance = rng.random()
    if chance < 0.35:
        blurred = cv2.GaussianBlur(shown, (0, 0), rng.uniform(0.6, 1.6))
        return shown + np.float32(rng.uniform(0.2, 1.2)) * (shown - blurred)
    if chance < 0.42:  # a beauty filter
        return cv2.bilateralFilter(shown, 7, 0.08, rng.uniform(2, 5))
    return shown


def _sepia(rng: np.random.Generator) -> np.ndarray:
    tint = np.array([0.08, 0.0, -0.1]) * (rng.uniform(0, 1) if rng.random() < 0.3 else 0.0)
    return np.exp(tint).astype(np.float32)


def _compressed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.25:
        return pixels
    quality = int(rng.uniform(35, 96))
    return unpacked(packed_jpeg(pixels, quality))
