"""Recipe of the head model: `python -m fitme.models.train.head --data ../shared/data/ict_face`.

Half head -> atlas -> own triangulation -> template -> PCA of sampled heads -> corrected lids ->
ambient occlusion -> safetensors and numbers for the card. The landmark tie
(`fitme.models.train.tie`) fills in the landmarks afterwards.
"""

from __future__ import annotations

import argparse
import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from fitme.head import ARKIT_NAMES, HeadModel, save_head
from fitme.models.train import atlas, ict, remesh
from fitme.models.train.occlusion import ambient_visibility
from fitme.models.train.seams import close_lids, close_lips
from fitme.models.train.template import Template, arkit_expressions, assemble

COMPONENTS = 90
NECK_JOINT = (0.0, -0.045, -0.005)  # metres on the neutral head, near the top of the cervical spine


def build_template(data: Path, work: Path) -> tuple[ict.IctModel, Template, dict[str, float]]:
    """The template from `ict_face.npz`; slow steps are kept in `work` and reused."""
    model = ict.load_ict(data / "ict_face.npz")
    half = atlas.build_half_head(model)
    work.mkdir(parents=True, exist_ok=True)
    cached = work / "atlas.npy"
    uv = np.load(cached) if cached.exists() else atlas.parametrise(half, iterations=160)
    np.save(cached, uv)
    meshed = work / "half_template.pkl"  # our own scratch file, never read by the library
    if meshed.exists():
        own = pickle.loads(meshed.read_bytes())
    else:
        own = remesh.remesh(half, uv)
        meshed.write_bytes(pickle.dumps(own))
    return model, assemble(model, half, uv, own), asdict(atlas.report(half, uv))


