"""`fitme head`: other projects' head models, converted once, and what a head file holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fitme.head.model import HeadModel


class HeadKind(str, Enum):  # StrEnum needs Python 3.11
    auto = "auto"
    flame = "flame"
    bfm2009 = "bfm2009"
    bfm2017 = "bfm2017"
    ict = "ict"


_Kind = Annotated[HeadKind, typer.Option(help="Format of FILE; bfm2017 also reads BFM2019.")]


def add_head_commands(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `head convert` and `head info` into `app`; `guard` turns user errors into one line."""
    heads = typer.Typer(
        no_args_is_help=True, help="Use your own FLAME, BFM or ICT model; look into a head file."
    )
    heads.command("convert")(guard(convert))
    heads.command("info")(guard(info))
    app.add_typer(heads, name="head")


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The model, or ICT's folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The head to write.")],
    kind: _Kind = HeadKind.auto,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="List of 478 MediaPipe points: vertex index, [triangle, b0, b1, b2] or null.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Turn a FLAME, BFM or ICT model into a head that fitme reads. Its licence stays its own."""
    from fitme.head.formats import convert_head

    model = convert_head(file, out, kind.value, landmarks, overwrite)
    if not quiet:
        typer.echo(f"wrote {out}\n{_summary(model)}")


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A head, or a model to convert.")],
    kind: _Kind = HeadKind.auto,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")
    ] = False,
) -> None:
    """Print what a head file holds."""
    if file.suffix == ".safetensors":
        from fitme.head.model import load_head

        model = load_head(file)
    else:
        from fitme.head.formats import read_head_file

        model = read_head_file(file, kind.value)
    typer.echo(json.dumps(_facts(model), indent=1) if as_json else _summary(model))


def _facts(model: HeadModel) -> dict[str, Any]:
    """What `--json` prints about a model; sizes in metres."""
    size = model.mean.max(0).values - model.mean.min(0).values
    return {
        "fingerprint": model.fingerprint(),
        "size_m": [round(float(n), 4) for n in size],
        "vertices": len(model.mean),
        "triangles": len(model.triangles),
        "parts": {name: len(model.part_triangles(name)) for name in model.part_names},
        "identity": len(model.identity),
        "expressions": list(model.expression_names),
        "landmarks": len(model.landmark_weight),
        "landmarks_used": int((model.landmark_weight > 0).sum()),
        "regions": sorted(model.regions),
        "metadata": dict(model.metadata),
    }


def _summary(model: HeadModel) -> str:
    """Lines "what: how many" about a model."""
    from fitme.head.model import ARKIT_NAMES

    size = model.mean.max(0).values - model.mean.min(0).values
    parts = ", ".join(f"{name} {len(model.part_triangles(name))}" for name in model.part_names)
    arkit = sum(name in ARKIT_NAMES for name in model.expression_names)
    landmarks, used = len(model.landmark_weight), int((model.landmark_weight > 0).sum())
    lines = {
        "size": " x ".join(f"{1000 * float(n):.0f}" for n in size) + " mm",
        "vertices": str(len(model.mean)),
        "triangles": f"{len(model.triangles)} ({parts})",
        "identity": f"{len(model.identity)} modes",
        "expressions": f"{len(model.expression_names)}, of them {arkit} of ARKit's 52",
        "landmarks": f"{used} used of {landmarks}" if landmarks else "none",
        "regions": ", ".join(sorted(model.regions)) or "none",
        **model.metadata,
    }
    return "\n".join(f"{name.replace('_', ' ')}: {text}" for name, text in lines.items())
