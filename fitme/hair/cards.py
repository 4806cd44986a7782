"""Hair as a mesh for games: strips of strands on ribbons that lie in layers over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitme.hair.card_atlas import U_ROOT, U_TIP, CardAtlas
from fitme.hair.card_frames import Surroundings, across, ribbon, surroundings, tangents
from fitme.hair.card_hinge import Hinge
from fitme.hair.card_lies import ALONE_STRAY, alone, bowed, height, over_face, stands, without_tufts
from fitme.hair.card_lift import Skin, lifted
from fitme.hair.card_paths import Paths, group_paths, stray_paths
from fitme.hair.card_quads import backs, fronts, quads
from fitme.hair.card_styles import STANDING, CardStyle, Layer, quads_along
from fitme.hair.collision import LOW, STEP, Collision
from fitme.hair.cover import cover
from fitme.hair.finish import arc_lengths
from fitme.hair.guides import unit
from fitme.hair.kernels_grow import push_out
from fitme.hair.strands import Strands

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

CLEAR = 0.0007  # metres that cards keep from the skin
ROOT_CLEAR = 0.0004  # metres above the skin where cards begin
PRESSED = -0.003  # metres; what lies deeper is meant to: hair of a tie, or on the shoulders
LEAST, MOST = 0.3, 1.7  # times the usual width that a card may have
TAPER = 0.3  # share of its width that a card loses towards the tip
THIN = 0.9  # of the skin hidden by roots: where less is, at hairlines, strips are thinner
FRINGE = ("sparse", "wispy")  # strips of the outer layers, which one sees through
TURNED = 20.0  # degrees of twist from which on backs of cards are seen anywhere
THINNER = {"dense": "sparse", "medium": "sparse"}
ON_END = 0.75  # mean cosine between hair and the way outwards from which on it stands
BACKED_QUADS = 4.0  # along a card of such hair
LEAST_BACKED = 0.03  # metres of hair; of shorter one no back is seen
BEHIND = 0.0003  # metres from a card to its back
FREE = 0.03  # metres inwards of a card, within which the head hides its back
SEEN_FROM = 0.006  # metres outside of a card where its ambient light is looked up: what is seen of
# hair lies outermost
BENT_OUT = 0.85  # share of the hair's outside in the normals, the rest is the card's own


@dataclass(frozen=True)
class HairCards:
    """V vertices and T triangles. `columns` are the cards' lines of vertices, as strands: each
    goes along with the skin at its root as hair does."""

    name: str
    columns: Strands  # [M,K], V = M * K vertices
    triangles: Ints  # [T,3]
    uv: Floats  # [V,2] u along the hair, v down
    normals: Floats  # [V,3] unit, bent outwards
    visibility: Floats  # [V] share of ambient light, for an occlusion
    morph_targets: Mapping[str, Floats] = field(default_factory=dict)  # name -> [V,3] metres
    # Back sides have triangles of their own where one sees them: renderers that draw both sides of
    # a triangle turn its normals round, but hair is lit alike on both.
    backed: bool = False
    # The first triangle behind those of the innermost layer, and the first of the thin outer layers
    soft: int = 0
    fringe: int = 0
    hinge: Hinge | None = None  # of lashes

    @property
    def vertices(self) -> Floats:
        """[V,3] metres."""
        return self.columns.points.reshape(-1, 3)

    def on(self, vertices: Floats) -> HairCards:
        """The same cards, which are those of the mean head, on a head with these vertices [V,3] of
        any identity and expression, without morph targets."""
        vertices = np.ascontiguousarray(vertices, np.float32)
        if self.hinge is not None:
            shape = self.columns.points.shape
            points, normals = self.hinge.turned(
                self.columns.points, self.normals.reshape(shape), self.columns.anchor, vertices
            )
            columns = replace(self.columns, points=points)
        else:
            columns = self.columns.on(vertices)
            normals = self.normals @ np.linalg.inv(columns.moved[:3]).T
        normals = unit(normals.reshape(-1, 3))
        return replace(self, columns=columns, normals=normals, morph_targets={})

    def with_morphs(self, neutral: Floats, moved: Mapping[str, Floats], least: float) -> HairCards:
        """These cards, which are those of the mean head, on the head `neutral` [V,3], with a morph
        target for each head of `moved` that moves a vertex by `least` metres or more."""
        at_rest = self.on(neutral)
        targets = {}
        for name, vertices in moved.items():
            offsets = self.on(vertices).vertices - at_rest.vertices
            if np.abs(offsets).max() >= least:
                targets[name] = offsets
        return replace(at_rest, morph_targets=targets)


def make_cards(
    strands: Strands, style: CardStyle, atlas: CardAtlas, seed: int, *,
    detail: float = 1.0, smooth: float = 0.0, lightness: Floats | None = None,
) -> HairCards:  # fmt: skip
    """Cards of strands on the mean head, whose textures are the strips of `atlas`; where it is
    `ordered`, `lightness` [N] of the strands says which of a kind.

    `detail` is a factor of the number of triangles; `smooth` the length in metres over which curls
    are left to the texture. Raises ValueError for no strands.
    """
    if len(strands) == 0:
        raise ValueError("no strands, no cards")
    random = np.random.default_rng(seed)
    around, skin = surroundings(strands), Skin(strands.anchor)
    corners = strands.anchor.triangles[strands.triangle]
    hidden = (cover(strands)[corners] * strands.barycentric).sum(1)
    arc = arc_lengths(strands.points)[:, -1]
    length = float(np.median(arc))
    wanted = quads_along(style, length, smooth)
    on_end = bool(stands(strands, around) > ON_END and length > LEAST_BACKED and style.on_skin)
    backs = 1.0 if on_end else float(_free(strands.points, around, strands.anchor.collision).mean())
    if on_end:
        wanted = min(wanted, BACKED_QUADS)
    quads = int(np.clip(np.ceil(wanted * detail**0.4), 1, style.most))
    window = round(smooth / max(length, 1e-6) * strands.points.shape[1])
    out = height(strands)
    aside = over_face(strands)
    away = alone(strands.points, around, ALONE_STRAY)
    parts = []
    for layer in STANDING if on_end else style.layers:
        each = 2 * (layer.columns - 1) * quads * (1 + (backs if style.on_skin else 0))
        count = max(int(style.triangles * detail * layer.share / each), 1)
        if layer.single > 0:
            # at a hairline it would seem a scratch on the skin
            inner = np.flatnonzero((hidden >= THIN) & ~aside & ~away)
            inner = inner if len(inner) else np.arange(len(strands))
            own = strands.take(inner.astype(np.int32))
            paths = stray_paths(own, count, quads + 1, window, random)
            paths = replace(paths, root=inner[paths.root].astype(np.int32))
        else:
            chosen = np.flatnonzero(out >= np.quantile(out, layer.outer))
            own = strands.take(chosen.astype(np.int32))
            normals = around.outward(own.points[:, 0])
            paths = group_paths(own, normals, count, quads + 1, window, random)
            paths = replace(paths, root=chosen[paths.root].astype(np.int32))
            paths = without_tufts(paths, aside)
            if style.on_skin:
                kept = np.flatnonzero(~alone(paths.points, around))
                paths = paths.some(kept) if len(kept) else paths
        if on_end:
            paths = replace(paths, points=bowed(paths.points, random))
        scene = around, skin, hidden
        rank = None if lightness is None else _ranks(lightness)[paths.root]
        parts.append(_layer_cards(strands, paths, layer, style, atlas, scene, on_end, random, rank))
    return _joined(style, parts)


def _ranks(values: Floats) -> Floats:
    """[N]: which share of the values [N] is lower than each of them."""
    order: Floats = np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values)
    return order


def _free(points: Floats, around: Surroundings, clear: Collision) -> NDArray[np.bool_]:
    """Whether one sees the back of hair at points [...,3]: no head is behind it."""
    free: NDArray[np.bool_] = clear.at(points - FREE * around.outward(points))[0] > 0
    return free


def _layer_cards(
    strands: Strands, paths: Paths, layer: Layer, style: CardStyle, atlas: CardAtlas,
    scene: tuple[Surroundings, Skin, Floats], on_end: bool, random: np.random.Generator,
    rank: Floats | None,
) -> HairCards:  # fmt: skip
    """The cards of one layer; `scene` is what is around, the skin, and how much of it each root
    [N] helps to hide; `on_end` whether the hair stands; `rank` of the cards' lightness, 0..1."""
    around, skin, hidden = scene
    count, many = paths.points.shape[:2]
    along, outward = tangents(paths.points), around.outward(paths.points)
    if style.facing is not None:
        outward = np.broadcast_to(np.array(style.facing, np.float32), along.shape)
    twist = np.radians(layer.twist) * random.standard_normal(count)
    side = across(along, outward, twist.astype(np.float32), random)
    if layer.single > 0:
        half: Floats = np.full((count, many), layer.single, np.float32)
    else:
        half = layer.cover * paths.spread(side)
        usual = max(float(np.median(half[:, 0])), style.least_half)
        half = half.clip(LEAST * usual, MOST * usual)
        half = half * (1 - TAPER * np.linspace(0, 1, many) ** 2)
    lift = np.minimum(arc_lengths(paths.points) / 0.01, 1)[..., None] * layer.raised
    middle = paths.points + lift * outward
    grid, own = ribbon(middle, side, along, half, layer.columns, layer.curve)
    clear = strands.anchor.collision
    points = np.ascontiguousarray(grid.reshape(-1, many, 3), np.float32)
    if style.on_skin:
        points = _out_of_skin(points, middle, layer, clear, skin)
    grid_points = points.reshape(count, layer.columns, many, 3)
    normals = unit(BENT_OUT * around.outward(grid_points) + (1 - BENT_OUT) * own)
    thin = hidden[paths.root] < THIN
    draw = random.random(len(thin))
    ends: Floats = _strip_ends(atlas, layer.strips, thin, draw if rank is None else rank)
    flip = np.less(random.random(count), 0.5)
    ends = np.where(flip[:, None], ends[:, ::-1], ends)
    share = np.linspace(0, 1, layer.columns)
    v = ends[:, :1] + share * (ends[:, 1:] - ends[:, :1])
    arc = arc_lengths(middle)
    u = U_ROOT + (U_TIP - U_ROOT) * arc / arc[:, -1:].clip(1e-6)
    uv = np.stack(np.broadcast_arrays(u[:, None], v[..., None]), -1)
    seen = around.visibility(grid_points + SEEN_FROM * around.outward(grid_points))
    cells = quads(count, layer.columns, many)
    back = np.zeros(cells.shape[:2], bool)
    if style.on_skin:
        free = _free(points, around, clear).reshape(-1) | on_end | (layer.twist > TURNED)
        back = np.asarray(free[cells].any(-1))
    # backs are cards of their own, behind: what draws both sides of everything, as Cycles does,
    # would see now the one and now the other in one place
    with_back = np.flatnonzero(back.any(1))
    sides = np.concatenate([np.arange(count), with_back])
    behind = grid_points[with_back] - BEHIND * own[with_back]
    points = np.concatenate([points, behind.reshape(-1, many, 3)]).astype(np.float32)
    columns = _columns(strands, points, np.repeat(paths.root[sides], layer.columns))
    behind_cells = quads(len(sides), layer.columns, many)[count:]
    outer = thin | (layer.strips in FRINGE)
    triangles = [
        np.concatenate(
            [fronts(cells[k]), backs(behind_cells[k[with_back]], back[with_back][k[with_back]])]
        )
        for k in (~outer, outer)
    ]
    return HairCards(
        style.name, columns, np.concatenate(triangles),
        uv[sides].reshape(-1, 2).astype(np.float32),
        normals[sides].reshape(-1, 3).astype(np.float32),
        seen[sides].reshape(-1).astype(np.float32), backed=style.on_skin, fringe=len(triangles[0]),
    )  # fmt: skip


