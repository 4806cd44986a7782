"""Draw synthetic photos into shards; stops and goes on anywhere.

python -m fitme.models.train.photos --out runs/photos --shards 100 --each 100
python -m fitme.models.train.photos --sheet sheet.png
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fitme.head.model import load_head
from fitme.models.stylegan2 import load_generator
from fitme.models.train.photos.sample import write_shard
from fitme.models.train.photos.studio import Studio
from fitme.segment.labels import COLORS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/photos"), help="folder of shards")
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("--each", type=int, default=100, help="photos in a shard")
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--sheet", type=Path, help="draw 100 photos and their labels as a picture")
    parser.add_argument("--start", type=int, default=0, help="first photo of the sheet")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    studio = Studio(load_head(), load_generator(), args.out)
    if args.sheet is not None:
        write_sheet(studio, args.sheet, args.start)
        return
    for shard in range(args.first, args.first + args.shards):
        path = args.out / f"{shard:05d}.npz"
        if path.exists():
            continue
        began = time.monotonic()
        first = shard * args.each
        write_shard(path, [studio.photo(k) for k in range(first, first + args.each)])
        each = (time.monotonic() - began) / args.each
        print(f"{path.name}: {each:.2f} s a photo", flush=True)


def write_sheet(studio: Studio, path: Path, start: int, count: int = 100, wide: int = 10) -> None:
    """Photos, and beside it a picture of their labels."""
    samples = [studio.photo(start + k) for k in range(count)]
    table = np.array(COLORS, np.uint8)
    for where, pictures in (
        (path, [sample.photo for sample in samples]),
        (path.with_stem(path.stem + "_labels"), [table[sample.labels] for sample in samples]),
    ):
        rows = [np.concatenate(pictures[k : k + wide], 1) for k in range(0, count, wide)]
        Image.fromarray(np.concatenate(rows)).save(where)


if __name__ == "__main__":
    main()
