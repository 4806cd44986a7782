"""How good fits are: heads with known truth, photos, and what each part of the fit contributes.

    python -m benchmarks.quality --known 8 --ict ../shared/data/ict_face --out out/quality
    python -m benchmarks.quality --photos ../shared/data/photos --out out/quality
    python -m benchmarks.quality --known 4 --ablation --out out/ablation

Writes a contact sheet per subject (photo, overlay, render, mask, three maps, two relit views, yaw
25) and prints a table per case with medians. Known heads are made by `known_heads.py`.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.camera_error import field_of_view_deg, turn_error_deg
from benchmarks.known_heads import UNSEEN, KnownHead, make_heads
from benchmarks.likeness import likeness
from benchmarks.measures import (
    albedo_error,
    normal_angle,
    psnr,
    ssim,
    surface_error,
    typology_angle,
)
from benchmarks.sheets import labelled
from fitme.avatar.relight import facing_camera, posed_vertices, relit
from fitme.fit.faces import align_photos, encode_faces
from fitme.fit.log import RunLog
from fitme.fit.models import Models
from fitme.fit.observation import crop_size, cut, display, masks_of
from fitme.fit.pipeline import Fitted, fit_faces
from fitme.fit.settings import FitSettings, choose_preset, override
from fitme.head.model import HeadModel
from fitme.head.view import View
from fitme.image.color import srgb_to_linear
from fitme.image.photo import load_photo
from fitme.landmarks.select import select_face
from fitme.learned import load_identity
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, over, to_bytes
from fitme.report.overlay import head_window, photo_window, wire
from fitme.runtime.errors import FitmeError
from fitme.runtime.memory import keep_large_blocks

Row = dict[str, float]

ABLATIONS: dict[str, dict[str, str]] = {
    "full": {},
    "no tuning": {"tune.steps": "0"},
    "W+ instead": {"tune.wplus": "true"},
    "no relief": {"refine.relief": "false"},
    "no refinement": {"refine.on": "false"},
    "no tuning, no refinement": {"tune.steps": "0", "refine.on": "false"},
    "no specular": {"specular": "false"},
    "no normals": {"normals": "false"},
    "harmonics only": {"light.lamp_share": "0", "priors.lamp": "1000"},
    "no outlier mask": {"mask": "false"},
}


class Bench:
    """What all subjects share."""

    def __init__(self, settings: FitSettings, size: int, weights: Path | None) -> None:
        self.models = Models.load(weights=weights)
        self.settings, self.size = settings, size
        self.judge = load_identity(note=print, name="dlib")

    def fit(self, paths: Sequence[Path]) -> Subject:
        log = RunLog()
        with log.stage("photos"):
            seen = []
            for path in paths:
                photo = load_photo(path)
                seen.append((photo, select_face(self.models.landmarks.detect(photo), None, path)))
        seen = encode_faces(seen, self.models, self.settings)
        aligned = align_photos(seen, self.models.head, log=log)
        fitted = fit_faces(
            seen, aligned, self.models, size=self.size, settings=self.settings, log=log
        )
        return Subject(**vars(fitted))


@dataclass(frozen=True)
class Subject(Fitted):
    """A fit, measured and shown."""

    def photo_numbers(self, index: int = 0) -> Row:
        """PSNR and SSIM in the unmasked face, landmark error, share of the face masked."""
        seen, view = self.session.observations[index], self.avatar.photos[index].view
        size = crop_size([seen], 512)
        crops = cut([seen], size)
        frames = self.state.frames[index]
        camera = crops.camera(frames.rotation, frames.translation)
        posed = self.avatar.posed(index)
        out = self.avatar.render(camera, self.avatar.photos[index].light, posed, hair=False)
        face = self.session.skin(out)[0]
        trusted = self.trusted(index, size)
        gray = crops.gray
        own, photo = (linear(display(v, gray))[0] for v in (out.color, crops.pixels))
        points = view.camera().project(self.avatar.head.landmarks(posed))[0]
        miss = (points - seen.face.points).norm(dim=-1) / seen.face.scale
        return {
            "psnr": psnr(own, photo, face * trusted),
            "psnr all": psnr(own, photo, face),
            "ssim": ssim(own, photo, face * trusted),
            "landmark %": 100 * float(miss[self.avatar.head.landmark_weight > 0.1].mean()),
            "masked %": 100 * float(1 - (face * trusted).sum() / face.sum()),
            "seconds": sum(self.log.seconds.values()),
        }

    def trusted(self, index: int, size: int) -> Tensor:
        """The outlier mask [size,size]."""
        return masks_of(self.state.frames[index].trusted, size)[0]

    def strip(self, index: int = 0, size: int = 320) -> np.ndarray:
        """photo, overlay, render, mask, albedo | specular, normals, two relit views, yaw 25."""
        avatar, photo = self.avatar, self.photos[index]
        seen = avatar.photos[index]
        posed = avatar.posed(index)
        window = head_window(avatar, index, size)
        pixels = photo_window(photo, seen.view.camera(), window)
        out = avatar.render(window, seen.light, posed)
        square = cut([self.session.observations[index]], size)
        mask = F.interpolate(self.trusted(index, 128)[None, None], (size, size))[0, 0]
        masked = square.pixels[0] * (0.15 + 0.85 * mask[..., None])
        material = avatar.materials[0]
        panels = [pixels, wire(out, pixels), over(out, pixels), masked]
        panels += [small(material.diffuse_albedo, size)]
        panels += [small(material.specular_albedo * 6, size).expand(-1, -1, 3)]
        normal = small(material.normal, size) * 0.5 + 0.5
        panels += [linear(normal)]
        for yaw, light in ((-35.0, Light.preset("side")), (35.0, Light.preset("studio"))):
            panels.append(self.turned(yaw, light, size))
        panels.append(self.turned(25.0, None, size))
        shown = [to_bytes(F.relu(panel)) for panel in panels]
        rows = [np.concatenate(row, axis=1) for row in (shown[:5], shown[5:])]
        return np.concatenate(rows)

    def turned(self, yaw: float, light: Light | None, size: int) -> Tensor:
        avatar = self.avatar
        camera = facing_camera(avatar, yaw, 0.0, size)
        return over(relit(avatar, camera, posed_vertices(avatar), light), BACKDROP)


def known_numbers(subject: Subject, known: KnownHead) -> Row:
    """Errors against the truth: surface, mean head's surface, camera, albedo, tone, normals,
    relit."""
    avatar, head = subject.avatar, subject.avatar.head
    nose = int(head.mean[:, 2].argmax())
    triangles = head.triangles[head.part == 0]
    truth = known.neutral[0]
    own = known.avatar.materials[0].diffuse_albedo[0]
    fitted = small(avatar.materials[0].diffuse_albedo, own.shape[0])
    weight = F.interpolate(subject.session.regions.skin[None, None], own.shape[:2])[0, 0]
    error, albedo_psnr = albedo_error(fitted, own, weight)
    marked = F.interpolate(subject.session.regions.marked[None, None], own.shape[:2])[0, 0]
    bare = weight * (1 - marked)
    neutral = avatar.neutral()[0]
    row: Row = {
        "surface mm": surface_error(neutral, truth, triangles, nose),
        "mean head mm": surface_error(head.mean, truth, triangles, nose),
        **camera_numbers(avatar.photos[0].view, known, neutral, head),
        "albedo": error,
        "albedo dB": albedo_psnr,
        "ITA": typology_angle(own, bare),
        "ITA off": typology_angle(fitted, bare) - typology_angle(own, bare),
    }
    view = avatar.photos[0].view
    posed = avatar.geometry.vertices(view.expression, view.gaze)
    lights = {"photo": (avatar.photos[0].light, known.light)}
    lights |= {name: (Light.preset(name), Light.preset(name)) for name in UNSEEN}
    for name, (mine, true) in lights.items():
        a = avatar.render(view.camera(), mine, posed, hair=False)
        b = known.picture(true)
        face = subject.session.skin(b)[0] * (a.alpha[0, ..., 0] > 0.99)
        row[f"{name} dB"] = psnr(a.color[0], b.color[0], face)
        if name == "photo":
            row["normal deg"] = normal_angle(a.normal[0], b.normal[0], (face > 0.9).float())
    return row


def camera_numbers(view: View, known: KnownHead, neutral: Tensor, head: HeadModel) -> Row:
    """Fields of view of the picture's longer side, true and fitted, and how far off the head is
    turned; neutral [V,3] is the fit's."""
    camera, side = known.camera, max(view.width, view.height)
    face = head.regions["face"] > 0.5
    return {
        "fov true": field_of_view_deg(float(camera.K[0, 0, 0]), side),
        "fov fitted": field_of_view_deg(float(view.focal), side),
        "turn deg": turn_error_deg(
            view.camera().world_to_camera[0, :3, :3].double().numpy(),
            camera.world_to_camera[0, :3, :3].double().numpy(),
            neutral[face].double().numpy(),
            known.neutral[0, face].double().numpy(),
        ),
    }


