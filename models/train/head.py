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
from typing import Any

import numpy as np
import torch

from fitme.head.curves import smoothstep
from fitme.head.model import ARKIT_NAMES, HeadModel, load_head, save_head
from fitme.models.train import atlas, ict, remesh
from fitme.models.train.occlusion import ambient_visibility, symmetric, transfer
from fitme.models.train.seams import close_lids, close_lips
from fitme.models.train.template import Template, arkit_expressions, assemble

COMPONENTS = 90
KEPT_PARTS = ("head", "eye_L", "eye_R")
MOUTH_CENTRE, MOUTH_REACH = np.array([0.0, -0.035, 0.09]), 0.085  # metres
MOUTH_POSES = ((0.1, 0.6, 0.4), (0.3, 0.5, 0.3), (0.6, 0.2, 0.3))  # jaw, smile, lower lip
MOUTH_ALBEDO = 0.5  # mean of teeth and gums, for light thrown to and fro
Floats = np.ndarray
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


def mouth_visibility(mean: Floats, expression: Floats, triangles: Floats) -> Floats:
    """Ambient visibility [V] of the mouth's inside, from three ways in which it is seen.

    Only what is near the mouth is looked at, in a finer buffer than the whole head would get.
    Light that the mouth's wet walls throw on each other counts as seen; noise is smoothed away.
    """
    smile = ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight")
    drop = ("mouthLowerDownLeft", "mouthLowerDownRight")
    near = np.linalg.norm(mean - MOUTH_CENTRE, axis=1) < MOUTH_REACH
    used, local = np.unique(triangles[near[triangles].all(1)], return_inverse=True)
    local = local.reshape(-1, 3)
    seen = np.zeros((len(MOUTH_POSES), len(used)))
    for row, (open_, raised, dropped) in zip(seen, MOUTH_POSES, strict=True):
        posed = mean + open_ * expression[ARKIT_NAMES.index("jawOpen")]
        for names, amount in ((smile, raised), (drop, dropped)):
            posed = posed + amount * sum(expression[ARKIT_NAMES.index(name)] for name in names)
        row[:] = ambient_visibility(posed[used], local)
    value = 0.5 * (seen.mean(0) + seen.max(0))
    value /= 1 - MOUTH_ALBEDO * (1 - value)
    sides = np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]])
    sides = np.concatenate([sides, sides[:, ::-1]])
    degree = np.bincount(sides[:, 0], minlength=len(used))
    for _ in range(3):
        around = np.bincount(sides[:, 0], value[sides[:, 1]], len(used)) / degree
        value = 0.5 * (value + around)
    total = np.zeros(len(mean))
    total[used] = value
    return total


def keep_outside(head: HeadModel, old: HeadModel) -> HeadModel:
    """`head` with everything of the parts that are seen from outside, and the landmarks, bit for
    bit as in `old`. Raises ValueError where these parts have other triangles."""
    outer = [i for i, name in enumerate(head.part_names) if name in KEPT_PARTS]
    chosen, before = (torch.isin(m.part, torch.tensor(outer)) for m in (head, old))
    rows, uv_rows = head.triangles[chosen].unique(), head.uv_triangles[chosen].unique()
    for name in ("triangles", "uv_triangles", "part"):
        if not torch.equal(getattr(head, name)[chosen], getattr(old, name)[before]):
            raise ValueError(f"{name} of the kept parts differ")
    fields: dict[str, Any] = {
        name: getattr(old, name)
        for name in ("landmark_triangles", "landmark_barycentric", "landmark_weight",
                     "neck_joint", "eye_ring")
    }  # fmt: skip
    for name in ("mean", "neck_weight", "occlusion", "mirror"):
        fields[name] = getattr(head, name).index_copy(0, rows, getattr(old, name)[rows])
    for name in ("identity", "expression"):
        fields[name] = getattr(head, name).index_copy(1, rows, getattr(old, name)[:, rows])
    fields["uv"] = head.uv.index_copy(0, uv_rows, old.uv[uv_rows])
    regions = {
        name: mask.index_copy(0, rows, old.regions[name][rows]) if name in old.regions else mask
        for name, mask in head.regions.items()
    }
    return replace(head, **fields, regions=regions)


def neck_weights(vertices: np.ndarray) -> np.ndarray:
    """Share of the head's rotation each vertex follows: 1 above the jaw, 0 at the collar, [V]."""
    along = vertices[:, 1] + 0.45 * vertices[:, 2]
    return smoothstep(-0.115, -0.035, along)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ict_face.npz")
    parser.add_argument("--out", type=Path, default=Path("models/weights/head.safetensors"))
    parser.add_argument("--work", type=Path, default=Path("out/head"))
    parser.add_argument(
        "--keep", type=Path, help="a head whose outside and landmarks stay as they are"
    )
    args = parser.parse_args()
    model, template, numbers = build_template(args.data, args.work)
    expression = arkit_expressions(model, template)
    basis, lips = close_lips(template)
    template = replace(template, basis=basis)
    mean, identity, errors = identity_basis(template, COMPONENTS)
    expression, lids = close_lids(mean, expression, template)
    visibility = ambient_visibility(mean, template.triangles)
    inner = template.regions["mouth_inside"] > 0
    visibility[inner] = mouth_visibility(mean, expression, template.triangles)[inner]
    shaded = symmetric(transfer(mean, template.triangles), template.mirror)
    shaded[0, inner] = visibility[inner, None] * shaded[1, inner]

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
        transfer=tensor(shaded).float(),
        metadata={
            "source": "sampled from the USC ICT-FaceKit morphable model (MIT)",
            "units": "metres",
        },
    )
    previous = args.work / "landmarks.pt"
    if previous.exists():
        head = replace(head, **torch.load(previous, weights_only=True))
    if args.keep:
        head = keep_outside(head, load_head(args.keep))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_head(head, args.out)
    summary = {**numbers, "vertices": len(mean), "triangles": len(template.triangles),
               "held_out": errors, "lips": lips, "lids": lids}  # fmt: skip
    (args.work / "numbers.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
