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
from fitme.hair.card_lift import Skin, lifted
from fitme.hair.card_paths import Paths, group_paths, stray_paths
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
COVER = 1.75  # half-width of a card in standard deviations of its strands: cards overlap
TAPER = 0.3  # share of its width that a card loses towards the tip
THIN = 0.9  # of the skin hidden by roots: where less is, at hairlines, strips are thinner
THINNER = {"dense": "sparse", "medium": "sparse", "sparse": "wispy"}
ON_END = 0.75  # mean cosine between hair and the way outwards from which on it stands
BACKED_QUADS = 4.0  # along a card of such hair
UPRIGHT = 0.93  # of its height that it keeps then
BOWED = 0.55  # of a card's length that its tip is bent aside: on end one would look in between
LEAST_BACKED = 0.03  # metres of hair; of shorter one no back is seen
BENT_OUT = 0.72  # share of the hair's outside in the normals, the rest is the card's own


@dataclass(frozen=True)
class Layer:
    """One layer of cards. Lengths in metres, angles in degrees."""

    strips: str  # kind of strip
    share: float  # of the triangles
    columns: int  # vertices across
    raised: float  # from where the strands are
    twist: float  # standard deviation about the hair's direction
    curve: float  # of the half-width that the edges are bent down
    outer: float = 0.0  # share of the strands, the inner ones, that are left out
    single: float = 0.0  # half-width where a card is one strand
    cover: float = COVER  # half-width otherwise, in standard deviations of the card's strands


@dataclass(frozen=True)
class CardStyle:
    """How cards are cut from one sort of strands."""

    name: str
    layers: tuple[Layer, ...]
    triangles: int  # about how many at full detail
    segment: float  # metres of hair per quad
    most: int  # quads along a card
    least_half: float  # metres
    facing: tuple[float, float, float] | None = None  # instead of outwards
    on_skin: bool = True  # kept out of it


