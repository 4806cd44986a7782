"""The head's landmark points in a photo, and their derivatives, in double precision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fitme.head.model import HeadModel, gaze_rotation
from fitme.head.parts import Role
from fitme.render.camera import axis_angle_to_matrix
from fitme.runtime.errors import FitmeError

#: Upper and lower inner lip; with upper and lower lids of both eyes (MediaPipe indices).
LIP_OPENINGS = ((13, 14), (82, 87), (312, 317))
OPENINGS = (
    *LIP_OPENINGS,
    (159, 145), (160, 144), (158, 153), (386, 374), (385, 380), (387, 373),
)  # fmt: skip
IRIS = slice(468, 478)
NEAREST_M = 0.05  # a point of the head is never nearer to the camera's plane than this


@dataclass(frozen=True)
class Layout:
    """Where each unknown lies in the parameter vector."""

    identity: int
    expression: int

    @cached_property
    def slices(self) -> dict[str, slice]:
        out, start = {}, 0
        for name, size in (
            ("rotation", 3), ("translation", 3), ("focal", 1), ("gaze", 4),
            ("identity", self.identity), ("expression", self.expression),
        ):  # fmt: skip
            out[name] = slice(start, start + size)
            start += size
        return out

    @property
    def size(self) -> int:
        return 11 + self.identity + self.expression


class LandmarkModel:
    """The head model restricted to its landmark points, and to other `surface` points after them:
    triangles [M] and barycentric coordinates [M, 3]."""

    def __init__(self, head: HeadModel, surface: tuple[Tensor, Tensor] | None = None) -> None:
        if not len(head.landmark_triangles):
            raise FitmeError("this head model has no landmarks; tie them first")
        self.head = head
        self.layout = Layout(head.identity.shape[0], head.expression.shape[0])
        triangles, barycentric = head.landmark_triangles, head.landmark_barycentric
        if surface is not None:
            triangles = torch.cat([triangles, surface[0]])
            barycentric = torch.cat([barycentric, surface[1]])
        corners = head.triangles[triangles]  # [N, 3]
        bary = barycentric[..., None].double()
        self.mean = (head.mean[corners].double() * bary).sum(1)  # [N, 3]
        self.identity = (head.identity[:, corners].double() * bary).sum(2)  # [K, N, 3]
        self.expression = (head.expression[:, corners].double() * bary).sum(2)
        self.ring_mean = head.mean[head.eye_ring].double().mean(1)  # [2, 3]
        self.ring_identity = head.identity[:, head.eye_ring].double().mean(2)  # [K, 2, 3]
        part = head.part[triangles]
        self.eyes = [part == eye.index for eye in head.parts_with(Role.EYE)]

    def points(self, identity: Tensor, expression: Tensor, gaze: Tensor) -> Tensor:
        """Landmarks [N, 3] from [K], [E] and gaze [2, 2]."""
        return self.turn_eyes(*self.straight(identity, expression), gaze)

    def straight(self, identity: Tensor, expression: Tensor) -> tuple[Tensor, Tensor]:
        """Landmarks [N, 3] with the eyes straight ahead, and the eyes' centres [2, 3]."""
        points = self.mean + (identity @ self.identity.flatten(1)).view(-1, 3)
        points = points + (expression @ self.expression.flatten(1)).view(-1, 3)
        return points, self.ring_mean + (identity @ self.ring_identity.flatten(1)).view(2, 3)

    def turn_eyes(self, points: Tensor, centres: Tensor, gaze: Tensor) -> Tensor:
        """Turn the iris landmarks among points [N, 3] about the centres [2, 3]."""
        rotation = gaze_rotation(gaze)
        for eye, member in enumerate(self.eyes):
            turned = (points - centres[eye]) @ rotation[eye].mT + centres[eye]
            points = torch.where(member[:, None], turned, points)
        return points

    def jacobian(self, gaze: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of `points` by identity [K, N, 3] and expression [E, N, 3]."""
        by_identity, by_expression = self.identity, self.expression
        for eye, member in enumerate(self.eyes):
            turn = gaze_rotation(gaze)[eye].mT
            centre = self.ring_identity[:, eye, None]
            turned = (self.identity - centre) @ turn + centre
            by_identity = torch.where(member[:, None], turned, by_identity)
            by_expression = torch.where(member[:, None], self.expression @ turn, by_expression)
        return by_identity, by_expression

    def project(self, x: Tensor, width: int, height: int) -> Tensor:
        """The landmarks [N, 2] in pixels of a photo, for the unknowns x [P]."""
        s = self.layout.slices
        points = self.points(x[s["identity"]], x[s["expression"]], x[s["gaze"]].reshape(2, 2))
        rotation = axis_angle_to_matrix(x[s["rotation"]][None])[0]
        seen = points @ rotation.T + x[s["translation"]]
        depth = seen[:, 2:].clamp_min(NEAREST_M)
        return seen[:, :2] / depth * x[s["focal"]].exp() + x.new_tensor([width / 2, height / 2])

    def projection_jacobian(self, x: Tensor) -> Tensor:
        """d `project` / d unknowns, [N, 2, P]: linear parts exact, angles by differences."""
        s = self.layout.slices
        gaze = x[s["gaze"]].reshape(2, 2)
        straight, centres = self.straight(x[s["identity"]], x[s["expression"]])
        points = self.turn_eyes(straight, centres, gaze)
        rotation = axis_angle_to_matrix(x[s["rotation"]][None])[0]
        seen = points @ rotation.T + x[s["translation"]]
        depth, focal = seen[:, 2].clamp_min(NEAREST_M), x[s["focal"]].exp()
        to_pixel = x.new_zeros(len(seen), 2, 3)
        to_pixel[:, 0, 0] = to_pixel[:, 1, 1] = focal / depth
        to_pixel[:, :, 2] = -focal * seen[:, :2] / depth[:, None] ** 2
        by_identity, by_expression = self.jacobian(gaze)
        out = x.new_zeros(len(seen), 2, self.layout.size)
        out[:, :, s["translation"]] = to_pixel
        out[:, :, s["focal"]] = (focal * seen[:, :2] / depth[:, None])[..., None]
        turned = to_pixel @ rotation
        out[:, :, s["identity"]] = torch.einsum("nic,knc->nik", turned, by_identity)
        out[:, :, s["expression"]] = torch.einsum("nic,enc->nie", turned, by_expression)
        step = 1e-6 * torch.eye(4).to(x)
        for k in range(3):
            ahead, behind = (axis_angle_to_matrix((x[s["rotation"]] + d)[None])[0]
                             for d in (step[k, :3], -step[k, :3]))  # fmt: skip
            moved = points @ (ahead - behind).T / 2e-6
            out[:, :, s["rotation"].start + k] = (to_pixel @ moved[..., None])[..., 0]
        for k in range(4):
            ahead, behind = (self.turn_eyes(straight, centres, gaze + d.view(2, 2))
                             for d in (step[k], -step[k]))  # fmt: skip
            out[:, :, s["gaze"].start + k] = (turned @ ((ahead - behind) / 2e-6)[..., None])[..., 0]
        return out
