"""Detail that moves: what the folds of an expression leave in the maps of a neutral head.

    python -m benchmarks.detail --people 4 --ict ../shared/data/ict_face --out out/detail
    python -m benchmarks.detail --photos ../shared/data/photos
    python -m benchmarks.detail --people 4 --only person_00 --ablation --preset fast

Made people (`expressive_heads.py`) are fitted from their photo at rest and, apart, from one with
folds; the neutral heads of both fits are held against the truth. Photos of real people, each
fitted alone, are held against each other (`same_person.py`). A sheet per person shows both photos,
the true neutral head and the two fitted ones in studio light, and the three albedos.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.detail_ablation import CASES, ablated, surface_mm
from benchmarks.expressive_heads import ExpressivePerson, make_people
from benchmarks.fold_measures import Folds, log_luminance
from benchmarks.neutral_head import aligned, neutral_numbers
from benchmarks.quality import Bench, Row, Subject
from benchmarks.same_person import compare_photos
from benchmarks.sheets import labelled
from fitme.avatar.model import Avatar
from fitme.fit.settings import choose_preset, override
from fitme.fit.visibility import sample, texel_pixels
from fitme.image.photo import load_photo
from fitme.reflectance.atlas import averaged, bake_vertex_field, resized
from fitme.reflectance.regions import AtlasRegions
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, over, to_bytes
from fitme.runtime.errors import FitmeError
from fitme.runtime.memory import keep_large_blocks

TEXELS = 256  # of the maps in which folds are measured, about 1 mm each
PANEL = 320  # pixels of a picture in a sheet
MORE_IS_BETTER = ("dB", "displacement")  # measures whose smallest value is the worst


def folds_of(
    person: ExpressivePerson, regions: AtlasRegions, vertices: Tensor, camera: Camera
) -> Folds:
    """What the folds did to the expressive photo, on the atlas of the posed head [1,V,3] that a
    camera lays on that photo: the true ones, or a fit's, which say where it painted what."""
    seen, head = person.expressive, person.expressive.avatar.head
    with_folds = person.worn.render(seen.camera, seen.light, seen.posed)
    without = seen.picture()
    shading = log_luminance(with_folds.color) - log_luminance(without.color)
    grid = without.uv_points[None, None] * 2 - 1
    at = F.grid_sample(person.folds[None, None], grid, align_corners=False)[0, 0, 0]
    height = without.image((at * (without.part_points == head.skin.index))[:, None])
    pixels, weight = texel_pixels(head, vertices, camera, TEXELS)
    both = sample(torch.cat([shading[..., None], height], -1), pixels)[0]
    skin = regions.skin * (1 - regions.marked)
    shown = weight[0] * resized(skin[None, ..., None], TEXELS)[0, ..., 0].clamp(0, 1)
    positions = bake_vertex_field(head, seen.neutral[0] * 1000, TEXELS)
    return Folds.of(positions, both[..., 1], both[..., 0], shown)


def laid(subject: Subject) -> tuple[Tensor, Camera]:
    """The posed head [1,V,3] and the camera with which a fit explains its photo."""
    return subject.avatar.posed(), subject.avatar.photos[0].view.camera()


def displacement(avatar: Avatar) -> Tensor | None:
    """The height [R,R] in metres that the avatar's wrinkles have in its photo; None for an avatar
    without."""
    wrinkles = avatar.wrinkles
    if wrinkles is None:
        return None
    return wrinkles.height(wrinkles.amount(avatar.head, avatar.neutral(), avatar.posed(0)))[0]


