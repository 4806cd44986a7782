"""Which morph targets a file gets: some of the head's, and mixtures of them for talking heads.

`oculus`: the 15 visemes of Oculus/Meta LipSync, as Ready Player Me heads and TalkingHead name them.
`vrm`: the expressions of VRM 1.0. The mixtures are the project's own, from how each sound is spoken
(lips together, teeth on the lip, tongue up, rounded, spread) and looked at on a fitted head; morph
targets add up, so a mixture is exactly the sum of its parts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fitme.export.mesh import ExportMesh
from fitme.runtime.errors import InputError, show_path

Mixture = Mapping[str, float]
SETS = ("oculus", "vrm")


def _both(**weights: float) -> dict[str, float]:
    """The same weight on both sides of the face."""
    return {f"{name}{side}": w for name, w in weights.items() for side in ("Left", "Right")}


_AA = {"jawOpen": 0.5} | _both(mouthLowerDown=0.25, mouthUpperUp=0.15)
_E = {"jawOpen": 0.22} | _both(
    mouthStretch=0.25, mouthSmile=0.2, mouthLowerDown=0.3, mouthUpperUp=0.2
)
_I = {"jawOpen": 0.12} | _both(
    mouthStretch=0.3, mouthSmile=0.35, mouthLowerDown=0.3, mouthUpperUp=0.2
)
_O = {"jawOpen": 0.3, "mouthFunnel": 0.55, "mouthPucker": 0.2}
_U = {"jawOpen": 0.1, "mouthFunnel": 0.3, "mouthPucker": 0.65}

_OCULUS: dict[str, Mixture] = {
    "viseme_sil": {},
    "viseme_PP": {"mouthRollLower": 0.3, "mouthRollUpper": 0.3} | _both(mouthPress=0.5),
    "viseme_FF": {"jawOpen": 0.06, "mouthRollLower": 0.5} | _both(mouthUpperUp=0.3),
    "viseme_TH": {"jawOpen": 0.16, "tongueOut": 0.3} | _both(mouthLowerDown=0.25, mouthUpperUp=0.2),
    "viseme_DD": {"jawOpen": 0.12} | _both(mouthLowerDown=0.35, mouthUpperUp=0.2, mouthStretch=0.1),
    "viseme_kk": {"jawOpen": 0.2} | _both(mouthLowerDown=0.3, mouthUpperUp=0.2, mouthStretch=0.15),
    "viseme_CH": {"jawOpen": 0.08, "mouthFunnel": 0.5, "mouthPucker": 0.1}
    | _both(mouthLowerDown=0.2, mouthUpperUp=0.15),
    "viseme_SS": {"jawOpen": 0.04}
    | _both(mouthStretch=0.35, mouthLowerDown=0.35, mouthUpperUp=0.2),
    "viseme_nn": {"jawOpen": 0.12} | _both(mouthLowerDown=0.25, mouthUpperUp=0.15),
    "viseme_RR": {"jawOpen": 0.12, "mouthFunnel": 0.3, "mouthPucker": 0.25},
    "viseme_aa": _AA, "viseme_E": _E, "viseme_I": _I, "viseme_O": _O, "viseme_U": _U,
}  # fmt: skip

_VRM: dict[str, Mixture] = {
    "aa": _AA, "ih": _I, "ou": _U, "ee": _E, "oh": _O,
    "blink": _both(eyeBlink=1.0),
    "blinkLeft": {"eyeBlinkLeft": 1.0}, "blinkRight": {"eyeBlinkRight": 1.0},
    "happy": _both(mouthSmile=0.8, cheekSquint=0.5, eyeSquint=0.3),
    "angry": _both(browDown=1.0, eyeSquint=0.4, noseSneer=0.3, mouthPress=0.4, mouthFrown=0.3),
    "sad": {"browInnerUp": 0.9, "mouthShrugLower": 0.3} | _both(mouthFrown=0.7, eyeBlink=0.15),
    "relaxed": {"browInnerUp": 0.1} | _both(mouthSmile=0.3, eyeBlink=0.2),
    "surprised": {"browInnerUp": 0.8, "jawOpen": 0.35} | _both(browOuterUp=0.8, eyeWide=0.8),
    "lookUp": _both(eyeLookUp=1.0), "lookDown": _both(eyeLookDown=1.0),
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}  # fmt: skip


def mixtures(sets: Sequence[str]) -> dict[str, Mixture]:
    """Weights of the head's shapes by the names of the targets of some of SETS."""
    known = {"oculus": _OCULUS, "vrm": _VRM}
    return {name: mixed for one in sets for name, mixed in known[one].items()}


def read_sets(text: str) -> tuple[str, ...]:
    """SETS of "oculus", "vrm", "all" or "none". Raises InputError for another word."""
    words = {"all": SETS, "none": (), **{name: (name,) for name in SETS}}
    if text not in words:
        raise InputError(f"--visemes {show_path(text)}: give {', '.join(SETS)}, all or none")
    return words[text]


def chosen_shapes(
    names: Sequence[str], shapes: Sequence[str] | None, sets: Sequence[str]
) -> list[str]:
    """The targets of a file: `shapes` of the head's `names` in their order (all if None), then the
    mixtures that the head has all parts of. Raises InputError for a shape that it has not."""
    for shape in shapes or ():
        if shape not in names:
            close = difflib.get_close_matches(shape, names, 3, 0.4)
            like = f"did you mean {', '.join(close)}?" if close else "see `fitme head info`"
            raise InputError(f"--shapes: the head has no expression {show_path(shape)}; {like}")
    kept = [name for name in names if shapes is None or name in shapes]
    return kept + [name for name, parts in mixtures(sets).items() if parts.keys() <= set(names)]


def with_shapes(mesh: ExportMesh, names: Sequence[str]) -> ExportMesh:
    """The mesh with those morph targets of `chosen_shapes` that move it, in their order."""
    own, mixed = mesh.morph_targets, mixtures(SETS)
    targets = {}
    for name in names:
        if name in own:
            targets[name] = own[name]
        elif name in mixed and own:
            parts = [weight * own[part] for part, weight in mixed[name].items() if part in own]
            targets[name] = sum(parts, np.zeros_like(mesh.vertices))
            if not parts and not (name == "viseme_sil" and "jawOpen" in own):
                del targets[name]
    return replace(mesh, morph_targets=targets)