def vertex_area(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """A third of the area of the triangles around each vertex, [V]."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(triangles.ravel(), np.repeat(area, 3), len(vertices))


def importance(template: Template) -> np.ndarray:
    """Weight of each vertex in the PCA: area, the face five times the back of the head, [V]."""
    head = template.triangles[template.part == 0]
    return vertex_area(template.basis[0], head) * (0.2 + 0.8 * template.regions["face"])


def without_rigid(modes: np.ndarray, neutral: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Remove translation and small rotation from modes [K, V, 3], which belong to the pose."""
    centred = neutral - np.average(neutral, axis=0, weights=weight)
    axes = np.eye(3)
    motions = [np.broadcast_to(a, neutral.shape) for a in axes] + [
        np.cross(a, centred) for a in axes
    ]
    rigid = np.stack(motions).reshape(6, -1)
    root = np.repeat(np.sqrt(weight), 3)
    flat = modes.reshape(len(modes), -1)
    share = np.linalg.lstsq((rigid * root).T, (flat * root).T, rcond=None)[0]
    return (flat - share.T @ rigid).reshape(modes.shape)


def identity_basis(
    template: Template, count: int, *, samples: int = 4000, held_out: int = 200, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, list[dict[str, float]]]:
    """Mean [V, 3], PCA basis [count, V, 3] of sampled heads, error of held-out heads in mm.

    Heads are drawn with standard normal ICT coefficients; the PCA is weighted by `importance`.
    """
    weight = importance(template)
    modes = without_rigid(template.basis[1:101], template.basis[0], weight)
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((samples, len(modes)))
    mean = template.basis[0] + np.tensordot(draws.mean(0), modes, 1)
    mirrored = mean[template.mirror] * [-1, 1, 1]
    paired = template.mirror != np.arange(len(mean))
    on_plane = ~paired & (np.abs(template.basis[0][:, 0]) < atlas.MIDLINE)
    mean[paired] = 0.5 * (mean + mirrored)[paired]
    mean[on_plane, 0] = 0.0
    draws = draws - draws.mean(0)
    root = np.repeat(np.sqrt(weight), 3)
    flat = modes.reshape(len(modes), -1)
    # |factor c| is the weighted length of c.
    factor = np.asarray(np.linalg.qr((flat * root).T, mode="r"))
    _, value, right = np.linalg.svd(draws @ factor.T / np.sqrt(samples), full_matrices=False)
    back = np.linalg.solve(factor, right.T)  # coefficients over the ICT modes of each component
    basis = np.tensordot((back * value).T, modes, 1)
    errors = []
    face = template.regions["face"][: len(weight)] > 0.5
    test = np.tensordot(rng.standard_normal((held_out, len(modes))), modes, 1)
    for k in (20, 40, 60, 80, 90, 100):
        unit = basis[:k].reshape(k, -1) * root
        code = (test.reshape(held_out, -1) * root) @ unit.T / value[:k] ** 2
        miss = np.linalg.norm(test - np.tensordot(code, basis[:k], 1), axis=-1) * 1000
        skin = weight > 0
        errors.append(
            {
                "components": k,
                "face_mm": float(miss[:, face].mean()),
                "head_mm": float(
                    np.average(
                        miss.mean(0)[skin],
                        weights=vertex_area(
                            template.basis[0], template.triangles[template.part == 0]
                        )[skin],
                    )
                ),
            }
        )
    return mean, basis[:count], errors


def neck_weights(vertices: np.ndarray) -> np.ndarray:
    """Share of the head's rotation each vertex follows: 1 above the jaw, 0 at the collar, [V]."""
    along = vertices[:, 1] + 0.45 * vertices[:, 2]
    return atlas.smoothstep(along, -0.115, -0.035)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ict_face.npz")
    parser.add_argument("--out", type=Path, default=Path("models/weights/head.safetensors"))
    parser.add_argument("--work", type=Path, default=Path("out/head"))
    args = parser.parse_args()
    model, template, numbers = build_template(args.data, args.work)
    expression = arkit_expressions(model, template)
    basis, lips = close_lips(template)
    template = replace(template, basis=basis)
    mean, identity, errors = identity_basis(template, COMPONENTS)
    expression, lids = close_lids(mean, expression, template)
    visibility = ambient_visibility(mean, template.triangles)
    # What lies in the mouth is only ever seen when it is open.
    inner = template.regions["mouth_inside"] > 0
    ajar = mean + 0.35 * expression[ARKIT_NAMES.index("jawOpen")]
    for smile in ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight"):
        ajar = ajar + 0.6 * expression[ARKIT_NAMES.index(smile)]
    visibility[inner] = ambient_visibility(ajar, template.triangles)[inner]

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))

    head = HeadModel(
        mean=tensor(mean).float(),
        identity=tensor(identity).float(),
        expression=tensor(expression).float(),
        expression_names=ARKIT_NAMES,
        triangles=tensor(template.triangles).long(),
        uv=tensor(template.uv).float(),
        uv_triangles=tensor(template.uv_triangles).long(),
        part=tensor(template.part).long(),
        part_names=template.part_names,
        regions={k: tensor(v).float() for k, v in template.regions.items()},
        landmark_triangles=torch.zeros(0, dtype=torch.long),
        landmark_barycentric=torch.zeros(0, 3),
        landmark_weight=torch.zeros(0),
        neck_weight=tensor(neck_weights(mean)).float(),
        neck_joint=torch.tensor(NECK_JOINT),
        eye_ring=tensor(template.eye_ring).long(),
        occlusion=tensor(visibility).float(),
        mirror=tensor(template.mirror).long(),
        metadata={
            "source": "sampled from the USC ICT-FaceKit morphable model (MIT)",
            "units": "metres",
        },
    )
    previous = args.work / "landmarks.pt"
    if previous.exists():
        head = replace(head, **torch.load(previous, weights_only=True))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_head(head, args.out)
    summary = {**numbers, "vertices": len(mean), "triangles": len(template.triangles),
               "held_out": errors, "lips": lips, "lids": lids}  # fmt: skip
    (args.work / "numbers.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
