"""Who is it: features of face recognition, their likeness, and a loss that keeps the person.

`Facenet` (InceptionResnetV1, Schroff et al. 2015, as facenet-pytorch trained it) passes gradients
to the pixels. `ArcFace` (Deng et al. 2019, arXiv 1801.07698; insightface's w600k_r50 through
onnxruntime) does not: it judges results that were not fitted to it. dlib's network comes in a
package and does both (`dlib_face.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.learned.faces import ARCFACE, FACENET, aligned_faces
from fitme.learned.loading import Note, available, damaged, read_state
from fitme.learned.registry import LearnedModel, find_model
from fitme.learned.store import model_path
from fitme.runtime.errors import InputError, ModelError


class FaceFeatures(Protocol):
    """A recognition network."""

    name: str
    differentiable: bool

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """Features [B, D] of the faces in pictures [B, H, W, 3], display-encoded RGB in 0..1, at
        landmarks [B, 478, 2] (or five points [B, 5, 2]) in their pixels."""

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """How far apart features [B, D] are, [B]: 0 for the same face."""


class Facenet:
    """Gradients reach the pictures; the network itself is frozen."""

    name = "facenet"
    differentiable = True

    def __init__(self, network: Any) -> None:
        self._network = network.eval().requires_grad_(False)

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """See `FaceFeatures`."""
        crops = aligned_faces(images, landmarks, FACENET)
        return self._network((crops * 255 - 127.5) / 128)

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """See `cosine_distance`."""
        return cosine_distance(first, second)


class ArcFace:
    """No gradients: evaluation only."""

    name = "arcface"
    differentiable = False

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def embed(self, images: Tensor, landmarks: Tensor) -> Tensor:
        """See `FaceFeatures`."""
        with torch.no_grad():
            crops = aligned_faces(images, landmarks, ARCFACE)
            pixels = ((crops * 255 - 127.5) / 127.5).cpu().numpy()
        # One face at a time: the published file has a batch of any size, converted ones may not.
        vectors = [
            self._session.run(None, {self._input: pixels[i : i + 1]})[0] for i in range(len(pixels))
        ]
        return F.normalize(torch.from_numpy(np.concatenate(vectors)).to(images), dim=1)

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """See `cosine_distance`."""
        return cosine_distance(first, second)


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    """1 - cosine [B] of unit vectors [B, D]: 0 for the same face, 1 for strangers."""
    return 1 - (first * second).sum(-1)


def load_identity(
    device: torch.device | str = "cpu",
    note: Note | None = None,
    name: Literal["facenet", "arcface", "dlib"] = "facenet",
) -> FaceFeatures | None:
    """A recognition network, or None with one line to `note` where something is missing.

    Raises ModelError for a damaged file, InputError for another name.
    """
    loaders: dict[str, Callable[[LearnedModel, torch.device], FaceFeatures]]
    loaders = {"facenet": _load_facenet, "arcface": _load_arcface, "dlib": _load_dlib}
    if name not in loaders:
        raise InputError(f"unknown recognition network {name!r}; choose {', '.join(loaders)}")
    model = find_model(name)
    if not available(model, note):
        return None
    return loaders[name](model, torch.device(device))


def similarity(
    image_a: Tensor,
    landmarks_a: Tensor,
    image_b: Tensor,
    landmarks_b: Tensor,
    network: FaceFeatures,
) -> float:
    """Cosine in -1..1 between the faces of two pictures [H, W, 3], display-encoded RGB in 0..1,
    each with its landmarks [478, 2]. The pictures may differ in size."""
    with torch.no_grad():
        first = network.embed(image_a[None], landmarks_a[None])
        second = network.embed(image_b[None], landmarks_b[None])
    return float(F.cosine_similarity(first, second.to(first)))


def _load_facenet(model: LearnedModel, device: torch.device) -> Facenet:
    from facenet_pytorch import InceptionResnetV1

    network = InceptionResnetV1(pretrained=None)
    # The file also has the classifier of its training set, which features do not need.
    state = {k: v for k, v in read_state(model).items() if not k.startswith("logits.")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        reason = "its tensors are not those of InceptionResnetV1"
        raise ModelError(damaged(model, reason)) from error
    return Facenet(network.to(device))


def _load_arcface(model: LearnedModel, device: torch.device) -> ArcFace:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    preferred = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    providers = [p for p in preferred if p in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(
            str(model_path(model)), options, providers=[*providers, "CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no base class
        reason = str(error).partition("\n")[0]
        raise ModelError(damaged(model, reason)) from error
    return ArcFace(session)


def _load_dlib(model: LearnedModel, device: torch.device) -> FaceFeatures:
    from fitme.learned.dlib_face import DlibFace, DlibNetwork
    from fitme.learned.dlib_reader import DamagedError, read_face_network

    try:
        data = model_path(model).read_bytes()
        network = DlibNetwork(read_face_network(data))
    except (OSError, DamagedError) as error:
        raise ModelError(damaged(model, " ".join(str(error).split()))) from error
    return DlibFace(network.to(device))