def numbers(
    person: ExpressivePerson, rest: Subject, smile: Subject, unfolded: Subject | None = None
) -> Row:
    """Errors of the neutral heads fitted from both photos of one person, and what of the folds is
    in the albedo: `fold share` of the second fit where it laid the photo, `true place` where the
    folds are in truth; `by rest` and `unfolded` of fits from photos without any folds, which
    should be nought. Errors of whole faces follow light and camera of a photo more than its folds:
    what folds alone do is `smile` against `unfolded`, where all else is the same."""
    regions = smile.session.regions
    row: Row = {}
    heads = {"rest": rest, "smile": smile} | ({"unfolded": unfolded} if unfolded else {})
    found = {k: neutral_numbers(v.avatar, regions, person.neutral) for k, v in heads.items()}
    for name, plain in found["rest"].items():
        row |= {f"{name}, {k}": values[name] for k, values in found.items()}
        folded = found["smile"][name]
        if name.endswith("dB"):
            row[f"{name}, lost"] = plain - folded
        elif name != "ITA off":  # has a sign and may be nought
            row[f"{name}, ratio"] = folded / max(plain, 1e-6)
    seen = person.expressive
    truth, albedo, other = (
        averaged(avatar.skin.diffuse_albedo, TEXELS)[0]
        for avatar in (seen.avatar, smile.avatar, rest.avatar)
    )
    painted = folds_of(person, regions, *laid(smile))
    row["fold share"] = painted.share_in_albedo(albedo, truth)
    placed = folds_of(person, regions, seen.posed, seen.camera)
    row["fold share, true place"] = placed.share_in_albedo(albedo, truth)
    row["fold share, by rest"] = placed.share_in_albedo(other, truth)
    row["albedo in folds"] = painted.albedo_error(albedo, truth)
    if unfolded is not None:
        clean = averaged(unfolded.avatar.skin.diffuse_albedo, TEXELS)[0]
        same = folds_of(person, regions, *laid(unfolded))
        row["fold share, unfolded"] = same.share_in_albedo(clean, truth)
        row["albedo in folds, unfolded"] = same.albedo_error(clean, truth)
    height = displacement(smile.avatar)
    if height is not None:
        small = averaged(height[None, ..., None], TEXELS)[0, ..., 0]
        row["displacement"] = painted.height_correlation(small)
    return row | {f"seconds, {k}": sum(one.log.seconds.values())
                  for k, one in (("rest", rest), ("smile", smile))}  # fmt: skip


def table(rows: dict[str, Row]) -> None:
    """A line per measure, a column per person, median and worst."""
    print(f"{'':27s}" + "".join(f"{name:>11s}" for name in [*rows, "median", "worst"]))
    for name in next(iter(rows.values())):
        values = np.array([row[name] for row in rows.values()])
        middle, worst = middle_and_worst(name, values)
        cells = [*values, middle, worst]
        print(f"{name:27s}" + "".join(f"{value:11.3f}" for value in cells), flush=True)


def middle_and_worst(name: str, values: np.ndarray) -> tuple[float, float]:
    """Median and worst of a measure's values [N]; of what has a sign, of its absolute value."""
    if "lost" in name:
        return float(np.median(values)), float(values.max())
    if any(word in name for word in MORE_IS_BETTER):
        return float(np.median(values)), float(values.min())
    if name.startswith("ITA"):
        return float(np.median(np.abs(values))), float(values[np.abs(values).argmax()])
    return float(np.median(values)), float(values[np.abs(values).argmax()])


def sheet(person: ExpressivePerson, rest: Subject, smile: Subject) -> np.ndarray:
    """Photos at rest and with folds, true neutral head and the two fitted ones in studio light |
    height of the folds, their dark cavities, true albedo and the two fitted ones."""
    known, studio = person.neutral, Light.preset("studio")
    camera = known.camera.resized(PANEL, PANEL)
    pictures = [_photo(known.photo), _photo(person.expressive.photo)]
    heads = [(known.avatar, known.neutral)]
    heads += [(one.avatar, aligned(one.avatar.neutral(), known.neutral, known.avatar.head))
              for one in (rest, smile)]  # fmt: skip
    pictures += [
        over(avatar.render(camera, studio, vertices, shadows=True), BACKDROP)
        for avatar, vertices in heads
    ]
    height = resized(person.folds[None, ..., None], PANEL)[0]
    shade = person.worn.skin.diffuse_albedo / known.avatar.skin.diffuse_albedo
    maps = [(0.2 + 0.2 * height).expand(-1, -1, 3), resized(shade, PANEL)[0] ** 3 * 0.5]
    maps += [resized(avatar.skin.diffuse_albedo, PANEL)[0] for avatar, _ in heads]
    shown = [to_bytes(panel.clamp(0, 1)) for panel in (*pictures, *maps)]
    return np.concatenate([np.concatenate(row, 1) for row in (shown[:5], shown[5:])])


