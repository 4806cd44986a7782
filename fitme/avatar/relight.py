"""An avatar seen from a new side, under a new light, with another expression.

Angles are those of the head against the camera (`fitme.head.view.head_rotation`). Light belongs
to the place and not to the head: where the head turns, light stays where it is in the picture.
A light that a user gives is in the picture's axes: x to the right, y up, z towards the viewer;
lengths are metres from the head model's origin when the head faces the camera.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fitme.avatar.hair import with_hair
from fitme.detail.wrinkles import Wrinkles, dressed
from fitme.hair import Hair, Strands
from fitme.hair.gravity import UPRIGHT, down_of
from fitme.hair.lashes import has_lashes, lashes_on
from fitme.head.geometry import Geometry
from fitme.head.mesh import head_mesh
from fitme.head.view import View, head_rotation
from fitme.render import Material, RenderOutput, render
from fitme.render.camera import Camera, axis_angle_to_matrix, intrinsics, rigid
from fitme.render.light import PRESETS, Light
from fitme.runtime.errors import InputError, show_path
from fitme.runtime.input_files import read_json
from fitme.runtime.kept import kept_with
from fitme.runtime.side_by_side import side_by_side

HAIR_SHARE = 99.5  # percent of the points of hair that a picture holds: not every flyaway
AROUND_HAIR = 1.06  # of its radius: air that is left
MOST_HAIR = 1.8  # radii of the head: wider hair leaves the picture
RESOLUTION = 1024  # pixels a side of a picture from a new side
DISTANCE = 1.0  # metres to the head of an avatar that has no photo
NEAREST = 2.0  # radii; a head nearer than this to its camera would fill all it sees


class Seen(Protocol):
    """How one photo saw the head, and in what light."""

    @property
    def view(self) -> View: ...
    @property
    def light(self) -> Light: ...


class Drawable(Protocol):
    """What can be drawn: a shape, a material per part, and its photos; an `Avatar` is one."""

    @property
    def geometry(self) -> Geometry: ...
    @property
    def materials(self) -> tuple[Material, ...]: ...
    @property
    def photos(self) -> Sequence[Seen]: ...
    @property
    def wrinkles(self) -> Wrinkles | None: ...
    @property
    def hair(self) -> Hair | None: ...


def draw(
    avatar: Drawable, camera: Camera, light: Light, vertices: Tensor | None = None, *,
    shadows: bool | None = None, hair: bool = True,
) -> RenderOutput:  # fmt: skip
    """See `Avatar.render`."""
    geometry = avatar.geometry
    neutral = geometry.vertices()
    posed = neutral if vertices is None else vertices
    mesh = head_mesh(geometry.head, posed)

    @torch.no_grad()
    def bare() -> RenderOutput:
        shown: Sequence[Material] = avatar.materials
        if vertices is not None:
            shown = dressed(avatar.wrinkles, shown, geometry.head, neutral, vertices)
        return render(mesh, shown, camera, light, shadows=shadows)

    if not hair or not avatar.hair:
        return bare()
    out, _ = side_by_side([bare, lambda: _strands(avatar, camera, posed)])
    return haired(avatar, out, camera, light, posed, bool(shadows))


def haired(
    avatar: Drawable, out: RenderOutput, camera: Camera, light: Light, vertices: Tensor,
    shadows: bool = False,
) -> RenderOutput:  # fmt: skip
    """A render of the bare head, posed as `vertices` [1,V,3], with its hair and lashes if it has
    hair. In a photo's own view hair hangs as it did there, from any other as on an upright head."""
    strands = _strands(avatar, camera, vertices)
    if strands is None or avatar.hair is None:
        return out
    return with_hair(
        out, strands, avatar.hair.color, camera, light, vertices,
        avatar.geometry.head.triangles, shadows,
    )  # fmt: skip


