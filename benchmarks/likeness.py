"""Is it the person: distances of dlib's face descriptors between the photo and the fitted head.

Drawn as the photo saw it, under the photo's light, and turned by 25 degrees to both sides under
the even light of a studio, with the photo's expression. The network's author calls two faces one
person's below 0.6. The photo's chip is cut at the detected landmarks, the head's at its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fitme.avatar.model import Avatar
from fitme.avatar.relight import facing_camera, posed_vertices, relit
from fitme.fit.observation import Observation, cut, display
from fitme.learned import FaceFeatures
from fitme.render.camera import Camera
from fitme.render.light import Light
from fitme.render.picture import BACKDROP, over

YAWS = (-25.0, 25.0)  # degrees
PIXELS = 320  # of the crops; the chips have 150


@torch.no_grad()
def likeness(
    avatar: Avatar, seen: Observation, network: FaceFeatures, index: int = 0
) -> dict[str, float]:
    """Distances from photo `index` by name; `seen` is that photo."""
    crops = cut([seen], PIXELS)
    points = crops.from_photo(seen.face.points[None].to(crops.pixels))
    wanted = network.embed(crops.display.clamp(0, 1), points)

    posed = posed_vertices(avatar, index)
    landmarks = avatar.head.landmarks(posed)

    def away(picture: Tensor, camera: Camera) -> float:
        """Distance of the head in a picture [n,n,3], linear."""
        shown = display(picture[None], crops.gray).clamp(0, 1)
        found = network.embed(shown, camera.project(landmarks))
        return float((found - wanted).norm())

    pose = avatar.photos[index].view.camera().world_to_camera.to(crops.intrinsics)
    camera = Camera(crops.intrinsics, pose, PIXELS, PIXELS)
    out = avatar.render(camera, avatar.photos[index].light, posed)
    row = {"dlib": away(over(out, BACKDROP), camera)}
    for yaw in YAWS:
        camera = facing_camera(avatar, yaw, 0.0, PIXELS * 2, index)
        out = relit(avatar, camera, posed, Light.preset("studio"))
        row[f"dlib {yaw:+.0f}"] = away(over(out, BACKDROP), camera)
    return row
