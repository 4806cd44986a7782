"""Random styles: what people wear, in shares that make a fair training set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fitme.hair.styles import PRESETS, BeardStyle, BrowStyle, HairStyle

# shares of the presets that a draw starts from; then everything is varied
SHARES = {
    "buzz": 5, "crop": 10, "side_part": 11, "swept_back": 6, "quiff": 6, "bob": 7, "fringe_bob": 6,
    "long_straight": 11, "long_wavy": 11, "curly": 7, "afro": 4, "pony_tail": 6, "bun": 3,
    "braids": 2, "cornrows": 2, "receding": 5, "ring": 4, "eye_sweep": 5,
}  # fmt: skip


def draw_style(random: np.random.Generator) -> HairStyle:
    """One style; two draws share hardly anything but the kind they begin with."""
    names = list(SHARES)
    weights = np.array([SHARES[name] for name in names], float)
    style = PRESETS[str(random.choice(names, p=weights / weights.sum()))]
    return vary(style, random)


def vary(style: HairStyle, random: np.random.Generator, amount: float = 1.0) -> HairStyle:
    """A style near another: lengths by a third, everything else by a good part of its range."""

    def factor(spread: float) -> float:
        return float(np.exp(amount * spread * random.standard_normal()))

    def share(value: float, spread: float) -> float:
        return float(np.clip(value + amount * spread * random.standard_normal(), 0.0, 1.0))

    size = factor(0.25)
    style = replace(
        style,
        top=style.top * size * factor(0.15), sides=style.sides * size * factor(0.2),
        back=style.back * size * factor(0.15), nape=style.nape * size * factor(0.2),
        layers=share(style.layers, 0.12), swept_back=share(style.swept_back, 0.15),
        forward=share(style.forward, 0.15), lift=share(style.lift, 0.12),
        volume=style.volume * factor(0.3), weight=style.weight * factor(0.2),
        hold=share(style.hold, 0.1), clumps=max(1, int(style.clumps * factor(0.5))),
        tightness=share(style.tightness, 0.2), frizz=share(style.frizz, 0.15),
        flyaways=share(style.flyaways, 0.2), face=share(style.face, 0.3),
        front=float(random.random()), raised=0.007 * float(random.standard_normal()) + style.raised,
        recession=share(style.recession, 0.2), peak=float(random.random() ** 2),
        low_nape=0.006 * float(random.standard_normal()) + style.low_nape,
        fade=share(style.fade, 0.15) if style.fade else 0.0, density=share(style.density, 0.08),
        thickness=factor(0.15), fringe=style.fringe * factor(0.2),
        fringe_width=style.fringe_width * factor(0.2),
        fringe_sweep=float(np.clip(style.fringe_sweep + 0.4 * random.standard_normal(), -1, 1)),
        tail=style.tail * factor(0.25),
        tie_height=style.tie_height + 0.02 * float(random.standard_normal()),
    )  # fmt: skip
    if style.hem is not None:
        style = replace(style, hem=style.hem + 0.02 * float(random.standard_normal()))
    if style.part is not None and style.tie != "braids":
        side = float(random.choice([-1.0, 1.0]))
        off = abs(style.part) + 0.012 * float(random.standard_normal())
        style = replace(style, part=side * off, fringe_sweep=-side * abs(style.fringe_sweep))
    return _waved(style, random)


def _waved(style: HairStyle, random: np.random.Generator) -> HairStyle:
    """Another course of the single hair for some, tucked behind the ears for some, a fringe."""
    long = style.top > 0.15 and style.tie == "none"
    if style.curl_radius > 0:
        radius = style.curl_radius * float(np.exp(0.3 * random.standard_normal()))
        turns = style.curl_turns * float(np.exp(0.2 * random.standard_normal()))
        style = replace(style, curl_radius=radius, curl_turns=turns)
    elif random.random() < (0.45 if style.top > 0.05 else 0.2) and style.tie == "none":
        radius = float(random.uniform(0.001, 0.006)) * min(1.0, style.top / 0.1)
        turns = float(random.uniform(8, 28))
        style = replace(style, curl_radius=radius, curl_turns=turns)
    if long and random.random() < 0.25:
        style = replace(style, tuck=float(random.uniform(0.3, 1.0)), face=0.0)
    if long and style.fringe == 0 and random.random() < 0.2:
        width = float(random.uniform(15, 45))
        style = replace(style, fringe=float(random.uniform(0.05, 0.16)), fringe_width=width)
    return style


def draw_beard(random: np.random.Generator) -> BeardStyle:
    """One beard, from stubble to long; whether a person wears one is the caller's draw."""
    kind = str(
        random.choice(
            ["stubble", "short", "full", "long", "goatee", "moustache", "circle"],
            p=[0.26, 0.18, 0.2, 0.07, 0.1, 0.11, 0.08],
        )
    )
    base = {
        "stubble": (0.0015, 0.0035), "short": (0.004, 0.009), "full": (0.010, 0.022),
        "long": (0.03, 0.09), "goatee": (0.006, 0.03), "moustache": (0.004, 0.008),
        "circle": (0.004, 0.014),
    }[kind]  # fmt: skip
    size = float(random.uniform(*base))
    has_cheeks = float(kind in ("stubble", "short", "full", "long"))
    has_chin = float(kind != "moustache")
    bare_lip = kind == "goatee" and random.random() < 0.6
    return BeardStyle(
        chin=size, cheeks=min(size * float(random.uniform(0.5, 0.9)), 0.03),
        moustache=min(size * float(random.uniform(0.7, 1.1)), 0.014) if kind != "moustache" else
        float(random.uniform(0.006, 0.018)),
        sideburns=min(size, 0.008), neck=min(0.4 * size, 0.006),
        has_chin=has_chin, has_cheeks=has_cheeks,
        has_moustache=0.0 if bare_lip else 1.0,
        has_soul_patch=float(kind != "moustache" or random.random() < 0.2),
        density=float(random.uniform(0.45, 1.0)), patchy=float(random.random() ** 2),
        curl_radius=float(random.uniform(0, 0.0025)), curl_turns=float(random.uniform(30, 110)),
        frizz=float(random.uniform(0.1, 0.8)), tidy=float(random.random()),
        part=float(random.random()),
    )  # fmt: skip


def draw_brows(random: np.random.Generator) -> BrowStyle:
    """One pair of brows, plucked to bushy, with its lashes."""
    bushy = float(random.random())
    return BrowStyle(
        density=float(np.clip(0.35 + 0.6 * bushy + 0.15 * random.standard_normal(), 0.15, 1.3)),
        length=float(0.006 + 0.005 * bushy * random.random()),
        thickness=float(np.exp(0.2 * random.standard_normal())),
        mess=float(0.9 * bushy * random.random()),
        taper=float(random.random()),
        narrow=float(random.choice([0.0, random.random()], p=[0.6, 0.4])),
        lash_length=float(random.uniform(0.005, 0.011)),
        lash_density=float(random.uniform(0.3, 1.0)),
    )  # fmt: skip