def _strands(avatar: Drawable, camera: Camera, vertices: Tensor) -> Strands | None:
    """What `haired` draws on a head posed as `vertices` [1,V,3]; kept by the hair."""
    if not avatar.hair:
        return None
    pose, head = camera.world_to_camera.cpu(), avatar.geometry.head
    own = any(
        torch.allclose(pose, seen.view.camera().world_to_camera.cpu(), atol=1e-5)
        for seen in avatar.photos
    )
    posed = vertices[0].detach().cpu().numpy()
    down = down_of(camera) if own else UPRIGHT
    strands = avatar.hair.strands(head, posed, down=down)
    if not has_lashes(head):
        return strands
    return kept_with(strands, "lashes", lambda: Strands.join([strands, lashes_on(head, posed)]))


def render_view(
    avatar: Drawable,
    yaw: float | None = None,
    pitch: float | None = None,
    *,
    light: Light | None = None,
    photo: int = 0,
    resolution: int | None = None,
    expression: Mapping[str, float] | None = None,
    neutral: bool = False,
    shadows: bool | None = None,
    hair: bool = True,
) -> RenderOutput:
    """See `Avatar.render_view`."""
    vertices = posed_vertices(avatar, photo, expression, neutral)
    if yaw is None and pitch is None and avatar.photos:
        camera = avatar.photos[photo].view.camera()
        if resolution is not None:
            scale = resolution / max(camera.width, camera.height)
            sides = [max(1, round(side * scale)) for side in (camera.height, camera.width)]
            camera = camera.resized(*sides)
    else:
        size = RESOLUTION if resolution is None else resolution
        camera = facing_camera(avatar, yaw or 0.0, pitch or 0.0, size, photo)
    return relit(avatar, camera, vertices, light, photo, shadows=shadows, hair=hair)


def relit(
    avatar: Drawable, camera: Camera, vertices: Tensor, light: Light | None = None, photo: int = 0,
    turn: float = 0.0, shadows: bool | None = None, hair: bool = True,
) -> RenderOutput:  # fmt: skip
    """The avatar with posed vertices [1, V, 3] under the light that `view_light` makes of `light`,
    photo and turn, with `shadows` or as the light says, with or without its hair."""
    shining = view_light(avatar, camera, light, photo, turn)
    own = light is None and bool(avatar.photos)
    cast = shadows if own or shadows is not None else True
    return draw(avatar, camera, shining, vertices, shadows=cast, hair=hair)


def casting(avatar: Drawable, light: Light | None, photo: int = 0) -> int:
    """How many directional lights of a `light` as `view_light` takes it cast shadows: all, but of a
    photo's own those that were estimated with theirs."""
    if light is None and avatar.photos:
        return avatar.photos[photo].light.casts
    return (Light.preset("studio") if light is None else light).directions.shape[1]


def posed_vertices(
    avatar: Drawable,
    photo: int = 0,
    expression: Mapping[str, float] | None = None,
    neutral: bool = False,
) -> Tensor:
    """Vertices [1, V, 3] with the expression and gaze of a photo, some weights replaced.

    `neutral` starts from a face at rest, eyes straight ahead. Raises InputError for an
    expression the head has not, and for weights outside 0..1.
    """
    head = avatar.geometry.head
    if neutral or not avatar.photos:
        weights = head.mean.new_zeros(1, len(head.expression_names))
        gaze = head.mean.new_zeros(1, 2, 2)
    else:
        view = avatar.photos[photo].view
        weights, gaze = view.expression.clone(), view.gaze
    for name, weight in (expression or {}).items():
        if name not in head.expression_names:
            close = difflib.get_close_matches(name, head.expression_names, 3, 0.4)
            like = f"did you mean {', '.join(close)}?" if close else "see `fitme head info`"
            raise InputError(f"the head has no expression {show_path(name)}; {like}")
        if not 0 <= weight <= 1:
            raise InputError(f"expression {name}={weight:g}: give a weight in 0..1")
        weights[0, head.expression_index(name)] = weight
    return avatar.geometry.vertices(weights, gaze)


