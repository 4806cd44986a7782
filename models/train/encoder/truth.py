"""Start values as a crop's camera sees them, for photos that are cut, turned and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fitme.head.model import HeadModel
from fitme.models.encoder.starts import FACE_MIDDLE, StartLayout
from fitme.models.train.encoder.cuts import Cuts
from fitme.render.camera import rotation_towards
from fitme.render.light import fibonacci_sphere, sh_basis, sh_rotation

TONE_FLOOR = 0.01  # of linear albedo
USED = ("identity", "expression", "gaze", "K", "pose", "sh", "lamp", "tone", "code")  # of a sample


@dataclass(frozen=True)
class Mirror:
    """How numbers of a person become those of the mirror image."""

    identity: Tensor  # [K,K] from the coefficients of one to those of the other
    expression: Tensor  # [E] indices: left and right change places
    sh: Tensor  # [9] signs

    @staticmethod
    def of(head: HeadModel) -> Mirror:
        """For a head. The identity components are closed under mirroring up to what least
        squares over the skin leave."""
        flip = head.mean.new_tensor([-1.0, 1.0, 1.0])
        skin = head.part_vertices(head.skin.name)
        columns = head.identity[:, skin].flatten(1).double()  # [K,3V]
        mirrored = (head.identity[:, head.mirror[skin]] * flip).flatten(1).double()
        identity = torch.linalg.solve(columns @ columns.T, columns @ mirrored.T)
        names = list(head.expression_names)
        expression = torch.tensor([names.index(_other_side(name, names)) for name in names])
        directions = fibonacci_sphere(32)
        signs = (sh_basis(directions) * sh_basis(directions * flip)).sum(0).sign()
        return Mirror(identity.float(), expression, signs)

    def to(self, device: torch.device) -> Mirror:
        return Mirror(*(x.to(device) for x in vars(self).values()))


def _other_side(name: str, names: list[str]) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side) and name.removesuffix(side) + other in names:
            return name.removesuffix(side) + other
    return {"jawLeft": "jawRight", "jawRight": "jawLeft",
            "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}.get(name, name)  # fmt: skip


def mirrored_truth(truth: dict[str, Tensor], flags: Tensor, mirror: Mirror) -> dict[str, Tensor]:
    """Numbers of B samples, those with flags [B] as of the mirror image. A mirrored code of W is
    not known."""
    flip = torch.diag(truth["pose"].new_tensor([-1.0, 1.0, 1.0, 1.0]))
    gaze = truth["gaze"].view(-1, 2, 2).flip(1) * truth["gaze"].new_tensor([1.0, -1.0])
    sides = truth["lamp"].new_tensor([-1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    other = {
        "identity": truth["identity"] @ mirror.identity.T,
        "expression": truth["expression"][:, mirror.expression],
        "gaze": gaze.flatten(1),
        "pose": flip @ truth["pose"] @ flip,
        "sh": truth["sh"] * mirror.sh[:, None],
        "lamp": truth["lamp"] * sides,
        "code": torch.full_like(truth["code"], torch.nan),
    }
    chosen = dict(truth)
    for name, value in other.items():
        where = flags.view(-1, *(1,) * (value.ndim - 1))
        chosen[name] = torch.where(where, value, truth[name])
    return chosen


def start_values(
    truth: dict[str, Tensor], cuts: Cuts, side: int, layout: StartLayout, mirror: Mirror
) -> tuple[Tensor, Tensor]:
    """Start values [B,M] in the network's units, and which are known [B,M], of samples whose
    photos of `side` pixels are cut by `cuts`. The camera is turned to the middle of the face."""
    a = mirrored_truth(truth, cuts.mirrored, mirror)
    matrix = cuts.matrix
    zoom = torch.linalg.det(matrix[:, :, :2]).abs().sqrt()
    sign = torch.where(cuts.mirrored, -1.0, 1.0)
    turn = torch.zeros(len(zoom), 3, 3, device=zoom.device)
    turn[:, 0, 0] = turn[:, 1, 1] = sign * matrix[:, 0, 0] / zoom
    turn[:, 1, 0] = sign * matrix[:, 1, 0] / zoom
    turn[:, 0, 1] = -turn[:, 1, 0]
    turn[:, 2, 2] = 1.0
    pose = turn @ a["pose"][:, :3, :3]
    face = pose.new_tensor(FACE_MIDDLE)
    middle = pose @ face + (turn @ a["pose"][:, :3, 3:])[..., 0]
    pose = rotation_towards(middle).mT @ pose
    lamp = a["lamp"][:, :3] * a["lamp"][:, 3:].mean(1, keepdim=True)
    values = {
        "identity": a["identity"], "expression": a["expression"], "gaze": a["gaze"],
        "rotation": pose[:, :2].flatten(1),
        "focal": (a["K"][:, :1, 0] * zoom[:, None] / side).log(),
        "distance": middle.norm(dim=1, keepdim=True).log(),
        "sh": (sh_rotation(pose) @ a["sh"]).flatten(1),
        "lamp": (pose @ lamp[..., None])[..., 0],
        "tone": a["tone"].clamp_min(TONE_FLOOR).log(),
        "code": a["code"][:, : layout.code],
    }  # fmt: skip
    joined = torch.cat([values[name] for name, _, _ in layout.entries], 1)
    known = joined.isfinite()
    return torch.where(known, joined, torch.zeros_like(joined)) / layout.scale().to(joined), known
