"""The skeletons that files can have, by the names that engines and their users know.

`plain` is the head alone: root, neck, head, jaw, leftEye, rightEye. The others stand on the floor:
below the neck is a body of plain joints, an adult of average proportions in a T pose, for whatever
moves or asks for them. `mixamo` and `unreal` have the spine, `rpm` and `vrm` all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fitme.export.anatomy import Anatomy
from fitme.export.joints import Floats, Joint, Skeleton
from fitme.runtime.errors import InputError, show_path

#: Metres that the head is lifted by on a body: eyes at 1.64, the crown at 1.75, hips at 1.
RAISED = 1.6
_SIDES = ("left", "right")
_FINGERS = {  # metres from the wrist outwards, to the front, and lengths between the joints
    "Thumb": (0.03, 0.025, 0.035, 0.03),
    "Index": (0.09, 0.025, 0.04, 0.025),
    "Middle": (0.09, 0.005, 0.045, 0.028),
    "Ring": (0.085, -0.015, 0.04, 0.026),
    "Little": (0.08, -0.033, 0.03, 0.02),
}
_TRUNK = ("hips", "spine", "chest", "upperChest")
_HEAD = ("neck", "head", "jaw", "leftEye", "rightEye")
_ROLES = {
    "neck": "neck", "head": "head", "jaw": "jaw", "left_eye": "leftEye", "right_eye": "rightEye",
}  # fmt: skip


@dataclass(frozen=True)
class _Style:
    """How joints are named: `names` of VRM's bones; the others are what `_limb` says."""

    names: Mapping[str, str] = field(default_factory=dict)
    limbs: str = ""  # how arms and legs are named: rpm, vrm, or none
    root: str | None = None  # a joint on the floor above the hips
    along: bool = False  # y along arms and legs, as Mixamo has it, instead of the world's axes
    scene: str | None = None
    mesh_names: Mapping[str, str] = field(default_factory=dict)


_MIXAMO = {
    "hips": "Hips", "spine": "Spine", "chest": "Spine1", "upperChest": "Spine2", "neck": "Neck",
    "head": "Head", "jaw": "Jaw", "leftEye": "LeftEye", "rightEye": "RightEye",
}  # fmt: skip
_STYLES = {
    "plain": _Style(),
    "mixamo": _Style(_MIXAMO, along=True, scene="Armature"),
    "unreal": _Style(
        {
            "hips": "pelvis", "spine": "spine_01", "chest": "spine_02", "upperChest": "spine_03",
            "neck": "neck_01", "leftEye": "eye_l", "rightEye": "eye_r",
        }, root="root",
    ),
    "rpm": _Style(
        _MIXAMO, limbs="rpm", along=True, scene="Armature",
        mesh_names={
            "head": "Wolf3D_Head", "teeth": "Wolf3D_Teeth", "eye_L": "EyeLeft",
            "eye_R": "EyeRight", "hair": "Wolf3D_Hair", "beard": "Wolf3D_Beard",
            "bust": "Wolf3D_Outfit_Top",
        },
    ),
    "vrm": _Style(limbs="vrm"),
}  # fmt: skip
SKELETONS = ("none", *_STYLES)

_RPM_LIMBS = {
    "Shoulder": "Shoulder", "UpperArm": "Arm", "LowerArm": "ForeArm", "Hand": "Hand",
    "UpperLeg": "UpLeg", "LowerLeg": "Leg", "Foot": "Foot", "Toes": "ToeBase",
}  # fmt: skip


def check_skeleton(name: str) -> str:
    """The name. Raises InputError unless it is one of SKELETONS."""
    if name not in SKELETONS:
        raise InputError(f"--skeleton {show_path(name)}: give {', '.join(SKELETONS)}")
    return name


