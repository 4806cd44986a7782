"""`fitme report`: an avatar directory as one HTML page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def add_report_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `report` into `app`; `guard` turns user errors into one line."""
    app.command("report")(guard(report))


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `fitme fit` wrote.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .html to write.")],
    photos: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where its photos lie, if not in DIR."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The head model it was made with, if not the one shipped."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Show an avatar as one HTML page with a live 3D view, beside its photos.

    Photos that are not found are taken from the overlay pictures in DIR."""
    from fitme.avatar.model import Avatar
    from fitme.head.model import load_head
    from fitme.report.html import report_html
    from fitme.report.photos import find_photos
    from fitme.runtime.files import atomic_write_bytes, check_output_file

    check_output_file(out, (".html", ".htm"), overwrite)
    avatar = Avatar.load(folder, None if head is None else load_head(head))
    page = report_html(avatar, find_photos(avatar, folder, photos))
    atomic_write_bytes(out, page.encode())
    typer.echo(f"wrote {out}")