def _photo(path: Path) -> Tensor:
    """[PANEL,PANEL,3] linear."""
    return resized(load_photo(path).pixels[None], PANEL)[0]


def run_people(bench: Bench, people: list[ExpressivePerson], out: Path, control: bool) -> None:
    rows: dict[str, Row] = {}
    for person in people:
        try:
            paths = [person.neutral.photo, person.expressive.photo]
            paths += [person.unfolded] * control
            fits = [bench.fit([path]) for path in paths]
        except FitmeError as problem:
            print(f"{person.name}: {problem}", flush=True)
            continue
        rows[person.name] = numbers(person, *fits)
        line = "  ".join(f"{key} {value:.3g}" for key, value in rows[person.name].items())
        print(f"{person.name}: {line}", flush=True)
        picture = labelled(sheet(person, *fits[:2]), person.name)
        Image.fromarray(picture).save(out / f"{person.name}.png")
    if rows:
        table(rows)


def run_ablation(bench: Bench, people: list[ExpressivePerson]) -> None:
    """A table per person, a column per case."""
    for person in people:
        rows: dict[str, Row] = {}
        for name, fit in ablated(bench, person, list(CASES)):
            found = numbers(person, fit, fit)
            row = {key.removesuffix(", smile"): value for key, value in found.items()
                   if key.endswith(", smile") or "," not in key}  # fmt: skip
            seen = fit.photo_numbers()
            rows[name] = row | {"surface mm": surface_mm(fit, person)}
            rows[name] |= {"photo dB": seen["psnr"], "photo SSIM": seen["ssim"]}
            line = "  ".join(f"{key} {value:.3g}" for key, value in rows[name].items())
            print(f"{person.name}, {name}: {line}", flush=True)
        print(person.name)
        columns(rows)


def columns(rows: dict[str, Row]) -> None:
    """A line per measure, a column per case; a measure that a case has not is left out."""
    print(f"{'':18s}" + "".join(f"{name:>16s}" for name in rows))
    for name in next(iter(rows.values())):
        cells = [f"{row[name]:16.3f}" if name in row else " " * 16 for row in rows.values()]
        print(f"{name:18s}" + "".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=0, help="number of made people")
    parser.add_argument("--control", action="store_true", help="fit the photo without folds too")
    parser.add_argument("--ablation", action="store_true", help="without one part at a time")
    parser.add_argument("--seed", type=int, default=0, help="other people")
    parser.add_argument("--ict", type=Path, help="folder of ict_face.npz, for unknown shapes")
    parser.add_argument("--kept", type=Path, help="folder of made people; by default OUT/people")
    parser.add_argument("--photos", type=Path, help="folder of photos, several of a person")
    parser.add_argument("--only", nargs="*", help="names of people, letters or stems of photos")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/detail"))
    args = parser.parse_args()
    keep_large_blocks()
    settings = override(choose_preset(args.preset), dict(item.split("=") for item in args.set))
    bench = Bench(settings, args.size, args.weights)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.people:
        folder = args.kept or args.out / "people"
        people = make_people(bench.models.head, folder, args.people, args.ict, args.seed)
        chosen = [p for p in people if not args.only or p.name in args.only]
        if args.ablation:
            run_ablation(bench, chosen)
        else:
            run_people(bench, chosen, args.out, args.control)
    if args.photos:
        compare_photos(bench, args.photos, args.only)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