def head_sphere(avatar: Drawable) -> tuple[Tensor, float]:
    """Centre [3] and radius, metres, of a sphere around the neutral head."""
    vertices = avatar.geometry.vertices()[0]
    centre = 0.5 * (vertices.amin(0) + vertices.amax(0))
    return centre, float((vertices - centre).norm(dim=-1).max())


def _hair_radius(avatar: Drawable, centre: Tensor) -> float:
    """Radius, metres, of a sphere around `centre` that holds the hair above it."""
    if not avatar.hair:
        return 0.0
    vertices = avatar.geometry.vertices()[0].cpu().numpy()
    strands, middle = avatar.hair.strands(avatar.geometry.head, vertices), centre.cpu().numpy()

    def radius() -> float:
        away = strands.points.reshape(-1, 3) - middle
        away = np.linalg.norm(away[away[:, 1] > 0], axis=-1)
        return float(np.percentile(away, HAIR_SHARE)) * AROUND_HAIR if len(away) else 0.0

    return kept_with(strands, ("radius", *middle.tolist()), radius)


def facing_camera(avatar: Drawable, yaw: float, pitch: float, size: int, photo: int = 0) -> Camera:
    """A square camera of `size` pixels with the whole head in its middle, upright at yaw and pitch
    (degrees), as far away as in the photo. Scale and middle are the same for all angles; of hair
    what is no lower than the head's middle is in the picture."""
    centre, radius = head_sphere(avatar)
    radius = max(radius, min(_hair_radius(avatar, centre), MOST_HAIR * radius))
    distance = DISTANCE
    if avatar.photos:
        seen = avatar.photos[photo].view.camera().transform(centre[None, None])
        distance = float(seen.norm())
    distance = max(distance, NEAREST * radius)
    focal = 0.5 * size * math.sqrt(distance**2 - radius**2) / radius  # the sphere fits exactly
    rotation = head_rotation(yaw, pitch).to(centre)
    translation = centre.new_tensor([0.0, 0.0, distance]) - rotation @ centre
    pose = rigid(rotation[None], translation[None])
    return Camera(intrinsics(focal, size, size).to(centre), pose, size, size)


def view_light(
    avatar: Drawable, camera: Camera, light: Light | None = None, photo: int = 0, turn: float = 0.0
) -> Light:
    """The world's light for a camera: a `light` in the picture's axes, or the photo's own.

    The photo's stays where it was in the picture, however the head is turned; without a photo
    it is the studio preset. `turn` degrees carry the light around the head, from the front to
    the picture's right.
    """
    centre, _ = head_sphere(avatar)
    if light is None and avatar.photos:
        seen = avatar.photos[photo]
        given, before = seen.light, _to_picture(seen.view.camera())
    else:
        given = Light.preset("studio") if light is None else light
        before = torch.eye(3)
    around = axis_angle_to_matrix(torch.tensor([0.0, math.radians(turn), 0.0]))
    rotation = _to_picture(camera).T @ around @ before
    return given.rotated(rotation, about=centre)


def _to_picture(camera: Camera) -> Tensor:
    """Rotation [3, 3] from the world to x right, y up, z towards the viewer."""
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return flip @ camera.world_to_camera[0, :3, :3].cpu()


def read_light(text: str) -> Light:
    """A preset by name, or a light of a JSON file as `Light.to_dict` gives it.

    Raises InputError for an unknown name and for a file that is missing, damaged or holds the
    lights of several pictures.
    """
    if text in PRESETS:
        return Light.preset(text)
    if not text.endswith(".json"):
        raise InputError(
            f"--light {show_path(text)} is no preset; choose {', '.join(PRESETS)} or a .json file"
        )
    cure = "give a light as `Light.to_dict` writes it"
    data = read_json(Path(text), cure)
    try:
        light = Light.from_dict(data)
    except ValueError as error:
        raise InputError(f"{show_path(text)}: {error}; {cure}") from error
    if light.batch != 1:
        raise InputError(f"{show_path(text)} holds {light.batch} lights; {cure}, of one picture")
    return light