def _strip_ends(atlas: CardAtlas, kind: str, thin: NDArray[np.bool_], draw: Floats) -> Floats:
    """Where the strips of C cards lie in the texture, [C,2] from and to, of those of a kind as
    `draw` [C] in 0..1 says; thin [C] ones are taken from the next thinner kind."""
    rows = np.array([(strip.top, strip.bottom) for strip in atlas.strips])
    usual, other = (np.array(atlas.of_kind(k)) for k in (kind, THINNER.get(kind, kind)))
    chosen = np.where(
        thin, other[(draw * len(other)).astype(int)], usual[(draw * len(usual)).astype(int)]
    )
    ends: Floats = rows[chosen]
    return ends


def _out_of_skin(
    points: Floats, middle: Floats, layer: Layer, clear: Collision, skin: Skin
) -> Floats:
    """Lines of vertices [C*columns,S,3], of cards along `middle` [C,S,3], moved out of the head."""
    pressed = clear.at(middle)[0] < PRESSED
    least = np.where(pressed, -1.0, CLEAR + max(layer.raised, 0.0))
    least = np.repeat(least, layer.columns, 0).astype(np.float32)
    push_out(points, least, clear.distance, LOW, STEP)
    depth, normal = skin.height(points[:, 0])
    depth = np.where(np.isfinite(depth), depth, 0)
    points[:, 0] -= (np.clip(depth, -0.006, 0.01) - ROOT_CLEAR)[:, None] * normal
    least[:, 0] = ROOT_CLEAR
    return lifted(points, least, skin)


