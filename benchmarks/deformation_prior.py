"""What faces have beyond the head model's components: how much, how smooth, how symmetric.

    python -m benchmarks.deformation_prior --data ../shared/data/valid_heads

The heads of the VALID library, registered, less their best fit in the model's components; means
over heads are left out, as they are the registration's or the library's style. The constants of
`fitme/models/train/deformation.py` rest on what this prints; `--faces` splits the heads.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.foreign.heads import FACES, ForeignHead, load_heads
from benchmarks.foreign.registration import Registration, registration
from benchmarks.measures import similarity
from benchmarks.regions import face_regions
from benchmarks.surface import vertex_areas
from fitme.head.model import HeadModel, load_head
from fitme.landmarks.mediapipe import MediaPipeLandmarks
from fitme.render.geometry import vertex_normals

ROUNDS = 15  # of scale and pose in turns with the components
NOISE_M = 0.0003  # of the registration, against components of one standard deviation
POINTS = 1500  # of the face, for correlations
EDGES_MM = (0, 2, 4, 6, 9, 12, 16, 20, 25, 30, 40, 60)  # of classes of distance
AXES = ("normal", "left", "up")


def beyond_components(head: HeadModel, truth: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What is left [V,3] of a registered head after the best fit of the components, in metres;
    weight [V] is 0 where the truth is not known."""
    mean, basis = head.mean.double().numpy(), head.identity.double().numpy()
    used = weight > 0
    root = np.sqrt(weight[used])[:, None]
    design = (basis[:, used] * root).reshape(len(basis), -1).T
    system = design.T @ design + NOISE_M**2 * np.eye(len(basis))
    code = np.zeros(len(basis))
    for _ in range(ROUNDS):
        shape = mean + np.tensordot(code, basis, 1)
        scale, rotation, shift = similarity(truth[used], shape[used])
        placed = scale * truth @ rotation.T + shift
        code = np.linalg.solve(system, design.T @ ((placed - mean)[used] * root).ravel())
    rest: np.ndarray = placed - mean - np.tensordot(code, basis, 1)
    return rest


def in_frames(head: HeadModel, offsets: np.ndarray) -> np.ndarray:
    """Offsets [N,V,3] along the normal, to the person's left and upwards."""
    normal = vertex_normals(head.mean[None].double(), head.triangles)[0].numpy()
    left = np.cross([0.0, 1.0, 0.0], normal)
    left /= np.linalg.norm(left, axis=1, keepdims=True) + 1e-9
    axes = np.stack([normal, left, np.cross(normal, left)], 1)
    return np.einsum("vac,nvc->nva", axes, offsets)


def report(head: HeadModel, laid: Registration, heads: list[ForeignHead]) -> None:
    """Print amplitudes in mm by region, symmetric and not, and correlations by distance."""
    mean = head.mean.double().numpy()
    face = head.regions["face"].double().numpy()
    area = vertex_areas(mean, head.part_triangles(head.skin.name).numpy())
    weight = area * laid.valid * (0.1 + 0.9 * face)
    weight /= weight.sum()
    rest = np.stack([beyond_components(head, laid.vertices(one), weight) for one in heads])
    rest = 1000 * in_frames(head, rest)
    own = (rest - rest.mean(0)) * np.sqrt(len(heads) / (len(heads) - 1))
    print(f"{'mm':12s}" + "".join(f"{name:>9s}" for name in AXES))
    for name, region in face_regions(head).items():
        size = np.sqrt(np.square(own[:, region & laid.valid]).mean((0, 1)))
        print(f"{name:12s}" + "".join(f"{value:9.2f}" for value in size))
    mirror = head.mirror.numpy()
    used = np.flatnonzero((weight > 0) & (face > 0.3) & laid.valid[mirror])
    other = own[:, mirror] * [1, -1, 1]
    both = {"symmetric": (own + other) / 2, "uneven": (own - other) / 2}
    chosen = np.random.default_rng(0).choice(used, POINTS, replace=False)
    distance = 1000 * np.linalg.norm(mean[chosen, None] - mean[None, chosen], axis=-1)
    for name, part in both.items():
        size = np.sqrt(np.square(part[:, used]).mean((0, 1)))
        print(f"{name:12s}" + "".join(f"{value:9.2f}" for value in size))
        for axis in range(3):
            field = part[:, chosen, axis]
            product = (field[:, :, None] * field[:, None, :]).mean(0) / np.square(field).mean()
            line = [
                f"{low}-{high}: {product[(distance >= low) & (distance < high)].mean():.2f}"
                for low, high in pairwise(EDGES_MM)
            ]
            print(f"  correlation, {AXES[axis]:7s}" + "  ".join(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the VALID heads")
    parser.add_argument("--out", type=Path, default=Path("out/foreign"))
    parser.add_argument("--faces", nargs="*", choices=FACES, default=list(FACES), metavar="NAME")
    args = parser.parse_args()
    head = load_head()
    laid = registration(args.data, args.out / "registration.npz", head, MediaPipeLandmarks())
    report(head, laid, load_heads(args.data, args.faces))


if __name__ == "__main__":
    main()
