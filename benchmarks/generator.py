"""The reflectance generator in numbers and pictures: what its model card says.

    python -m benchmarks.generator [--weights FILE] [--out DIR] [--only NAME ...] [--quick]
        [--checkpoints DIR] [--noise const|random|none]

heads         random heads under three lights, and their maps, as sheets
interpolate   ways between pairs in W as strips; largest over mean length of a step
invert        held-out draws: inversion in W, the mapping network as encoder, the mean of W
tones         skin tones of samples against draws, as a histogram
distance      kernel and Fréchet distance, precision and recall; of checkpoints too
load          seconds, bytes, parameters

Results are printed and put into DIR/generator.json, where sections not run this time stay.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.distribution import (
    frechet_distance,
    histogram,
    histogram_coverage,
    histogram_overlap,
    kernel_distance,
    precision_recall,
    wasserstein,
)
from benchmarks.features import SIZES, RandomFeatures, standardised
from benchmarks.inversion import invert_in_w, map_errors
from benchmarks.populations import (
    HELD_OUT,
    SAMPLE_SIZE,
    SAMPLES,
    Bench,
    Population,
    checkpoint_generator,
    chunk_sizes,
)
from fitme.models import weight_path
from fitme.models.stylegan2 import load_generator
from fitme.models.stylegan2.filters import shrink
from fitme.models.train.checkpoint import list_checkpoints
from fitme.models.train.reflectance_prior import ParameterPrior
from fitme.runtime.errors import FitmeError
from fitme.runtime.files import write_json
from fitme.runtime.memory import keep_large_blocks
from fitme.sample import draw_samples, map_panels, portrait, sample_avatar

LIGHTS = ("studio", "side", "sunset")
INVERT_SIZE, INVERT_STEPS, INVERT_BATCH = 256, 200, 8
TONE_EDGES = torch.arange(-60.0, 75.0, 5.0)  # degrees
Results = dict[str, Any]
Pixels = NDArray[np.uint8]


def heads(bench: Bench) -> Results:
    """heads.png: a cell per head with three lights; maps.png: diffuse, specular, normals."""
    generator, full = bench.generator, bench.generator.config.resolution
    people = draw_samples(generator, bench.head, bench.count(64, 8), SAMPLES)
    cells = []
    for person in people:
        avatar = sample_avatar(generator, bench.head, bench.regions, person, min(512, full))
        cells.append(np.concatenate([portrait(avatar, light, 160) for light in LIGHTS], 1))
    save(bench, "heads.png", [cells[start : start + 8] for start in range(0, len(cells), 8)])
    columns = [
        map_panels(sample_avatar(generator, bench.head, bench.regions, person, full), 512)
        for person in people[:8]
    ]
    save(bench, "maps.png", list(zip(*columns, strict=True)))
    return {"heads": len(people), "lights": LIGHTS}


def save(bench: Bench, name: str, rows: Sequence[Sequence[Pixels]]) -> None:
    """A grid of pictures of one size as PNG."""
    grid = np.concatenate([np.concatenate(row, 1) for row in rows])
    Image.fromarray(grid).save(bench.out / name)


@torch.no_grad()
def interpolate(bench: Bench) -> Results:
    """interpolate.png: 8 steps between 4 pairs, one head. The length of a step is that of the
    difference of signals, or of random features; an even way has a largest over mean of 1."""
    generator, steps = bench.generator, 8
    size = min(SAMPLE_SIZE, generator.config.resolution)
    people = draw_samples(generator, bench.head, 2 * bench.count(4, 1), SAMPLES + 1)
    network, rows = RandomFeatures(), []
    ratios: dict[str, list[float]] = {"signals": [], "features": []}
    for a, b in zip(people[::2], people[1::2], strict=True):
        way = [torch.lerp(a.w, b.w, k / (steps - 1)) for k in range(steps)]
        avatars = [
            sample_avatar(generator, bench.head, bench.regions, replace(a, w=w), size) for w in way
        ]
        rows.append([portrait(avatar, "studio", 256) for avatar in avatars])
        signals = torch.cat([generator.signals(w, size)[size] for w in way])
        ratios["signals"].append(unevenness(signals))
        ratios["features"].append(unevenness(network(shrink(signals, max(SIZES)))))
    save(bench, "interpolate.png", rows)
    return {f"largest_over_mean_step_{name}": values for name, values in ratios.items()}


def unevenness(way: Tensor) -> float:
    """Largest over mean length of the steps along points [K,...]."""
    steps = way.diff(dim=0).flatten(1).norm(dim=1)
    return float(steps.max() / steps.mean())


def invert(bench: Bench) -> Results:
    """Medians over held-out draws of the errors in `map_errors`; noise is the constant one."""
    generator = bench.generator
    size, count = min(INVERT_SIZE, generator.config.resolution), bench.count(64, 4)
    draw = torch.Generator().manual_seed(HELD_OUT + 1)
    # The distribution of parameters is that of training, if not from the same samples.
    prior = ParameterPrior.fit(bench.source.parameters(50_000, draw))
    drawn = [bench.source.draw(n, size, draw) for n in chunk_sizes(count, INVERT_BATCH)]
    targets = [maps.to_signal() for _, maps in drawn]
    start = time.perf_counter()
    inverted = [invert_in_w(generator, target, INVERT_STEPS) for target in targets]
    seconds = (time.perf_counter() - start) / count
    out: Results = {"faces": count, "size": size, "steps": INVERT_STEPS, "seconds_each": seconds}
    z_dim = generator.config.z_dim
    with torch.no_grad():
        encoded = [generator.map(prior.z(parameters, z_dim, draw)) for parameters, _ in drawn]
        means = [generator.w_mean.expand(len(target), -1) for target in targets]
        for name, ws in (("inverted", inverted), ("encoder", encoded), ("mean", means)):
            errors = [
                map_errors(generator.signals(w, size)[size], target)
                for w, target in zip(ws, targets, strict=True)
            ]
            out[name] = {
                key: float(torch.cat([part[key] for part in errors]).median()) for key in errors[0]
            }
            out[name]["w_prior"] = float(generator.regularizer(torch.cat(ws)))
    return out


def tones(bench: Bench) -> Results:
    """tones.png: how individual typology angles are distributed, draws above samples."""
    drawn, sampled = bench.drawn.tones, bench.sampled.tones
    shares = [histogram(values, TONE_EDGES) for values in (drawn, sampled)]
    save(bench, "tones.png", [[histogram_picture(shares, TONE_EDGES)]])
    return {
        "overlap": histogram_overlap(*shares),
        "wasserstein_degrees": wasserstein(drawn, sampled),
        "wasserstein_of_two_sets_of_draws": wasserstein(drawn, bench.drawn_again.tones),
        "bins_covered": histogram_coverage(*shares),
        "percentiles_5_50_95": {
            name: torch.quantile(values, torch.tensor([0.05, 0.5, 0.95])).tolist()
            for name, values in (("draws", drawn), ("samples", sampled))
        },
    }


def histogram_picture(shares: Sequence[Tensor], edges: Tensor, scale: int = 24) -> Pixels:
    """Bars of two histograms [B], one over the other, with edges below: uint8 [H,W,3]."""
    height, width = 140, scale * (len(edges) - 1)
    image = Image.new("RGB", (width, 2 * height + 16), "white")
    pen, top = ImageDraw.Draw(image), max(float(values.max()) for values in shares)
    for row, (values, name, colour) in enumerate(
        zip(shares, ("draws", "samples"), ("#8a5a3c", "#3c6a8a"), strict=True)
    ):
        ground = (row + 1) * height
        for index, value in enumerate(values.tolist()):
            bar = round((height - 20) * value / top)
            left = index * scale
            pen.rectangle((left + 1, ground - bar, left + scale - 2, ground), fill=colour)
        pen.text((4, row * height + 4), name, fill="black")
    for index in range(0, len(edges) - 1, 4):
        pen.text((index * scale, 2 * height + 2), f"{float(edges[index]):.0f}", fill="black")
    return np.asarray(image)


def distance(bench: Bench) -> Results:
    """Samples against draws by size of the maps, `floor` another set of draws; then checkpoints."""
    out: Results = {
        "floor": compare(bench.drawn, bench.drawn_again),
        "samples": compare(bench.drawn, bench.sampled),
    }
    if bench.checkpoints is not None:
        out["checkpoints"] = []
        for path in list_checkpoints(bench.checkpoints):
            generator, numbers = checkpoint_generator(path)
            where = {key: numbers[key] for key in ("step", "images", "seconds")}
            found = {**where, **compare(bench.drawn, bench.samples(generator))}
            out["checkpoints"].append(found)
            print(f"  {path.name}: {json.dumps(found)}", flush=True)
    return out


def compare(real: Population, made: Population) -> Results:
    out: Results = {}
    for size in SIZES:
        a = standardised(real.features[size], real.features[size])
        b = standardised(made.features[size], real.features[size])
        precision, recall = precision_recall(a, b)
        out[str(size)] = {"kernel": kernel_distance(a, b), "frechet": frechet_distance(a, b),
                          "precision": precision, "recall": recall}  # fmt: skip
    return out


def load(bench: Bench) -> Results:
    """Seconds to load, the least of three; bytes; parameters by part."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        generator = load_generator(bench.weights)
        seconds.append(time.perf_counter() - start)
    parts = {"mapping": generator.mapping, "synthesis": generator.synthesis}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    return {"seconds": min(seconds), "bytes": bench.weights.stat().st_size, "parameters": counts}


SECTIONS: dict[str, Callable[[Bench], Results]] = {
    "load": load, "heads": heads, "interpolate": interpolate, "invert": invert,
    "tones": tones, "distance": distance,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=weight_path("reflectance.safetensors"))
    parser.add_argument("--out", type=Path, default=Path("out/generator"), metavar="DIR")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="few of everything, to try it out")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="step-N folders")
    parser.add_argument("--noise", choices=["const", "random", "none"], default="random",
                        help="of samples that are compared with draws")  # fmt: skip
    args = parser.parse_args()
    keep_large_blocks()
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "generator.json"
    results: Results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    bench = Bench(args.weights, args.out, args.quick, args.noise, args.checkpoints)
    try:
        for name in args.only:
            start = time.perf_counter()
            results[name] = SECTIONS[name](bench)
            write_json(file, results)
            print(f"{name} ({time.perf_counter() - start:.0f} s): {results[name]}", flush=True)
    except FitmeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
