"""The command line `fitme`: parse, call the library, print.

Exit codes: 0 done; 2 wrong usage or input (one line `fitme: error: ...` on stderr);
130 interrupted. Anything else is a bug and shows its traceback. Nothing heavy (torch,
mediapipe, numba) is imported until a command needs it, so that `--help` is instant.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from enum import Enum
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from fitme.cli.heads import add_head_commands
from fitme.errors import FitmeError, InputError

# Idle OpenMP threads sleep instead of spinning: where other programs want the cores too (a batch
# of fits, a desktop), spinning made a fit five times slower. Must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_P = ParamSpec("_P")
_R = TypeVar("_R")

app = typer.Typer(
    name="fitme",
    help="Turn an ordinary photo of a person into a relightable 3D head.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text: importing rich doubles the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Device(str, Enum):  # StrEnum needs Python 3.11
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def _one_line_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """User errors become one line and exit code 2; an interrupt becomes exit code 130.

    Here and not around `app()`, since how Typer treats exceptions differs between releases.
    """

    @functools.wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except FitmeError as error:
            line = " ".join(str(error).split())
            typer.echo(f"fitme: error: {line}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("fitme: interrupted", err=True)
            raise typer.Exit(130) from None

    return wrapper


def _version_text() -> str:
    try:
        return f"fitme {installed_version('fitme')}"
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "fitme (not installed)"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(_version_text())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command()
@_one_line_errors
def version() -> None:
    """Print the version."""
    typer.echo(_version_text())


@app.command()
@_one_line_errors
def fit(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO", help="Photo of the person.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory for the avatar; new or empty.")
    ],
    face: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Which face to fit, counted from 0 by falling size; default: the largest.",
        ),
    ] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own 478 landmarks in photo pixels (JSON or text) instead of detection.",
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed.")] = 0,
    size: Annotated[
        int, typer.Option(min=64, max=4096, metavar="N", help="Side of the texture maps.")
    ] = 1024,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier result in DIR.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also print details of the run.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Fit a 3D head to a photo and write it to DIR."""
    if verbose and quiet:
        raise InputError("--verbose and --quiet contradict each other; give one of them")
    if len(photos) > 1:
        raise InputError(
            f"{len(photos)} photos given, but only one can be fitted so far; give one photo"
        )
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")

    from fitme.fit.pipeline import fit_photos
    from fitme.progress import Progress, SilentProgress, TqdmProgress

    progress: Progress = SilentProgress() if quiet else TqdmProgress()
    fit_photos(
        photos,
        out,
        face=face,
        landmarks=landmarks,
        device=device.value,
        seed=seed,
        size=size,
        overwrite=overwrite,
        progress=progress,
    )
    if not quiet:
        typer.echo(f"wrote {out}")


add_head_commands(app, _one_line_errors)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
