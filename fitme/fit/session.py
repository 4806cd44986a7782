"""One fit's models, photos and settings, and how a state of it is drawn."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fitme.fit.models import Models
from fitme.fit.observation import Crops, Observation, crop_size, cut
from fitme.fit.settings import FitSettings
from fitme.fit.state import FitState
from fitme.fit.visibility import pixels_of
from fitme.head.mesh import head_mesh
from fitme.head.parts import Role
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.reflectance.generated import generated_materials
from fitme.render import RenderOutput, get_backend, render
from fitme.render.camera import Camera
from fitme.render.checks import as_int32
from fitme.render.shadows import vertex_visibility
from fitme.runtime.notes import Note
from fitme.runtime.progress import Progress, SilentProgress

COARSE_TEXELS = 64  # maps of a picture that only shows where things are
EYE_TEXELS = 64
# On a GPU, the largest side of pictures that take all pixels, see `render`: those of steps. Larger
# ones are drawn once or twice, and to wait costs less than to shade three times as many pixels.
WHOLE_PIXELS = 512


class Session:
    """Draws states beside the photos' crops; stages and terms use it. Shapes: P photos, crops of
    n pixels, maps of R texels."""

    def __init__(
        self, models: Models, observations: Sequence[Observation],
        settings: FitSettings | None = None, progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.models, self.observations = models, list(observations)
        self.settings, self.progress = settings or FitSettings(), progress or SilentProgress()
        self.head, self.regions, self.codes = models.head, models.regions, models.codes
        self.generator = models.generator
        eyes = {part.index for part in self.head.parts_with(Role.EYE)}
        is_eye = [float(index in eyes) for index in range(len(self.head.part_names))]
        self._is_eye = torch.tensor(is_eye, device=self.head.device)
        self.notes: list[Note] = []  # what the user should know of the photos
        # [P,n,n] in 0..1: 0 where something covers the face, set by `start`; None: nothing is known
        self.uncovered: Tensor | None = None
        self._crops: dict[int, Crops] = {}
        self._reached: Tensor | None = None  # see `cast`

    def own_generator(self) -> ReflectanceGenerator:
        """The person's own generator, which may be tuned: a copy of the models', made once, but of
        what nothing changes, as noise and the linear base."""
        if self.generator is self.models.generator:
            shared = {id(buffer): buffer for buffer in self.models.generator.buffers()}
            self.generator = copy.deepcopy(self.models.generator, shared)
        return self.generator

    # Photos

    def crops(self, largest: int, exact: bool = False) -> Crops:
        """The photos' crops of `largest` pixels, or as many as they have, see `crop_size`; of just
        `largest` if `exact`. Cut once per size."""
        size = largest if exact else crop_size(self.observations, largest)
        if size not in self._crops:
            self._crops[size] = cut(self.observations, size, self.head.device)
        return self._crops[size]

    def landmarks(self, crops: Crops) -> Tensor:
        """Landmarks [P,N,2] as seen, in photo pixels."""
        return torch.stack([seen.face.points for seen in self.observations]).to(crops.pixels)

    # Maps

    def w(self, state: FitState) -> Tensor:
        """The person's w, or W+ after tuning it: [1,w_count,w_dim]."""
        return self.generator.broadcast(self.codes.w(state.person.code)) + state.person.layers

    def pivot(self, state: FitState) -> Tensor:
        """The person's w in W, [1,w_dim]."""
        return self.codes.w(state.person.code)

    def signal(self, w: Tensor, texels: int) -> Tensor:
        """What the generator makes of w, [1,C,R,R]; see `ReflectanceMaps.from_signal`."""
        return self.generator.signals(w, texels)[texels]

    def maps(self, w: Tensor, texels: int) -> ReflectanceMaps:
        """Maps [1,R,R,.] of w, less what the settings leave out."""
        return self.used(ReflectanceMaps.from_signal(self.signal(w, texels)))

    def own_w_maps(self, state: FitState, texels: int) -> ReflectanceMaps:
        """What the generator made of the person's w before it was tuned."""
        w = self.models.generator.broadcast(self.pivot(state))
        signal = self.models.generator.signals(w, texels)[texels]
        return self.used(ReflectanceMaps.from_signal(signal))

    def used(self, maps: ReflectanceMaps) -> ReflectanceMaps:
        """The maps without what the settings leave out."""
        if not self.settings.specular:
            maps = replace(maps, specular_albedo=torch.zeros_like(maps.specular_albedo))
        if not self.settings.normals:
            flat = torch.zeros_like(maps.normal)
            flat[..., 2] = 1
            maps = replace(maps, normal=flat)
        return maps

    # Pictures

    def camera(self, state: FitState, crops: Crops) -> Camera:
        """The cameras of the crops."""
        return crops.camera(state.frames.rotation, state.frames.translation)

    def picture(
        self, state: FitState, vertices: Tensor, camera: Camera, maps: ReflectanceMaps,
        eye_texels: int = EYE_TEXELS,
    ) -> RenderOutput:  # fmt: skip
        """vertices [P,V,3] with these maps under the state's lights."""
        iris = state.person.iris
        materials = generated_materials(self.head, self.regions, maps, iris, eye_texels)
        whole = self.head.device.type != "cpu" and camera.width <= WHOLE_PIXELS
        mesh, light = head_mesh(self.head, vertices, self._reached), state.frames.light()
        return render(mesh, materials, camera, light, whole=whole)

    @torch.no_grad()
    def cast(self, state: FitState, vertices: Tensor) -> None:
        """From now on the heads, vertices [P,V,3], keep the state's lamps from themselves as they
        do with the lamps and shapes of now; nothing where the settings leave shadows out."""
        if not self.settings.invert.shadow_every:
            return
        lamps = state.frames.light().directions
        ops, triangles = get_backend(None, vertices.device), as_int32(self.head.triangles)
        found = vertex_visibility(ops, vertices, triangles, lamps)
        if self._reached is None:
            self._reached = found
        else:  # in place: recorded steps read it
            self._reached.copy_(found)

    def view(self, state: FitState, crops: Crops, eye_texels: int = EYE_TEXELS) -> RenderOutput:
        """The state beside crops, with coarse skin: for where things are."""
        camera = self.camera(state, crops)
        maps = self.maps(self.pivot(state), COARSE_TEXELS)
        return self.picture(state, state.posed(self.head), camera, maps, eye_texels)

    def skin(self, out: RenderOutput) -> Tensor:
        """Weight of each pixel [P,n,n]: the frontal face, half for the eyes, none elsewhere."""
        return pixels_of(out, self.regions.skin) + 0.5 * self.eyes(out)

    def eyes(self, out: RenderOutput) -> Tensor:
        """[P,n,n]: 1 on the eyeballs."""
        return out.image(self._is_eye[out.part_points][:, None])[..., 0]
