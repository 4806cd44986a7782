"""Synthetic faces against real ones: `python -m fitme.models.train.synth_compare --data DIR`.

Renders of drawn faces and the portraits of `DIR/portraits` are measured alike: MediaPipe finds the
landmarks, patches beside them give CIELab medians. The table lists 10th, 50th and 90th percentile
of tone, of the contrasts within a face (which the light changes less than the colours) and of
fine detail. `--figure` writes a sheet of portraits over renders. The portraits' light is warm
and unknown and most sitters are light-skinned men above 40, so the absolute tones should differ;
the contrasts should not differ much.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel, load_head
from fitme.image.color import (
    individual_typology_angle,
    linear_to_lab,
    linear_to_srgb,
    srgb_to_linear,
)
from fitme.image.photo import Photo, load_photo
from fitme.landmarks.face import FaceLandmarks
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.models.train.synthesizer import Draw, Synthesizer
from fitme.render import Material, Mesh, render
from fitme.render.camera import perspective
from fitme.render.light import Light
from fitme.runtime.errors import FitmeError

SIZE = (550, 450)  # renders, height and width: twice the portraits
# Pairs of MediaPipe landmarks whose middle is the centre of a patch.
PATCHES = {
    "cheek": ((50, 50), (280, 280)),
    "forehead": ((151, 108), (151, 337)),
    "nose": ((4, 4), (4, 4)),
    "upper lip": ((0, 12), (37, 38), (267, 268)),
    "lower lip": ((15, 16), (16, 86), (16, 316)),
    "brow": ((105, 52), (66, 65), (334, 282), (296, 295)),
    "under eye": ((119, 101), (348, 330)),
    "chin": ((199, 199), (200, 200)),
}
ROWS = (
    "cheek L*", "cheek a*", "cheek b*", "cheek ITA", "forehead-cheek L*", "forehead-cheek a*",
    "nose-cheek L*", "nose-cheek a*", "chin-cheek L*", "chin-cheek a*",
    "upper lip-cheek L*", "upper lip-cheek a*", "upper lip-cheek b*",
    "lower lip-cheek L*", "lower lip-cheek a*", "lower lip-cheek b*",
    "brow-forehead L*", "under eye-cheek L*", "under eye-cheek a*", "left-right L*", "detail L*",
)  # fmt: skip


def _patch(lab: Tensor, points: Tensor, pairs: tuple[tuple[int, int], ...], r: float) -> Tensor:
    """Median L*, a*, b* of disks of radius r pixels, averaged over the patches."""
    rows = torch.arange(lab.shape[0])[:, None] + 0.5
    columns = torch.arange(lab.shape[1])[None] + 0.5
    found = []
    for a, b in pairs:
        x, y = (points[a] + points[b]) / 2
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= r * r
        if inside.any():
            found.append(lab[inside].median(0).values)
    return torch.stack(found).mean(0) if found else lab.new_full((3,), torch.nan)


def measure(pixels: Tensor, face: FaceLandmarks) -> dict[str, float]:
    """The rows of the table for one picture [H,W,3] linear."""
    lab = linear_to_lab(pixels)
    points, eyes = face.points, face.interocular
    radius = {name: 0.05 * eyes for name in PATCHES} | {
        "cheek": 0.10 * eyes, "forehead": 0.10 * eyes, "brow": 0.035 * eyes,
        "upper lip": 0.03 * eyes,
    }  # fmt: skip
    patch = {n: _patch(lab, points, pairs, radius[n]) for n, pairs in PATCHES.items()}
    sides = [_patch(lab, points, (pair,), radius["cheek"])[0] for pair in PATCHES["cheek"]]
    out = {f"cheek {n}": float(v) for n, v in zip(("L*", "a*", "b*"), patch["cheek"], strict=True)}
    out["cheek ITA"] = float(torch.rad2deg(torch.atan2(patch["cheek"][0] - 50, patch["cheek"][2])))
    for row in ROWS:
        if "-" not in row or row == "left-right L*":
            continue
        pair, channel = row.rsplit(" ", 1)
        one, two = pair.split("-")
        index = ("L*", "a*", "b*").index(channel)
        out[row] = float(patch[one][index] - patch[two][index])
    out["left-right L*"] = abs(float(sides[0] - sides[1]))
    out["detail L*"] = _detail(lab[..., 0], points, eyes)
    return out


def _detail(light: Tensor, points: Tensor, eyes: float) -> float:
    """Standard deviation of L* finer than a tenth of the interocular distance on the cheeks, at a
    common scale of 60 pixels between the eyes."""
    scale = 60 / eyes
    image = F.interpolate(
        light[None, None], scale_factor=scale, mode="bilinear", antialias=True,
        recompute_scale_factor=False,
    )  # fmt: skip
    fine = image - F.avg_pool2d(image, 7, stride=1, padding=3)
    found = []
    for index in (50, 280):
        x, y = (points[index] * scale).long().tolist()
        found.append(fine[0, 0, max(y - 6, 0) : y + 7, max(x - 6, 0) : x + 7].std())
    return float(torch.stack(found).mean())


def portraits(folder: Path, count: int) -> Iterator[Photo]:
    """Evenly spaced colour portraits."""
    paths = sorted(folder.glob("*.jpg"))
    for path in paths[:: max(1, len(paths) // count)]:
        photo = load_photo(path)
        if not photo.was_gray:
            yield photo.resized(2 * photo.width, 2 * photo.height)


def eye_material(head: HeadModel, iris: tuple[float, float, float]) -> Material:
    """A plain eye: the atlas of the model's eyeballs has the pupil in its middle."""
    size = 128
    texels = (torch.arange(size) + 0.5) / size - 0.5
    radius = (texels[None].square() + texels[:, None].square()).sqrt()
    # The iris reaches to about 0.066 of the tile, see the geometry of part eye_L.
    ring = smoothstep(0.070, 0.064, radius)[..., None]
    pupil = smoothstep(0.027, 0.023, radius)[..., None]
    tex = torch.lerp(torch.tensor([0.52, 0.48, 0.45]), torch.tensor(iris), ring)
    tex = torch.lerp(tex, torch.full((3,), 0.004), pupil)
    return Material(tex[None], torch.full((1, 1, 1, 1), 0.04), None, 0.08)


