"""`fitme sample`: random avatars from the reflectance generator and the head model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def add_sample_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `sample` into `app`; `guard` turns user errors into one line."""
    app.command("sample")(guard(sample))


def sample(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory to write; new or empty.")],
    count: Annotated[int, typer.Option(metavar="N", help="How many avatars.")] = 8,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed.")] = 0,
    size: Annotated[
        int, typer.Option(metavar="N", help="Side of the texture maps, a power of two.")
    ] = 1024,
    truncation: Annotated[
        float, typer.Option(metavar="X", help="Below 1 draws towards the mean person.")
    ] = 1.0,
    light: Annotated[
        list[str] | None,
        typer.Option(metavar="PRESET", help="Light to render under; repeatable. Default: studio."),
    ] = None,
    shadows: Annotated[bool, typer.Option(help="Whether the head shades itself.")] = True,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="Write one picture of all instead of their files.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of another generator.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier result in DIR.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Write random avatars to DIR: textures and renders, or one sheet."""
    from fitme.runtime.memory import keep_large_blocks
    from fitme.runtime.progress import Progress, SilentProgress, TqdmProgress
    from fitme.sample import sample_avatars

    keep_large_blocks()
    progress: Progress = SilentProgress() if quiet else TqdmProgress()
    sample_avatars(
        out,
        count=count,
        seed=seed,
        size=size,
        truncation=truncation,
        lights=tuple(light or ("studio",)),
        shadows=shadows,
        sheet=sheet,
        weights=weights,
        overwrite=overwrite,
        progress=progress,
    )
    if not quiet:
        typer.echo(f"wrote {out}")
