"""Real reflectance from portraits: what a fit of light and W leaves unexplained, texel by texel.

    python -m fitme.models.train.harvest PORTRAITS --out RUN --count 160

FitMe (arXiv 2305.09641) trains on captured reflectance. Here photos are taken apart instead: the
head is aligned, light and W are fitted, and the photo without the specular part, over the shading
and over the albedo of W, is the ratio by which the real albedo differs. What light could have
caused is taken out: the part of the log ratio that the first nine spherical harmonics of the
texels' normals (Ramamoorthi and Hanrahan 2001) and ambient visibility explain. One file per
portrait in RUN; portraits that are there are not done again.

Portraits without colour are left out, and so is every HELD_OUT-th (`held_out`), which
`benchmarks/portraits.py` measures with; `--held-out` harvests those instead, to measure with.
The others are taken in turns from bands of skin tone, so that all tones are there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fitme.fit.align import Aligner
from fitme.fit.descent import Losses, descend
from fitme.fit.evidence.trust import trust
from fitme.fit.models import Models
from fitme.fit.observation import Observation, masks_of
from fitme.fit.ratio import albedo_ratio, shading
from fitme.fit.session import Session
from fitme.fit.settings import FitSettings
from fitme.fit.stages.light import still
from fitme.fit.stages.refine import unhidden
from fitme.fit.stages.start import start
from fitme.fit.state import FitState
from fitme.fit.terms.base import Step, priors, weighted
from fitme.fit.terms.photometric import appearance
from fitme.fit.visibility import sample, texel_pixels
from fitme.head.model import HeadModel, load_head
from fitme.image.color import individual_typology_angle
from fitme.image.photo import load_photo
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.landmarks.select import select_face
from fitme.models.stylegan2 import load_generator
from fitme.reflectance.atlas import ambient_visibility, bake_vertex_field
from fitme.render import get_backend
from fitme.render.light import sh_basis
from fitme.runtime.errors import FitmeError, InputError
from fitme.runtime.files import atomic_write_bytes
from fitme.runtime.memory import keep_large_blocks
from fitme.runtime.progress import Progress

TEXELS = 128  # side of what is harvested: that of the generator's linear base
STEPS = 40
MASK_FROM = 20  # step from which outliers are masked
LARGEST = 256  # pixels of a crop's side
HELD_OUT, HELD_COUNT = 16, 50  # every so many-th portrait, so many at most, is never learned from
BANDS = 10  # of tone, taken in turns
LIMIT = 0.7  # of the log ratio
HIGHLIGHT = 0.3  # of the log ratio of bare skin upwards: more is a highlight
RIM = 2  # pixels around eyes and the mouth's inside that say nothing
RIDGE, RIDGE_COLOUR = 1.0, 10.0  # texels that say there is no light to take out
_FORMAT = "fitme-harvest-1"


@dataclass(frozen=True)
class Harvest:
    """What one portrait says about the albedo of its person."""

    code: Tensor  # [D] of W, see `WCode`
    weight: Tensor  # [R,R] in 0..1: how well each texel is seen
    ratio: Tensor  # [3,R,R] log of the real diffuse albedo over that of W
    tone: float  # individual typology angle of W's cheeks, degrees

    def save(self, path: Path) -> None:
        """In half precision."""
        tensors = {"code": self.code, "weight": self.weight.half(), "ratio": self.ratio.half()}
        data = safetensors.torch.save(tensors, {"format": _FORMAT, "tone": repr(self.tone)})
        atomic_write_bytes(path, data)

    @staticmethod
    def load(path: Path) -> Harvest:
        """Raises InputError for anything but what `save` wrote."""
        try:
            with safetensors.safe_open(str(path), "pt") as file:
                about = file.metadata() or {}
                if about.get("format") != _FORMAT:
                    raise InputError(f"{path} is not a harvest")
                code, weight, ratio = (
                    file.get_tensor(k).float() for k in ("code", "weight", "ratio")
                )
        except (OSError, safetensors.SafetensorError) as error:
            raise InputError(f"{path} is no readable harvest ({error})") from error
        return Harvest(code, weight, ratio, float(about["tone"]))


def load_harvests(run: Path) -> list[Harvest]:
    """All of a folder, by name. Raises InputError where there are none."""
    found = [Harvest.load(path) for path in sorted(run.glob("*.safetensors"))]
    if not found:
        raise InputError(f"{run} holds no harvests")
    return found


class Harvester:
    """Takes photos apart for one head model and generator."""

    def __init__(
        self, models: Models, settings: FitSettings | None = None, steps: int = STEPS,
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.models, self.settings, self.steps = models, settings or FitSettings(), steps
        self.progress = progress
        head, regions = models.head, models.regions
        self.visible = ambient_visibility(head, TEXELS)
        self.marked = shrunk(regions.marked_or_lids, TEXELS)
        self.bare = shrunk(regions.bare, TEXELS)
        self.usable = shrunk(regions.skin, TEXELS) * torch.maximum(
            unhidden(self.visible), self.marked
        )

    def __call__(self, seen: Observation, identity: Tensor) -> Harvest:
        """Of an aligned photo and its identity [1,K]."""
        session = Session(self.models, [seen], self.settings, self.progress)
        state = self._fit(session, identity)
        head = session.head
        vertices = state.posed(head)
        crops = session.crops(LARGEST)
        camera = session.camera(state, crops)
        with torch.no_grad():
            maps = session.maps(session.pivot(state), TEXELS)
            out = session.picture(state, vertices, camera, maps)
            trusted = masks_of(state.frames.trusted, crops.size) * trust(session, out, crops)
            lit = (shading(out).amin(-1) > 0.05) & (crops.pixels.amax(-1) < 0.97)
            trusted = trusted * lit * _inside(out.part == head.skin.index)
            pixels, weight = texel_pixels(head, vertices, camera, TEXELS)
            weight = weight * sample(trusted[..., None], pixels)[..., 0]
            weight = weight[0] * self.usable
            found = sample(albedo_ratio(out, crops), pixels)[0]
            found = found - light_field(
                found, weight * (1 - self.marked), normals_of(head, vertices), self.visible
            )
            top = HIGHLIGHT + (LIMIT - HIGHLIGHT) * self.marked[..., None]
            found = torch.where(
                found < 0, LIMIT * (found / LIMIT).tanh(), top * (found / top).tanh()
            )
            tone = individual_typology_angle(maps.diffuse_albedo[0][self.bare > 0.5]).median()
        code = state.person.code[0].detach()
        return Harvest(code, weight, found.movedim(-1, 0), float(tone))

    def _fit(self, session: Session, identity: Tensor) -> FitState:
        """Light and W on the aligned geometry."""
        state = start(session, identity)
        crops, draw = still(session, state)
        told = masks_of(state.frames.trusted, crops.size)
        trusted = told
        terms = appearance(self.settings.terms)

        def evaluate(step: int) -> Losses:
            nonlocal trusted
            out, maps = draw()
            if step == MASK_FROM:
                trusted = trust(session, out, crops) * told
            shown = Step(session, state, crops, out, session.skin(out) * trusted, maps)
            return weighted(terms, shown) | priors(self.settings.priors, state)

        rates = asdict(self.settings.light.rates)
        descend("harvest", state.tensors(), rates, self.steps, evaluate, session.progress)
        return state


def shrunk(mask: Tensor, texels: int) -> Tensor:
    """A mask [r,r] of the atlas as [texels,texels], by areas."""
    return F.interpolate(mask[None, None], (texels, texels), mode="area")[0, 0]


def normals_of(head: HeadModel, vertices: Tensor, texels: int = TEXELS) -> Tensor:
    """World normals [R,R,3] of the texels; vertices [1,V,3]."""
    backend = get_backend(None, vertices.device)
    normals = backend.vertex_normals(vertices, head.triangles.int())[0]
    return F.normalize(bake_vertex_field(head, normals, texels), dim=-1)


def light_field(ratio: Tensor, weight: Tensor, normals: Tensor, visible: Tensor) -> Tensor:
    """What light can explain of log ratios [R,R,3]: [R,R,3].

    The grey part follows nine harmonics of the normals [R,R,3], and visibility [R,R] alone and
    from above; the coloured part the harmonics alone, with a ridge, as coloured light is weak.
    """
    basis = sh_basis(normals)
    hidden = 1 - visible[..., None]
    columns = torch.cat([basis, hidden, hidden * normals[..., 1:2]], -1)
    grey = ratio.mean(-1, keepdim=True)
    return _explained(columns, grey, weight, RIDGE) + _explained(
        basis, ratio - grey, weight, RIDGE_COLOUR
    )


def _explained(columns: Tensor, values: Tensor, weight: Tensor, ridge: float) -> Tensor:
    """Weighted least squares of values [R,R,C] on columns [R,R,B], evaluated [R,R,C].

    Twice, the second time without what the first leaves far off: brows and stubble are no light.
    """
    x, y, w = columns.flatten(0, 1).double(), values.flatten(0, 1).double(), weight.flatten()
    w = w.double()
    for _ in range(3):
        normal = (x.T * w) @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype)
        found = torch.linalg.solve(normal, (x.T * w) @ y)
        miss = (y - x @ found).square().sum(-1)
        w = weight.flatten().double() / (1 + miss / 0.15**2)
    return (x @ found).to(values).view_as(values)


def _inside(mask: Tensor) -> Tensor:
    """A mask [P,n,n] without its rim."""
    outside = (~mask)[:, None].float()
    return 1 - F.max_pool2d(outside, 2 * RIM + 1, 1, RIM)[:, 0]


# Which portraits


def held_out(paths: Sequence[Path]) -> list[Path]:
    """The portraits of a sorted folder that nothing is learned from."""
    return list(paths[::HELD_OUT][:HELD_COUNT])


def chosen(paths: Sequence[Path], tones: Sequence[float], count: int) -> list[Path]:
    """At most `count` of `paths`, in turns from bands of equal width of their tones, the rarest
    band first; within a band evenly spread."""
    values = np.asarray(tones)
    low, high = np.percentile(values, [2, 98])
    band = np.clip((values - low) / max(high - low, 1e-6) * BANDS, 0, BANDS - 1).astype(int)
    queues = [np.flatnonzero(band == k) for k in range(BANDS)]
    # Every 7th, then the next of each: neighbours in the folder look alike.
    queues = [queue[np.lexsort((queue, np.arange(len(queue)) % 7))] for queue in queues]
    queues.sort(key=len)
    turns = [int(queue[k]) for k in range(len(paths)) for queue in queues if k < len(queue)]
    return [paths[k] for k in turns[:count]]


def rough_tone(path: Path) -> float | None:
    """Median individual typology angle in the middle of a portrait, where its face is; None
    without colour. Light and exposure are in it: it only spreads the choice."""
    with Image.open(path) as image:
        if image.mode != "RGB":
            return None
        width, height = image.size
        box = (0.38 * width, 0.3 * height, 0.62 * width, 0.55 * height)
        values = np.asarray(image.crop(box), np.float32) / 255
    if float(np.abs(values - values.mean(-1, keepdims=True)).mean()) < 0.01:
        return None
    linear = torch.from_numpy(values.reshape(-1, 3)) ** 2.2
    return float(individual_typology_angle(linear).median())


def observe(
    path: Path, provider: MediaPipeLandmarks, aligner: Aligner
) -> tuple[Observation, Tensor] | None:
    """An aligned portrait and its identity [1,K]; None without colour."""
    photo = load_photo(path)
    if photo.was_gray:
        return None
    face = select_face(provider.detect(photo), None, path)
    start = aligner.align(face, photo.width, photo.height, photo.focal_px)
    return Observation(photo, face, start.view), start.identity.float()


def harvest_folder(
    folder: Path, out: Path, count: int, *, weights: Path | None = None, of_held_out: bool = False
) -> None:
    """Harvest up to `count` portraits of a folder into `out`, and print each."""
    paths = sorted(folder.glob("*.jpg"))
    kept_back = held_out(paths)
    candidates = kept_back if of_held_out else [p for p in paths if p not in set(kept_back)]
    rough = [(path, rough_tone(path)) for path in candidates]
    coloured = [(path, tone) for path, tone in rough if tone is not None]
    picked = chosen([path for path, _ in coloured], [tone for _, tone in coloured], count)
    out.mkdir(parents=True, exist_ok=True)
    todo = [path for path in picked if not (out / f"{path.stem}.safetensors").exists()]
    print(f"{len(candidates)} portraits, {len(coloured)} with colour, {len(picked)} chosen, "
          f"{len(picked) - len(todo)} there", flush=True)  # fmt: skip
    keep_large_blocks()
    head, provider = load_head(), MediaPipeLandmarks()
    aligner = Aligner(head)
    harvester = Harvester(Models(head, load_generator(weights), provider))
    for index, path in enumerate(todo):
        start = time.perf_counter()
        try:
            aligned = observe(path, provider, aligner)
        except FitmeError as problem:
            print(problem, flush=True)
            continue
        if aligned is None:
            continue
        found = harvester(*aligned)
        found.save(out / f"{path.stem}.safetensors")
        size = (found.ratio.abs().mean(0) * found.weight).sum() / found.weight.sum().clamp_min(1)
        print(f"{index + 1} of {len(todo)} {path.name:20s} tone {found.tone:6.1f}, "
              f"{float(found.weight.sum()):6.0f} texels, log ratio {float(size):.3f}, "
              f"{time.perf_counter() - start:.1f} s", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True, metavar="RUN")
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--held-out", action="store_true", help="those kept to measure with")
    args = parser.parse_args()
    harvest_folder(
        args.folder, args.out, args.count, weights=args.weights, of_held_out=args.held_out
    )


if __name__ == "__main__":
    main()