def small(image: Tensor, size: int) -> Tensor:
    """[1,R,R,C] -> [size,size,C]."""
    image = F.interpolate(image.movedim(-1, 1), (size, size), mode="bilinear", antialias=True)
    return image[0].movedim(0, -1)


def linear(shown: Tensor) -> Tensor:
    return srgb_to_linear(shown.clamp(0, 1))


def show(rows: dict[str, Row]) -> None:
    """A line per case; medians and largest of the absolute values."""
    names = list(next(iter(rows.values())))
    print(f"{'':16s}" + "".join(f"{name:>13s}" for name in names))
    for case, row in rows.items():
        print(f"{case:16s}" + "".join(f"{row[name]:13.3f}" for name in names))
    values = np.array([[abs(row[name]) for name in names] for row in rows.values()])
    for title, line in (("median", np.median(values, 0)), ("largest", values.max(0))):
        print(f"{title:16s}" + "".join(f"{value:13.3f}" for value in line), flush=True)


def run(
    bench: Bench,
    cases: dict[str, tuple[list[Path], KnownHead | None]],
    out: Path,
    save: bool = False,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Row] = {}
    for name, (paths, known) in cases.items():
        try:
            subject = bench.fit(paths)
        except FitmeError as problem:
            print(f"{name}: {problem}", flush=True)
            continue
        row = known_numbers(subject, known) if known else {}
        rows[name] = row | subject.photo_numbers()
        if bench.judge is not None:
            seen = subject.session.observations[0]
            rows[name] |= likeness(subject.avatar, seen, bench.judge)
        if save:
            subject.avatar.save(out / name)
        line = "  ".join(f"{key} {value:.3g}" for key, value in rows[name].items())
        print(f"{name}: {line}", flush=True)
        strips = [subject.strip(k) for k in range(len(paths))]
        Image.fromarray(labelled(np.concatenate(strips), name)).save(out / f"{name}.png")
    show(rows)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photos, each one subject")
    parser.add_argument("--together", nargs="*", help="stems of photos of one person")
    parser.add_argument("--only", nargs="*", help="stems of the cases to take")
    parser.add_argument("--known", type=int, default=0, help="number of known heads")
    parser.add_argument("--ict", type=Path, help="folder of ict_face.npz, for unknown shapes")
    parser.add_argument("--ablation", action="store_true", help="with --known")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/quality"))
    parser.add_argument("--save", action="store_true", help="the avatars, too")
    args = parser.parse_args()
    keep_large_blocks()
    settings = override(choose_preset(args.preset), dict(item.split("=") for item in args.set))
    cases: dict[str, tuple[list[Path], KnownHead | None]] = {}
    bench = Bench(settings, args.size, args.weights)
    if args.known:
        for known in make_heads(bench.models.head, args.out / "known", args.known, args.ict):
            cases[known.name] = ([known.photo], known)
    if args.photos:
        paths = [p for p in sorted(args.photos.iterdir()) if not p.name.startswith("x_")]
        cases |= {path.stem: ([path], None) for path in paths}
        if args.together:
            paths = [path for path in paths if path.stem in args.together]
            cases = {"+".join(path.stem for path in paths): (paths, None)}
    if args.only:
        cases = {name: case for name, case in cases.items() if name in args.only}
    chosen = ABLATIONS if args.ablation else {"": {}}
    for title, changes in chosen.items():
        if title:
            print(f"== {title}", flush=True)
        bench.settings = override(settings, changes)
        folder = title.replace(" ", "_").replace(",", "").replace("+", "plus")
        run(bench, cases, args.out / folder, args.save)


if __name__ == "__main__":
    main()
