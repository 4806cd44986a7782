"""`fitme doctor`: what is installed, what works, what is missing and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

_MARKS = {"ok": "ok", "note": "--", "problem": "!!"}


def add_doctor_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `doctor` into `app`; `guard` turns user errors into one line."""
    app.command("doctor")(guard(doctor))


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.")] = False,
) -> None:
    """Check this installation: versions, device, weights, optional parts; each problem with a cure.

    Exit code 0 when a fit with default settings can run, 1 otherwise.
    """
    from fitme.doctor import diagnose, healthy

    checks = diagnose()
    if as_json:
        report = {"ok": healthy(checks), "checks": [asdict(check) for check in checks]}
        typer.echo(json.dumps(report, indent=1))
    else:
        for check in checks:
            if quiet and check.status != "problem":
                continue
            cure = f" -> {check.cure}" if check.cure else ""
            typer.echo(f"{_MARKS[check.status]} {check.name}: {check.text}{cure}")
        if not quiet:
            typer.echo("ready" if healthy(checks) else "not ready: see the lines with !!")
    if not healthy(checks):
        raise typer.Exit(1)