def picture(
    head: HeadModel, draw: Draw, index: int, light: Light, yaw: float = 0.0, seed: int | None = None
) -> Tensor:
    """One drawn face on a head of random shape (the mean one without a seed), [H,W,3] linear."""
    generator = torch.Generator().manual_seed(seed or 0)
    shape = torch.randn(1, head.identity.shape[0], generator=generator) * (seed is not None)
    iris = ((0.10, 0.05, 0.025), (0.05, 0.03, 0.02), (0.10, 0.14, 0.17))[(seed or 0) % 3]
    plain = {
        "mouth": (0.2, 0.06, 0.05), "teeth": (0.55, 0.52, 0.45), "tongue": (0.35, 0.14, 0.12),
    }  # fmt: skip
    at = slice(index, index + 1)
    skin = Material(draw.diffuse_albedo[at], draw.specular_albedo[at], draw.normal[at], 0.48)
    eye = eye_material(head, iris)
    materials = [
        skin if name == "head" else eye if name.startswith("eye") else
        Material.plain(plain.get(name, (0.3, 0.3, 0.3)))
        for name in head.part_names
    ]  # fmt: skip
    mesh = Mesh(
        head.shape(0.8 * shape), head.triangles, head.uv, head.uv_triangles, head.part,
        head.occlusion,
    )  # fmt: skip
    target = torch.tensor([[0.0, 0.0, 0.05]])
    angle = torch.deg2rad(torch.tensor(yaw))
    offset = torch.stack([angle.sin(), torch.tensor(0.0), angle.cos()])[None]
    camera = perspective(target + 0.9 * offset, target, 21.0, *SIZE)
    grey = torch.full((1, 1, 1, 3), 0.18)
    return render(mesh, materials, camera, light, background=grey).color[0]


