"""The command line `fitme`: parse, call the library, print.

Exit codes: 0 done; 1 done in part (`batch`) or something is wrong here (`doctor`), or a bug, which
shows its traceback; 2 wrong usage or input (one line `fitme: error: ...` on stderr); 130
interrupted. Results go to stdout, progress and messages to stderr. Nothing heavy (torch,
numba) is imported until a command needs it, so that `--help` is instant.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer

from fitme.cli.batch import add_batch_command
from fitme.cli.doctor import add_doctor_command
from fitme.cli.examples import add_examples
from fitme.cli.export import add_export_command
from fitme.cli.heads import add_head_commands
from fitme.cli.loading import loading
from fitme.cli.models import add_models_commands
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
from fitme.cli.render import add_render_commands
from fitme.cli.report import add_report_command
from fitme.cli.sample import add_sample_command
from fitme.cli.studio import add_studio_command
from fitme.cli.transfer import add_transfer_command
from fitme.runtime.errors import FitmeError
from fitme.runtime.libraries import import_problem
from fitme.runtime.resources import limit_threads
from fitme.runtime.versions import installed_version

if TYPE_CHECKING:
    from fitme.fit.pipeline import FitSummary

# Idle OpenMP threads sleep instead of spinning: where other programs want the cores too (a batch
# of fits, a desktop), spinning made a fit five times slower. Must be set before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
limit_threads()

_P = ParamSpec("_P")
_R = TypeVar("_R")

app = typer.Typer(
    name="fitme",
    help="Turn an ordinary photo of a person into a relightable 3D head.",
    epilog="\b\nExamples:\n  fitme fit me.jpg --out out/me\n  fitme fit --help\n  fitme doctor",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text: importing rich doubles the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, nothing else.")]


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
        except ImportError as error:
            problem = import_problem(error)
            if problem is None:
                raise  # a bug
            typer.echo(f"fitme: error: {problem}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("fitme: interrupted", err=True)
            raise typer.Exit(130) from None

    return wrapper


def _version_text() -> str:
    return f"fitme {installed_version() or '(not installed)'}"


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
def version(as_json: _Json = False) -> None:
    """Print the version."""
    typer.echo(json.dumps({"fitme": installed_version()}) if as_json else _version_text())


@app.command()
@_one_line_errors
def fit(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO", help="Photos of one person, or a film (MP4, MOV)."),
    ],
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
        str | None,
        typer.Option(
            metavar="FILE",
            help="Your own 478 landmarks in photo pixels (JSON or text) instead of detection; or "
            "who finds them: mediapipe (default) or encoder, fitme's own network.",
        ),
    ] = None,
    device: DeviceOption = Device.auto,
    size: SizeOption = 1024,
    preset: PresetOption = "default",
    hair: HairOption = None,
    changes: ChangesOption = None,
    weights: WeightsOption = None,
    skip_bad: SkipBadOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier result in DIR.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also print times, errors and losses.")
    ] = False,
    quiet: QuietOption = False,
    as_json: _Json = False,
) -> None:
    """Fit a 3D head to one or several photos of a person and write it to DIR."""
    check_loudness(verbose, quiet)

    with loading():
        from fitme.fit.api import fit_photos
        from fitme.runtime.memory import keep_large_blocks
        from fitme.runtime.progress import Progress, SilentProgress, TqdmProgress

    keep_large_blocks()
    progress: Progress = SilentProgress() if quiet else TqdmProgress()
    summary = fit_photos(
        photos,
        out,
        face=face,
        landmarks=landmarks,
        device=device.value,
        size=size,
        preset=chosen_preset(preset, changes, hair),
        weights=weights,
        skip_bad=skip_bad,
        overwrite=overwrite,
        progress=progress,
    )
    if verbose:
        typer.echo(_details(summary), err=True)
    if as_json:
        typer.echo(json.dumps(_result(summary), indent=1))
    elif not quiet:
        typer.echo(f"wrote {out}")


def _result(summary: FitSummary) -> dict[str, Any]:
    """What `--json` prints about a fit; the losses of each photo are by stage and name."""
    out = summary.out
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    return {
        "out": str(out),
        "seconds": dict(summary.seconds),
        "landmark_error": summary.landmark_error,
        "losses": [dict(photo.losses) for photo in summary.avatar.photos],
        "photos": [str(photo.path) for photo in summary.avatar.photos],
        "notes": list(summary.avatar.run.notes),
        "files": files,
    }


def _details(summary: FitSummary) -> str:
    """What `--verbose` adds: seconds per stage, then how each photo sits."""
    lines = [f"{name}: {seconds:.1f} s" for name, seconds in summary.seconds.items()]
    for photo in summary.avatar.photos:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in photo.losses.items())
        lines.append(f"{photo.path}: landmark error {100 * photo.landmark_error:.2f} %, {losses}")
    return "\n".join(lines)


@app.command()
@_one_line_errors
def presets(as_json: _Json = False) -> None:
    """Print the settings of all presets, for `fitme fit --set NAME=VALUE`."""
    from fitme.fit.settings import PRESETS, setting_paths

    tables = {name: dict(setting_paths(preset)) for name, preset in PRESETS.items()}
    if as_json:
        typer.echo(json.dumps(tables, indent=1))
        return
    width = max(map(len, tables["default"])) + 2
    typer.echo(" " * width + "".join(f"{name:>10s}" for name in tables))
    for setting in tables["default"]:
        row = "".join(f"{table[setting]!s:>10s}" for table in tables.values())
        typer.echo(f"{setting:{width}s}{row}")


add_batch_command(app, _one_line_errors)
add_doctor_command(app, _one_line_errors)
add_export_command(app, _one_line_errors)
add_head_commands(app, _one_line_errors)
add_models_commands(app, _one_line_errors)
add_render_commands(app, _one_line_errors)
add_report_command(app, _one_line_errors)
add_sample_command(app, _one_line_errors)
add_studio_command(app, _one_line_errors)
add_transfer_command(app, _one_line_errors)
add_examples(app)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
