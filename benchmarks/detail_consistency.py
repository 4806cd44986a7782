"""DECA's detail consistency: photos of one person drawn with each other's static detail.

    python -m benchmarks.detail_consistency out/fits --photos ../shared/data/photos

DECA (arXiv 2012.04012, section 4.2) learns a code of detail that two photos of one person may
exchange without a larger error. Here static detail is the neutral skin's normals
(`fitme transfer --static`); a photo is drawn with its own, with those of another photo of the
person, with those of another person, and with none. As a photo's error hardly feels normals, the
relief itself is compared, too: two photos of one person should show the same. Avatars lie in
folders named as the photos, a person's letter and a number.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measures import psnr
from fitme.avatar.model import Avatar
from fitme.avatar.transfer import transferred
from fitme.detail.static import static_height
from fitme.fit.visibility import pixels_of
from fitme.head.model import load_head
from fitme.image.photo import load_photo
from fitme.reflectance.atlas import averaged
from fitme.reflectance.regions import AtlasRegions
from fitme.report.overlay import head_window, photo_window

SIDE = 320  # pixels of a face's window
KINDS = ("own", "same person", "another", "none")


def smooth(avatar: Avatar) -> Avatar:
    """The avatar without static detail: the mesh's own normals."""
    index = avatar.head.skin.index
    materials = list(avatar.materials)
    materials[index] = replace(avatar.skin, normal=None)
    return replace(avatar, materials=tuple(materials))


def likeness_db(avatar: Avatar, photo: Tensor, skin: Tensor) -> float:
    """PSNR of the first photo's window [SIDE,SIDE,3], linear, where the head shows the skin of the
    atlas's mask [R,R]."""
    window = head_window(avatar, 0, SIDE)
    out = avatar.render(window, avatar.photos[0].light, avatar.posed(0), hair=False)
    return psnr(out.color[0].clamp(0, 1), photo.clamp(0, 1), pixels_of(out, skin)[0])


def consistency(
    avatars: Mapping[str, Avatar], photos: Mapping[str, Tensor], skin: Tensor
) -> dict[str, dict[str, float]]:
    """Name -> one of KINDS -> PSNR, the mean over those that the detail is taken from; people
    with one photo are left out. photos [SIDE,SIDE,3] are those of `likeness_db`."""
    found: dict[str, dict[str, float]] = {}
    for name, avatar in avatars.items():
        same = [k for k in avatars if k[0] == name[0] and k != name]
        if not same:
            continue
        strangers = sorted(k for k in avatars if k[0] != name[0])
        others = strangers[:: max(1, len(strangers) // max(1, len(same)))][: len(same)]
        row = {"own": likeness_db(avatar, photos[name], skin)}
        for kind, sources in (("same person", same), ("another", others)):
            made = [transferred(avatar, static=avatars[source]) for source in sources]
            row[kind] = float(np.mean([likeness_db(one, photos[name], skin) for one in made]))
        found[name] = row | {"none": likeness_db(smooth(avatar), photos[name], skin)}
    return found


def relief_likeness(avatars: Mapping[str, Avatar], skin: Tensor) -> dict[str, list[float]]:
    """Correlation of the static relief of pairs of avatars over the skin of the atlas's mask
    [R,R], by whether they are of one person."""
    reliefs = {}
    for name, avatar in avatars.items():
        height = static_height(avatar.head, avatar.neutral(), avatar.skin.normals())
        small = averaged(height[..., None], len(skin))[0, ..., 0]
        reliefs[name] = small[skin > 0.5]
    found: dict[str, list[float]] = {"one person": [], "different people": []}
    for a, b in combinations(reliefs, 2):
        both = torch.stack([reliefs[a], reliefs[b]])
        who = "one person" if a[0] == b[0] else "different people"
        found[who].append(float(torch.corrcoef(both)[0, 1]))
    return found


def show(found: Mapping[str, Mapping[str, float]]) -> None:
    """A line per photo and the means."""
    print(f"{'dB':8s}" + "".join(f"{kind:>14s}" for kind in KINDS))
    for name, row in found.items():
        print(f"{name:8s}" + "".join(f"{row[kind]:14.2f}" for kind in KINDS))
    means = [np.mean([row[kind] for row in found.values()]) for kind in KINDS]
    print(f"{'mean':8s}" + "".join(f"{value:14.2f}" for value in means), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("avatars", type=Path, help="folder of avatars, named as the photos")
    parser.add_argument("--photos", type=Path, required=True, help="folder of the photos")
    parser.add_argument("--only", nargs="*", help="letters of people")
    args = parser.parse_args(arguments)
    head = load_head()
    avatars, photos = {}, {}
    for path in sorted(args.photos.iterdir()):
        folder = args.avatars / path.stem
        single = path.stem[:1].isalpha() and path.stem[1:].isdigit()
        if not single or not folder.is_dir() or (args.only and path.stem[0] not in args.only):
            continue
        avatars[path.stem] = avatar = Avatar.load(folder, head)
        camera = avatar.photos[0].view.camera()
        photos[path.stem] = photo_window(load_photo(path), camera, head_window(avatar, 0, SIDE))
    regions = AtlasRegions(head, 256)
    show(consistency(avatars, photos, regions.skin))
    bare = regions.skin * (1 - regions.marked)
    for who, values in relief_likeness(avatars, bare).items():
        print(f"relief of {who}: correlation {np.mean(values):.3f} ({len(values)} pairs)")


if __name__ == "__main__":
    main()