def compare(data: Path, count: int, resolution: int, seed: int) -> tuple[str, list[np.ndarray]]:
    """The table as text, and the two rows of the figure."""
    head = load_head()
    finder = MediaPipeLandmarks()
    synthesizer = Synthesizer(head, resolution)
    generator = torch.Generator().manual_seed(seed)
    light = Light.preset("studio")
    real: list[dict[str, float]] = []
    made: list[dict[str, float]] = []
    shown: list[list[np.ndarray]] = [[], []]
    for photo in portraits(data / "portraits", count):
        _measure_into(real, shown[0], photo, finder)
    for index in range(count):
        pixels = picture(head, synthesizer.draw(1, generator), 0, light, seed=seed + index)
        photo = Photo(Path(f"draw {index}"), pixels.clamp(0, 1))
        _measure_into(made, shown[1], photo, finder)
    lines = [f"{len(real)} portraits, {len(made)} draws; percentiles 10 / 50 / 90"]
    for row in ROWS:
        cells = []
        for values in (real, made):
            column = np.array([value[row] for value in values])
            cells.append(" ".join(f"{v:7.1f}" for v in np.nanpercentile(column, (10, 50, 90))))
        lines.append(f"{row:22s} portraits {cells[0]}   draws {cells[1]}")
    return "\n".join(lines), [np.concatenate(row[:10], 1) for row in shown if row]


def _measure_into(
    rows: list[dict[str, float]], shown: list[np.ndarray], photo: Photo, finder: MediaPipeLandmarks
) -> None:
    try:
        faces = finder.detect(photo)
    except FitmeError:
        return
    if faces:
        rows.append(measure(photo.pixels, faces[0]))
        image = linear_to_srgb(photo.pixels.clamp(0, 1))
        small = Image.fromarray((image * 255).byte().numpy()).resize((180, 220))
        shown.append(np.asarray(small))


def skins(data: Path) -> str:
    """Tone of the two Reom skins and the strength of their detail per octave, against a draw of
    like tone. Their atlas is taken to be 560 mm wide (the head's girth), the draw's texels are
    known."""
    lines = ["skins: mean ITA; standard deviation of L* per octave of wavelength (mm)"]
    synthesizer = Synthesizer(load_head(), 1024)
    octaves = (2.0, 4.0, 8.0, 16.0)
    for name in ("reom_light_albedo.jpg", "reom_dark_albedo.jpg"):
        with Image.open(data / "skins" / name) as file:
            texture = np.asarray(file.convert("RGB").resize((2048, 2048), Image.Resampling.BOX))
        linear = srgb_to_linear(torch.from_numpy(texture.copy()).float() / 255)
        cheek = linear[800:1000, 760:900]
        ita = float(individual_typology_angle(cheek).mean())
        lines.append(_octave_line(name, cheek, 560 / 2048, octaves, ita))
        parameters = synthesizer.draw(4, seed=1).parameters
        parameters[:, synthesizer.names.index("tone")] = (ita + 50) / 110
        draw = synthesizer.render(parameters, 1)
        cheek = synthesizer.anatomy.regions["cheek"] * (synthesizer.anatomy.atlas.xyz[..., 0] > 0)
        row, column = divmod(int(cheek.argmax()), 1024)
        window = slice(row - 50, row + 50), slice(column - 50, column + 50)
        texel = float(synthesizer.anatomy.atlas.texel_mm[window].mean())
        for image in draw.diffuse_albedo[:2]:
            tone = float(individual_typology_angle(image[window]).mean())
            lines.append(_octave_line("  draw", image[window], texel, octaves, tone))
    return "\n".join(lines)


def _octave_line(
    name: str, linear: Tensor, texel: float, octaves: tuple[float, ...], ita: float
) -> str:
    light = linear_to_lab(linear)[None, None, ..., 0]
    parts = []
    for wavelength in octaves:
        pair = [max(1, 2 * round(wavelength * k / texel / 2) + 1) for k in (0.35, 0.7)]
        fine, coarse = (F.avg_pool2d(light, k, stride=1, padding=k // 2) for k in pair)
        edge = pair[1]
        parts.append(float((fine - coarse)[..., edge:-edge, edge:-edge].std()))
    return f"{name:24s} {ita:6.1f}  " + "  ".join(
        f"{w:g}: {v:.2f}" for w, v in zip(octaves, parts, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="PNG with portraits above renders")
    arguments = parser.parse_args()
    table, rows = compare(
        arguments.data, arguments.count, arguments.resolution, arguments.seed
    )  # fmt: skip
    print(table)
    print(skins(arguments.data))
    if arguments.figure:
        width = min(row.shape[1] for row in rows)
        Image.fromarray(np.concatenate([row[:, :width] for row in rows])).save(arguments.figure)


if __name__ == "__main__":
    main()
