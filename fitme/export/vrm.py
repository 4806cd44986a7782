"""VRM 1.0: what makes an avatar's GLB a `.vrm` file, the extension VRMC_vrm.

Written from the specification (github.com/vrm-c/vrm-specification, VRMC_vrm-1.0): humanoid bones,
expressions as weights of morph targets, looking as expressions (so that lids go along), what a
first-person view hides, and who may do what with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fitme.export.content import generator_name
from fitme.export.joints import Skeleton
from fitme.export.shapes import mixtures
from fitme.head.model import EYE_LOOK_DEGREES
from fitme.runtime.errors import InputError

_LICENCE = "https://vrm.dev/licenses/1.0/"
_PRESETS = (
    "happy", "angry", "sad", "relaxed", "surprised", "aa", "ih", "ou", "ee", "oh", "blink",
    "blinkLeft", "blinkRight", "lookUp", "lookDown", "lookLeft", "lookRight", "neutral",
)  # fmt: skip
#: Emotions move the mouth and lids too: what they do to visemes and blinks on top of them.
_OVERRIDES = {
    "happy": {"overrideMouth": "blend", "overrideBlink": "blend"},
    "surprised": {"overrideMouth": "blend"},
}
_HIDDEN = (
    "hair", "hair_fringe", "beard", "beard_fringe", "lashes", "head", "eye_L", "eye_R", "mouth",
    "teeth", "tongue",
)  # fmt: skip


def vrm_extension(skeleton: Skeleton, title: str, terms: str) -> Callable[[Any], None]:
    """What `write_glb` is to add to a file on this skeleton, `title` its name in programs and
    `terms` the licences of what it was made with. Raises InputError for a skeleton without arms and
    legs, which VRM asks for."""
    if "leftFoot" not in skeleton.standard:
        raise InputError(f"VRM needs arms and legs; --skeleton vrm has them, {skeleton.name} not")

    def extend(file: Any) -> None:
        nodes = {node.name: k for k, node in enumerate(file.nodes)}
        bones = {
            bone: {"node": nodes[name]}
            for bone, name in skeleton.standard.items()
            if name in nodes and bone != "root"
        }
        file.extensions["VRMC_vrm"] = {
            "specVersion": "1.0",
            "meta": _meta(title, terms),
            "humanoid": {"humanBones": bones},
            "firstPerson": {"meshAnnotations": _first_person(file)},
            "lookAt": _look_at(file, skeleton),
            "expressions": _expressions(file),
        }
        file.extensionsUsed.append("VRMC_vrm")

    return extend


def _meta(title: str, terms: str) -> dict[str, Any]:
    """The most careful answers, as an avatar looks like a person: its user may loosen them."""
    return {
        "name": title,
        "version": "1",
        "authors": [generator_name()],
        "licenseUrl": _LICENCE,
        "avatarPermission": "onlyAuthor",
        "allowExcessivelyViolentUsage": False,
        "allowExcessivelySexualUsage": False,
        "commercialUsage": "personalNonProfit",
        "allowPoliticalOrReligiousUsage": False,
        "allowAntisocialOrHateUsage": False,
        "creditNotation": "required",
        "allowRedistribution": False,
        "modification": "allowModification",
        "thirdPartyLicenses": terms,
    }


def _first_person(file: Any) -> list[dict[str, Any]]:
    """From inside the head only the bust is seen."""
    return [
        {"node": k, "type": "thirdPersonOnly" if _mesh(file, node) in _HIDDEN else "both"}
        for k, node in enumerate(file.nodes)
        if node.mesh is not None
    ]


def _mesh(file: Any, node: Any) -> str:
    name: str = file.meshes[node.mesh].name
    return name


def _look_at(file: Any, skeleton: Skeleton) -> dict[str, Any]:
    """Looking by expressions; full ones are what `EYE_LOOK_DEGREES` says."""
    head = skeleton.joint(skeleton.roles["head"]).place
    eyes = [skeleton.joint(skeleton.roles[eye]).place for eye in ("left_eye", "right_eye")]
    middle = (eyes[0] + eyes[1]) / 2 - head
    reach = {
        "HorizontalInner": "In", "HorizontalOuter": "Out",
        "VerticalDown": "Down", "VerticalUp": "Up",
    }  # fmt: skip
    return {
        "offsetFromHeadBone": [float(x) for x in middle],
        "type": "expression",
        **{
            f"rangeMap{way}": {"inputMaxValue": EYE_LOOK_DEGREES[word], "outputScale": 1.0}
            for way, word in reach.items()
        },
    }


def _expressions(file: Any) -> dict[str, Any]:
    """VRM's presets, and the head's own shapes as custom expressions of their names."""
    mixed = mixtures(["vrm"])
    targets = {
        k: file.meshes[node.mesh].extras.get("targetNames", [])
        for k, node in enumerate(file.nodes)
        if node.mesh is not None
    }
    own = list(dict.fromkeys(name for names in targets.values() for name in names))
    return {
        "preset": {
            name: _expression(mixed.get(name, {}), targets) | _OVERRIDES.get(name, {})
            for name in _PRESETS
        },
        "custom": {name: _expression({name: 1.0}, targets) for name in own if name not in _PRESETS},
    }


def _expression(parts: Mapping[str, float], targets: Mapping[int, list[str]]) -> dict[str, Any]:
    """Binds of a mixture to all meshes that have its parts."""
    return {
        "morphTargetBinds": [
            {"node": node, "index": names.index(part), "weight": float(weight)}
            for node, names in targets.items()
            for part, weight in parts.items()
            if part in names
        ],
        "isBinary": False,
    }
