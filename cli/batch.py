"""`fitme batch`: many people, unattended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fitme.cli.options import (
    ChangesOption,
    Device,
    DeviceOption,
    HairOption,
    PresetOption,
    QuietOption,
    SizeOption,
    SkipBadOption,
    WeightsOption,
    check_loudness,
    chosen_preset,
)


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
    device: DeviceOption = Device.auto,
    size: SizeOption = 1024,
    preset: PresetOption = "default",
    hair: HairOption = None,
    changes: ChangesOption = None,
    weights: WeightsOption = None,
    skip_bad: SkipBadOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for every person.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Fit many people, each into ROOT/NAME; start it again to go on where it stopped.

    Exit code 1 where somebody failed: the others are done, and the reasons are in ROOT/summary.csv.
    """
    check_loudness(verbose, quiet)

    from fitme.batch import Settings, run_batch
    from fitme.batch.progress import BatchProgress
    from fitme.batch.table import counts

    settings = Settings(
        preset=chosen_preset(preset, changes, hair),
        size=size,
        device=device.value,
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
