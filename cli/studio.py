"""`fitme studio`: a page on this machine for people without a shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fitme.cli.options import Device, DeviceOption, SizeOption
from fitme.runtime.errors import LibraryError


def add_studio_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `studio` into `app`; `guard` turns user errors into one line."""
    app.command("studio")(guard(studio))


def studio(
    out: Annotated[
        Path, typer.Option(metavar="ROOT", help="Gets a directory per head; made if missing.")
    ] = Path("fitme_studio"),
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, metavar="N", help="Of 127.0.0.1; default: 8765, if free."),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    device: DeviceOption = Device.auto,
    size: SizeOption = 1024,
) -> None:
    """Serve a page on this machine: drop photos in, watch the head form, download it."""
    try:
        from fitme.studio.serve import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise LibraryError(f'{error.name} is missing; pip install "fitme[studio]"') from error
    from fitme.runtime.device import resolve_device
    from fitme.studio.fit import PhotoFitter

    resolve_device(device.value)

    def tell(address: str) -> None:
        typer.echo(f"fitme studio is at {address}\n(this machine only; Ctrl-C ends it)")

    serve(out, PhotoFitter(device.value, size), port=port, browser=browser, tell=tell)