def _columns(strands: Strands, points: Floats, root: Ints) -> Strands:
    """Lines of vertices [M,K,3] as strands that are bound where strand `root` [M] is."""
    collision = strands.anchor.collision
    return replace(
        strands, points=points, half_width=np.zeros(points.shape[:2], np.float32),
        triangle=strands.triangle[root], barycentric=strands.barycentric[root],
        tone=np.zeros(len(root), np.float32), kind=strands.kind[root],
        skin=collision.nearest_vertex(points),
    )  # fmt: skip


def _joined(style: CardStyle, parts: list[HairCards]) -> HairCards:
    """All layers in one mesh, inner ones first, without triangles that have no area."""
    columns = Strands.join([part.columns for part in parts])
    points = columns.points.reshape(-1, 3)
    shift = np.cumsum([0, *(len(part.vertices) for part in parts)])

    def solid(triangles: Ints) -> Ints:
        a, b, c = np.moveaxis(points[triangles], 1, 0)
        return triangles[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-10]

    inner = [solid(p.triangles[: p.fringe] + s) for p, s in zip(parts, shift, strict=False)]
    outer = [solid(p.triangles[p.fringe :] + s) for p, s in zip(parts, shift, strict=False)]
    fringe = sum(len(triangles) for triangles in inner)
    uv, normals, visibility = (
        np.concatenate([getattr(part, key) for part in parts])
        for key in ("uv", "normals", "visibility")
    )
    return HairCards(
        style.name, columns, np.concatenate([*inner, *outer]).astype(np.int32), uv, normals,
        visibility, backed=style.on_skin, soft=len(inner[0]), fringe=fringe,
    )  # fmt: skip