def make_skeleton(name: str, joints: Anatomy) -> Skeleton:
    """The skeleton of a person. Raises InputError for a name that is none of SKELETONS."""
    style = _STYLES[check_skeleton(name)]
    body = name != "plain"
    lift = np.array([0.0, RAISED if body else 0.0, 0.0])
    eyes = joints.eyes if len(joints.eyes) == 2 else (joints.head, joints.head)
    places = dict(zip(_HEAD, (joints.neck, joints.head, joints.jaw, *eyes), strict=True))
    rows: list[tuple[str, str | None, Floats, Floats]] = []
    if body:
        if style.root:
            rows.append((style.root, None, np.zeros(3), np.eye(3)))
        rows += _trunk(places["neck"] + lift, style.root)
    else:
        rows.append(("root", None, np.zeros(3), np.eye(3)))
    above = {"neck": "upperChest" if body else "root", "head": "neck"}
    rows += [(k, above.get(k, "head"), place + lift, np.eye(3)) for k, place in places.items()]
    if style.limbs:
        rows += _limbs(style.along)
    called = {k: _called(k, style) for k, *_ in rows}
    made = tuple(
        Joint(called[k], None if parent is None else called[parent], place, axes)
        for k, parent, place, axes in rows
    )
    roles = {role: called[k] for role, k in _ROLES.items()} | {"chest": called[above["neck"]]}
    return Skeleton(
        name, made, roles, called, float(lift[1]), style.scene, style.mesh_names or None
    )


def _trunk(neck: Floats, root: str | None) -> list[tuple[str, str | None, Floats, Floats]]:
    """Hips at a metre, and three vertebrae evenly up to the neck, bent as a back is."""
    hips = np.array([0.0, 1.0, 0.0])
    behind = (0.0, -0.005, -0.02, -0.03)  # metres behind the hips
    rows: list[tuple[str, str | None, Floats, Floats]] = []
    parent = root
    for k, name in enumerate(_TRUNK):
        up = hips[1] + (neck[1] - hips[1]) * (0.0, 0.2, 0.45, 0.72)[k]
        rows.append((name, parent, np.array([0.0, up, behind[k]]), np.eye(3)))
        parent = name
    return rows


def _limbs(along: bool) -> list[tuple[str, str | None, Floats, Floats]]:
    """Arms stretched to the sides, legs straight; metres of an adult of 1.75."""
    rows: list[tuple[str, str | None, Floats, Floats]] = []
    for word, x in zip(_SIDES, (1.0, -1.0), strict=True):
        # Mixamo's frames: y along the bone, in arms z down, in legs z to the front.
        arm = np.array([[0, x, 0], [0, 0, -1], [-x, 0, 0]], float) if along else np.eye(3)
        leg = np.diag([-1.0, -1.0, 1.0]) if along else np.eye(3)
        foot = leg @ _about_x(1.1) if along else leg
        toes = leg @ _about_x(1.57) if along else leg
        chains = (
            ("upperChest", (("Shoulder", (0.03, 1.43, -0.02), arm),
                            ("UpperArm", (0.165, 1.42, -0.03), arm),
                            ("LowerArm", (0.44, 1.42, -0.03), arm),
                            ("Hand", (0.69, 1.42, -0.03), arm))),
            ("hips", (("UpperLeg", (0.09, 0.95, 0.0), leg), ("LowerLeg", (0.09, 0.52, 0.005), leg),
                      ("Foot", (0.09, 0.09, -0.02), foot), ("Toes", (0.09, 0.02, 0.1), toes))),
        )  # fmt: skip
        for start, chain in chains:
            parent = start
            for bone, (out, up, front), axes in chain:
                rows.append((word + bone, parent, np.array([x * out, up, front]), axes))
                parent = word + bone
        for finger, (out, front, first, second) in _FINGERS.items():
            parent, at = f"{word}Hand", 0.69 + out
            thumb = ("Metacarpal", "Proximal", "Distal")
            other = ("Proximal", "Intermediate", "Distal")
            for bone, more in zip(
                thumb if finger == "Thumb" else other, (0.0, first, second), strict=True
            ):
                at += more
                place = np.array([x * at, 1.42, -0.03 + front])
                rows.append((f"{word}{finger}{bone}", parent, place, arm))
                parent = f"{word}{finger}{bone}"
    return rows


def _about_x(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _called(bone: str, style: _Style) -> str:
    """What a style calls one of VRM's bones."""
    if bone in style.names or style.limbs != "rpm":
        return style.names.get(bone, bone)
    word = next(side for side in _SIDES if bone.startswith(side))
    rest = bone.removeprefix(word)
    if rest in _RPM_LIMBS:
        return word.capitalize() + _RPM_LIMBS[rest]
    finger = next(name for name in _FINGERS if rest.startswith(name))
    bones = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else (
        "Proximal", "Intermediate", "Distal")  # fmt: skip
    number = bones.index(rest.removeprefix(finger)) + 1
    word_of = {"Little": "Pinky"}.get(finger, finger)
    return f"{word.capitalize()}Hand{word_of}{number}"
