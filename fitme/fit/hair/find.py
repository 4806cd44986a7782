"""`find_hair`: what the person in the photos wears, and one plain note of what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.fit.hair.beard import CHIN, beard_of
from fitme.fit.hair.evidence import HairPhoto, SeenHair, look
from fitme.fit.hair.fringe import fringe_of
from fitme.fit.hair.line import own_line
from fitme.fit.hair.match import matched
from fitme.fit.hair.outline import with_outline
from fitme.fit.hair.parting import parting
from fitme.fit.hair.score import LEAST_AREA
from fitme.fit.hair.search import Found, Search, may_hang
from fitme.fit.hair.short import CURLY, curled, messy, short_hair, tousled
from fitme.fit.hair.tone import pigments, wanted_albedo
from fitme.fit.hair.waves import with_waves
from fitme.fit.hair.worn import Worn
from fitme.hair import PRESETS, Hair, HairStyle, Kind, Strands
from fitme.hair.gravity import down_of
from fitme.hair.hairline import hairline
from fitme.hair.scalp import scalp_of
from fitme.head.model import HeadModel
from fitme.runtime.notes import Note
from fitme.segment.encoder import FaceEncoder
from fitme.segment.labels import Label

Floats = NDArray[np.floating[Any]]

INSIDE = 0.008  # metres within the usual hairline: where a head with hair has some for sure
FACING = 0.25  # cosine between a place of the scalp and the camera from which it counts
BARE = 0.08  # share of hair on the scalp below which a head is bald
HIDDEN = 0.5  # share of the scalp under a hat or another thing from which it is said
LITTLE = 0.01  # share of the window that hair must fill where a hat is worn
UNLIKE = 0.8  # of what no hair at all would cost: a style that fits no better is not worn
# Share of hair on the scalp from which a head surely has some: any style that fits better than none
# is worn. A photo cut off above the forehead showed 0.94, its style cost 0.89 of none.
COVERED = 0.6
FALLS, HARDLY = 0.003, 0.0006  # square metres of hair below the mouth: long, and short hair
MOUTH = (0.0, -0.04, 0.09)  # metres on the mean head
SHADE_STRANDS = 2500  # of the pictures that colours are read from
CALM = 0.25  # of a preset's flyaways: most leave no trace in labels, and photos show few
ONE_COLOR = 0.6  # log albedo within which hair and beard are of one colour, as strands are
STARTS, CLOSE = 3, 0.02  # presets from which is descended: the best, and those nearly as good


def find_hair(
    head: HeadModel, photos: Sequence[HairPhoto], encoder: FaceEncoder, wish: str = "fit",
    most: int = 120,
) -> tuple[Hair | None, list[Note]]:  # fmt: skip
    """The hair of the head and a beard, or None where painted hair is all; `wish` is "fit" or the
    name of a preset, which then is worn in the photos' colour. About `most` silhouettes are tried.
    """
    seen = [look(photo, encoder) for photo in photos]
    search = Search(head, [photo.vertices for photo in photos], seen, most)
    if wish == "fit":
        style, said = _style(head, photos, seen, search)
    else:
        style, said = PRESETS[wish], f"hair: {wish}, as asked for, in the photo's colour"
    chins = [_moved(head, photo, CHIN) for photo in photos]
    bearded, beard = Hair(None, beard=beard_of(seen, chins)), None
    own = [] if style is None else _albedos(head, photos, seen, Hair(style), Label.HAIR)
    if bearded.beard is not None:
        on_chin = _albedos(head, photos, seen, bearded, Label.BEARD)
        if style is None or _alike(own, on_chin):
            beard, own = bearded.beard, own or on_chin
            said += f"; a beard that hangs {100 * bearded.beard.chin:.0f} cm"
        else:
            said += "; the beard has another colour than the hair, so it is painted"
    notes = [Note(said, kind="hair")]
    if style is None and beard is None:
        return None, notes
    gray = all(photo.photo.was_gray for photo in photos)
    hair = Hair(style, pigments(own, gray), beard)
    if style is not None:
        strands = [_posed(head, photo, hair).of_kind(Kind.HAIR) for photo in photos]
        worn = [
            Worn(one, lie, photo.light, style.curl_radius > 0)
            for one, lie, photo in zip(seen, strands, photos, strict=True)
        ]
        hair = replace(hair, color=matched(own, worn, gray))
    return hair, notes


def _style(
    head: HeadModel, photos: Sequence[HairPhoto], seen: Sequence[SeenHair], search: Search
) -> tuple[HairStyle | None, str]:
    """The style that fits the photos, or None, and what is said of it."""
    told = [_on_scalp(head, *one) for one in zip(photos, seen, strict=True)]
    hair, hidden = np.mean([one[0] for one in told]), np.mean([one[1] for one in told])
    area = float(np.mean([(one.hair * one.known).mean() for one in seen]))
    if hidden > HIDDEN and area < LITTLE:
        return None, "hair: something covers the head; none is grown"
    if hair < BARE:
        return None, "hair: the head is bald or shaven, so none is grown"
    fall = max(
        _below_mouth(one, _moved(head, photo, MOUTH))
        for photo, one in zip(photos, seen, strict=True)
    )
    depths = [stage.depth for stage in search.stages]
    search.fringe = fringe_of(scalp_of(head), search.vertices, seen, depths)
    falls = fall > HARDLY or search.fringe is not None
    search.hairline = own_line(scalp_of(head), search.vertices, seen, depths, falls)
    search.part = parting(scalp_of(head), search.hairline, search.vertices, seen)
    if fall < HARDLY:
        search.short = short_hair(head, search.vertices, search.seen, search.stages)
        if search.fringe is not None:  # what hangs does not stand, however near it lies
            search.short = replace(search.short, combed=1.0)
    found = best_style(search, fall)
    unlike = UNLIKE if hair < COVERED else 1.0
    if found.cost > unlike * area / (area + LEAST_AREA):
        return None, "hair: no style was found that looks like it; it is painted, as if cropped"
    said = f"hair: {describe(found.style)}; what the photo does not show of it is a guess"
    if hidden > HIDDEN:
        said = f"hair: something covers it; {describe(found.style)} is a guess"
    return found.style, said


def best_style(search: Search, fall: float) -> Found:
    """The best of the presets that can be meant where `fall` square metres of hair are seen below
    the mouth, after descent."""
    names = [name for name, style in PRESETS.items() if _may_be(style, fall)]
    if search.fringe is not None:
        names = [name for name in names if may_hang(PRESETS[name])]
    best = search.presets(names)[:STARTS]
    best = [one for one in best if one.cost < best[0].cost + CLOSE]
    curls = 0.0 if search.short is None else search.short.curls
    curly = curls > CURLY
    if curly:
        smooth = [tousled(replace(one.style, curl_radius=0.0)) for one in best]
        best = [
            replace(one, style=own, cost=search.cost(own))
            for own, one in zip(smooth, best, strict=True)
        ]
    best = sorted((search.descend(one, 1) for one in best), key=lambda one: one.cost)
    found = with_outline(search, best[0])
    found = search.descend(found, 3, 0.5)
    if curly:
        style = curled(found.style, curls)
        found = replace(found, style=style, cost=search.cost(style))
    else:
        found = with_waves(search, found)
        found = replace(found, style=messy(found.style, search.short))
    found = with_outline(search, found)
    found.style = replace(found.style, flyaways=CALM * found.style.flyaways)
    return found


def _may_be(style: HairStyle, fall: float) -> bool:
    long = style.sides > 0.1 and style.tie in ("none", "braids")
    if fall > FALLS:
        return long
    return not long if fall < HARDLY else True


def describe(style: HairStyle) -> str:
    """A style in plain words."""
    if style.bald > 0.5:
        return "a ring around a bald crown"
    words = []
    if style.tie != "none":
        words.append({"pony": "tied to a tail", "bun": "tied to a knot"}.get(style.tie, "plaited"))
    else:
        length = max(style.top, style.sides, style.back)
        names = ((0.012, "shorn"), (0.1, "short"), (0.26, "of middle length"), (9.0, "long"))
        words.append(next(name for limit, name in names if length < limit))
    if style.curl_radius > 0.003:
        words.append("curly" if style.curl_turns > 25 else "wavy")
    if style.part is not None:
        left = "left" if style.part > 0 else "right"
        words.append(f"parted on the {left}" if abs(style.part) > 0.008 else "parted in the middle")
    elif style.swept_back > 0.6:
        words.append("combed back")
    if style.fringe > 0:
        words.append("with a fringe")
    return ", ".join(words)


def _on_scalp(head: HeadModel, photo: HairPhoto, seen: SeenHair) -> tuple[float, float]:
    """Share of hair on what is seen of the scalp, and share of it that something else hides."""
    scalp = scalp_of(head)
    edge = scalp.inside(hairline(0.0, 0.3, 0.0, 0.0))
    chosen = np.intersect1d(np.flatnonzero(edge > INSIDE), np.unique(scalp.triangles))
    pose = seen.camera.world_to_camera[0].double().numpy()
    points = photo.vertices[chosen] @ pose[:3, :3].T + pose[:3, 3]
    normals = scalp.normals[chosen] @ pose[:3, :3].T
    toward = -(normals * points).sum(-1) / np.linalg.norm(points, axis=-1)
    flat = points @ seen.camera.K[0].double().numpy().T
    at = np.floor(flat[:, :2] / flat[:, 2:]).astype(int)
    inside = (toward > FACING) & ((at >= 0) & (at < len(seen.known))).all(-1)
    x, y = at[inside].T
    inside_photo = seen.labels[:, y, x]
    hair = float(inside_photo[Label.HAIR].sum())
    skin = float(inside_photo[Label.SKIN].sum())
    other = float(inside_photo[Label.OTHER].sum())
    return hair / max(hair + skin, 1e-6), other / max(hair + skin + other, 1e-6)


def _below_mouth(seen: SeenHair, mouth: Floats) -> float:
    """Square metres of hair in the photo that are lower than the mouth [3]."""
    pose = seen.camera.world_to_camera[0].double().numpy()
    at = pose[:3, :3] @ mouth + pose[:3, 3]
    focal = float(seen.camera.K[0, 1, 1])
    row = focal * at[1] / at[2] + float(seen.camera.K[0, 1, 2])
    hair = (seen.hair * seen.known)[max(int(row), 0) :]
    return float(hair.sum()) * (at[2] / focal) ** 2


def _moved(head: HeadModel, photo: HairPhoto, point: tuple[float, float, float]) -> Floats:
    """Where the skin near a point of the mean head is in the photo's pose, [3] metres."""
    scalp = scalp_of(head)
    skin = np.unique(scalp.triangles)
    away = np.linalg.norm(scalp.vertices[skin] - np.array(point, np.float32), axis=-1)
    moved: Floats = photo.vertices[skin[int(away.argmin())]]
    return moved


def _albedos(
    head: HeadModel, photos: Sequence[HairPhoto], seen: Sequence[SeenHair], worn: Hair, label: Label
) -> list[Floats]:
    """The albedos [3] that photos want for hair or beard, of those that show enough of it."""
    found = []
    for photo, one in zip(photos, seen, strict=True):
        strands = _posed(head, photo, worn)
        albedo = wanted_albedo(one, strands, photo.light, label)
        if albedo is not None:
            found.append(albedo)
    return found


def _posed(head: HeadModel, photo: HairPhoto, hair: Hair) -> Strands:
    """Hair and beard as they lie in a photo."""
    down = down_of(photo.camera)
    return hair.strands(head, photo.vertices, count=SHADE_STRANDS, down=down)


def _alike(first: Sequence[Floats], second: Sequence[Floats]) -> bool:
    """Whether albedos of hair and beard are those of one colour; unseen ones are."""
    if not first or not second:
        return True
    apart = np.log(np.mean(first, 0)) - np.log(np.mean(second, 0))
    return bool(np.abs(apart.mean()) < ONE_COLOR)
