"""`fitme render` and `fitme turntable`: an avatar directory from new sides, under new lights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fitme.cli.loading import loading
from fitme.runtime.errors import InputError, show_path

if TYPE_CHECKING:
    from fitme.avatar.model import Avatar

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="What `fitme fit` wrote.")]
_Light = Annotated[
    str | None,
    typer.Option(
        metavar="PRESET|FILE",
        help="ambient, studio, side, top, rim, sunset or a light's JSON; default: the photo's.",
    ),
]
_Shadows = Annotated[
    bool | None,
    typer.Option(
        "--shadows/--no-shadows",
        help="Whether the head shades itself; default: from a given light, not from the photo's.",
    ),
]
_Hair = Annotated[bool, typer.Option("--hair/--no-hair", help="Whether strands of hair are drawn.")]
_Photo = Annotated[
    int, typer.Option(min=0, metavar="N", help="The photo whose view it is, counted from 0.")
]
_Head = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The head model it was made with, if not the one shipped."),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def _finite(value: float | None) -> float | None:
    """Refuse "nan", which lies in no range and outside of none."""
    if value is not None and value != value:
        raise typer.BadParameter("nan is no number.")
    return value


def add_render_commands(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `render` and `turntable` into `app`; `guard` turns user errors into one line."""
    app.command("render")(guard(render))
    app.command("turntable")(guard(turntable))


def render(
    folder: _Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The PNG to write, RGBA.")],
    yaw: Annotated[
        float | None,
        typer.Option(
            min=-180,
            max=180,
            callback=_finite,
            metavar="DEG",
            help="Head angle: 0 faces you, 90 to the right.",
        ),
    ] = None,
    pitch: Annotated[
        float | None,
        typer.Option(
            min=-90, max=90, callback=_finite, metavar="DEG", help="0 is level, 30 looks up."
        ),
    ] = None,
    light: _Light = None,
    shadows: _Shadows = None,
    hair: _Hair = True,
    photo: _Photo = 0,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=16, max=4096, metavar="N", help="Longer side; default: the photo's, turned 1024."
        ),
    ] = None,
    background: Annotated[
        str, typer.Option(metavar="COLOUR", help="R,G,B, #rrggbb or transparent.")
    ] = "transparent",
    expression: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=X", help="An ARKit weight in 0..1; repeatable."),
    ] = None,
    neutral: Annotated[
        bool, typer.Option("--neutral", help="Without the photo's expression and gaze.")
    ] = False,
    head: _Head = None,
    overwrite: _Overwrite = False,
    quiet: _Quiet = False,
) -> None:
    """Draw an avatar as its photo saw it, or from a new side and under a new light."""
    weights = _weights(expression or [])
    from fitme.runtime.files import atomic_write_bytes, check_output_file

    check_output_file(out, (".png",), overwrite)
    with loading():
        from fitme.avatar.relight import read_light
        from fitme.image.png import encode_png
        from fitme.render.picture import parse_background
        from fitme.report.views import view_picture

    colour = parse_background(background)
    shining = None if light is None else read_light(light)
    avatar = _load(folder, head, hair)
    _check_photo(avatar, photo)
    picture = view_picture(
        avatar, yaw, pitch, light=shining, photo=photo, resolution=resolution,
        expression=weights, neutral=neutral, background=colour, shadows=shadows,
    )  # fmt: skip
    atomic_write_bytes(out, encode_png(picture))
    if not quiet:
        typer.echo(f"wrote {out}")


def turntable(
    folder: _Folder,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .gif, .webp or .mp4 to write.")],
    frames: Annotated[int, typer.Option(min=2, max=1000, metavar="N", help="Pictures.")] = 48,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, max=600, callback=_finite, metavar="S", help="Length of one round."),
    ] = 4.0,
    resolution: Annotated[
        int, typer.Option(min=16, max=2048, metavar="N", help="Side of the square.")
    ] = 512,
    light: _Light = None,
    shadows: _Shadows = None,
    hair: _Hair = True,
    photo: _Photo = 0,
    swing: Annotated[
        float | None,
        typer.Option(
            min=1, max=180, callback=_finite, metavar="DEG", help="From -DEG to DEG; default 60."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All the way around instead.")] = False,
    relight: Annotated[
        bool, typer.Option("--relight", help="The light goes around, the head stands still.")
    ] = False,
    background: Annotated[
        str, typer.Option(metavar="COLOUR", help="R,G,B, #rrggbb or, for .webp, transparent.")
    ] = "118,118,118",
    head: _Head = None,
    overwrite: _Overwrite = False,
    quiet: _Quiet = False,
) -> None:
    """Film an avatar that turns, or the light that goes around it."""
    if (swing is not None) + full + relight > 1:
        raise InputError("--swing, --full and --relight exclude each other; give one of them")
    from fitme.avatar.relight import read_light
    from fitme.render.picture import parse_background
    from fitme.report.film import SUFFIXES, write_turntable
    from fitme.report.views import Turntable
    from fitme.runtime.files import check_output_file
    from fitme.runtime.progress import Progress, SilentProgress, TqdmProgress

    check_output_file(out, SUFFIXES, overwrite)
    colour = parse_background(background)
    shining = None if light is None else read_light(light)
    avatar = _load(folder, head, hair)
    _check_photo(avatar, photo)
    film = Turntable(
        frames=frames,
        motion="full" if full else "relight" if relight else "swing",
        swing=60.0 if swing is None else swing,
        light=shining,
        photo=photo,
        resolution=resolution,
        background=colour,
        shadows=shadows,
    )
    progress: Progress = SilentProgress() if quiet else TqdmProgress()
    write_turntable(avatar, out, film, seconds, overwrite, progress)
    if not quiet:
        typer.echo(f"wrote {out}")


def _load(folder: Path, head: Path | None, hair: bool) -> Avatar:
    """The avatar of a directory, on a head model of the user's own where one is named; without its
    strands where no `hair` is wanted."""
    from dataclasses import replace

    from fitme.avatar.model import Avatar
    from fitme.head.model import load_head

    avatar = Avatar.load(folder, None if head is None else load_head(head))
    return avatar if hair else replace(avatar, hair=None)


def _weights(texts: list[str]) -> dict[str, float]:
    """Expression weights by name from "name=weight" texts."""
    out = {}
    for text in texts:
        name, _, weight = text.partition("=")
        try:
            out[name] = float(weight)
        except ValueError:
            raise InputError(
                f"--expression {show_path(text)}: give a name and a weight, such as jawOpen=0.5"
            ) from None
    return out


def _check_photo(avatar: Avatar, index: int) -> None:
    count = len(avatar.photos)
    if index >= max(count, 1):
        raise InputError(f"--photo {index}: the avatar has {count}, counted from 0")