HAIR_CARDS = CardStyle(
    "hair",
    (
        Layer("dense", 0.32, 3, -0.0012, 4.0, 0.25),
        Layer("medium", 0.42, 2, 0.0004, 5.0, 0.0),
        Layer("sparse", 0.16, 2, 0.0014, 9.0, 0.0, outer=0.5),
        Layer("wispy", 0.10, 2, 0.0, 40.0, 0.0, single=0.0012),
    ),
    18000, 0.016, 15, 0.0012,
)  # fmt: skip
STANDING = (  # layers of hair that stands on end, such as an afro: between its tips one looks in
    Layer("medium", 0.35, 2, -0.012, 15.0, 0.0),
    Layer("sparse", 0.50, 2, 0.0, 25.0, 0.0),
    Layer("wispy", 0.15, 2, 0.001, 40.0, 0.0, single=0.004),
)
BEARD_CARDS = CardStyle(
    "beard",
    (
        Layer("dense", 0.5, 2, 0.0, 12.0, 0.0),
        Layer("medium", 0.35, 2, 0.0004, 25.0, 0.0),
        Layer("sparse", 0.15, 2, 0.0008, 35.0, 0.0, outer=0.4),
    ),
    6000, 0.010, 4, 0.0010,
)  # fmt: skip


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
    # back sides have triangles of their own: renderers that draw both sides of one turn its normals
    # round, but those of hair that stands on end are the same on both
    backed: bool = False
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
    detail: float = 1.0, smooth: float = 0.0,
) -> HairCards:  # fmt: skip
    """Cards of strands on the mean head, whose textures are the strips of `atlas`.

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
    wanted = style.most if smooth > 0 and length / smooth < style.most / 3 else length / (
        style.segment
    )  # fmt: skip
    backed = bool(_stands(strands, around) > ON_END and length > LEAST_BACKED and style.on_skin)
    if backed:
        wanted = min(wanted, BACKED_QUADS)
    quads = int(np.clip(np.ceil(wanted * detail**0.4), 1, style.most))
    window = round(smooth / max(length, 1e-6) * strands.points.shape[1])
    height = _height(strands)
    parts = []
    for layer in STANDING if backed else style.layers:
        each = 2 * (layer.columns - 1) * quads * (1 + backed)
        count = max(int(style.triangles * detail * layer.share / each), 1)
        if layer.single > 0:
            # at a hairline it would seem a scratch on the skin
            inner = np.flatnonzero(hidden >= THIN)
            inner = inner if len(inner) else np.arange(len(strands))
            paths = stray_paths(strands.take(inner.astype(np.int32)), count, quads + 1, random)
            paths = replace(paths, root=inner[paths.root].astype(np.int32))
        else:
            chosen = np.flatnonzero(height >= np.quantile(height, layer.outer))
            own = strands.take(chosen.astype(np.int32))
            normals = around.outward(own.points[:, 0])
            paths = group_paths(own, normals, count, quads + 1, window, random)
            paths = replace(paths, root=chosen[paths.root].astype(np.int32))
        if backed:
            paths = replace(paths, points=_bowed(paths.points, random))
        parts.append(
            _layer_cards(strands, paths, layer, style, atlas, (around, skin, hidden), random)
        )
    cards = _joined(style.name, parts)
    if not backed:
        return cards
    both = np.concatenate([cards.triangles, cards.triangles[:, ::-1]])
    return replace(cards, triangles=np.ascontiguousarray(both), backed=True)


def _stands(strands: Strands, around: Surroundings) -> float:
    """How far hair points outwards in its middle, 1: as a brush does."""
    k = strands.points.shape[1] // 2
    way = unit(strands.points[:, k] - strands.points[:, 0])
    return float((way * around.outward(strands.points[:, k])).sum(-1).mean())


def _bowed(points: Floats, random: np.random.Generator) -> Floats:
    """Lines [C,S,3] that stand on end, bent over to any side so that they end along the outside of
    the hair."""
    t = np.linspace(0, 1, points.shape[1], dtype=np.float32)[:, None]
    reach = points[:, -1:] - points[:, :1]
    side = np.cross(reach[:, 0], random.standard_normal((len(points), 3)))
    aside = unit(side)[:, None] * np.linalg.norm(reach, axis=-1, keepdims=True)
    bent: Floats = points[:, :1] + UPRIGHT * reach * (1 - (1 - t) ** 2) + BOWED * aside * t**2
    return bent.astype(np.float32)


def _height(strands: Strands) -> Floats:
    """How far outside each strand [N] lies, metres."""
    some = strands.points[:, strands.points.shape[1] // 2 :: 3]
    return strands.anchor.collision.at(some)[0].mean(1)


def _layer_cards(
    strands: Strands, paths: Paths, layer: Layer, style: CardStyle, atlas: CardAtlas,
    scene: tuple[Surroundings, Skin, Floats], random: np.random.Generator,
) -> HairCards:  # fmt: skip
    """The cards of one layer; `scene` is what is around, the skin, and how much of it each root
    [N] helps to hide."""
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
        half = half.clip(0.5 * usual, 1.8 * usual)
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
    ends: Floats = _strip_ends(atlas, layer.strips, hidden[paths.root] < THIN, random)
    flip = np.less(random.random(count), 0.5)
    ends = np.where(flip[:, None], ends[:, ::-1], ends)
    share = np.linspace(0, 1, layer.columns)
    v = ends[:, :1] + share * (ends[:, 1:] - ends[:, :1])
    arc = arc_lengths(middle)
    u = U_ROOT + (U_TIP - U_ROOT) * arc / arc[:, -1:].clip(1e-6)
    uv = np.stack(np.broadcast_arrays(u[:, None], v[..., None]), -1)
    columns = _columns(strands, points, np.repeat(paths.root, layer.columns))
    return HairCards(
        style.name, columns, _grid_triangles(count, layer.columns, many),
        uv.reshape(-1, 2).astype(np.float32), normals.reshape(-1, 3).astype(np.float32),
        around.visibility(grid_points).reshape(-1).astype(np.float32),
    )  # fmt: skip


def _strip_ends(
    atlas: CardAtlas, kind: str, thin: NDArray[np.bool_], random: np.random.Generator
) -> Floats:
    """Where the strips of C cards lie in the texture, [C,2] from and to; thin [C] ones are taken
    from the next thinner kind."""
    draw = random.random(len(thin))
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


def _grid_triangles(count: int, columns: int, many: int) -> Ints:
    """Two triangles per quad of `count` cards, counter-clockwise seen from outside."""
    card, column, k = np.meshgrid(
        np.arange(count), np.arange(columns - 1), np.arange(many - 1), indexing="ij"
    )
    a = (card * columns + column) * many + k
    b, c, d = a + 1, a + many, a + many + 1
    quads = np.stack([a, b, d, a, d, c], -1).reshape(-1, 3)
    return quads.astype(np.int32)


def _joined(name: str, parts: list[HairCards]) -> HairCards:
    """All layers in one mesh, without triangles that have no area."""
    shift = np.cumsum([0, *(len(part.vertices) for part in parts)])
    triangles = np.concatenate([p.triangles + s for p, s in zip(parts, shift, strict=False)])
    columns = Strands.join([part.columns for part in parts])
    corners = columns.points.reshape(-1, 3)[triangles]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    uv, normals, visibility = (
        np.concatenate([getattr(part, key) for part in parts])
        for key in ("uv", "normals", "visibility")
    )
    return HairCards(
        name, columns, triangles[area > 1e-10].astype(np.int32), uv, normals, visibility
    )
