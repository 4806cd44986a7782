"""`fitme batch`: many people, unattended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fitme.errors import InputError


def add_batch_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `batch` into `app`; `guard` turns user errors into one line."""
    app.command("batch")(guard(batch))


def batch(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER|LIST.csv",
            help="Subfolders are people with all their photos, single photos are one person each; "
            "or a CSV with the columns subject,photo.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="ROOT", help="Gets a directory per person, summary.csv, index.html."),
    ],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="People at a time; default: by cores and memory."),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="process|ray", help="This machine, or a Ray cluster.")
    ] = "process",
    address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The Ray cluster, or auto.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed in earlier runs.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu or cuda.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed.")] = 0,
    size: Annotated[
        int, typer.Option(min=64, max=4096, metavar="N", help="Side of the texture maps.")
    ] = 1024,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="fast, default or best; see `fitme presets`.")
    ] = "default",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change one setting of the preset."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A generator of your own instead of the one shipped."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out photos that cannot be used.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for every person.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Fit many people, each into ROOT/NAME; start it again to go on where it stopped.

    Exit code 1 where somebody failed: the others are done, and the reasons are in ROOT/summary.csv.
    """
    if verbose and quiet:
        raise InputError("--verbose and --quiet contradict each other; give one of them")
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {device} is unknown; choose auto, cpu or cuda")

    from fitme.batch import Settings, run_batch
    from fitme.batch.progress import BatchProgress
    from fitme.batch.table import counts
    from fitme.cli.main import _preset

    settings = Settings(
        preset=_preset(preset, changes or []),
        size=size,
        seed=seed,
        device=device,
        weights=weights,
        skip_bad=skip_bad,
    )
    summary = run_batch(
        source,
        out,
        settings,
        jobs=jobs,
        executor=executor,
        address=address,
        retry_failed=retry_failed,
        progress=BatchProgress(verbose=verbose, quiet=quiet),
    )
    if as_json:
        typer.echo(json.dumps(summary.to_dict(), indent=1, ensure_ascii=False))
    elif not quiet:
        number = counts(summary.results)
        typer.echo(f"{number['done']} done, {number['failed']} failed: {out / 'index.html'}")
    if summary.failed:
        raise typer.Exit(1)
