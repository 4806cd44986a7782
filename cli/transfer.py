"""`fitme transfer`: one person's shape with another's detail and expression."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fitme.runtime.errors import InputError


def add_transfer_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `transfer` into `app`; `guard` turns user errors into one line."""
    app.command("transfer")(guard(transfer))


def transfer(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Who gives shape, albedo and photos.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="OUT", help="Directory for the avatar; new or empty.")
    ],
    static: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Who gives the detail of the face at rest.")
    ] = None,
    dynamic: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Who gives the folds of expressions.")
    ] = None,
    expression: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Whose first photo gives the expression.")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The head model they were made with, if not the one shipped."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier result in OUT.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Mix people: the shape of one with the wrinkles and the expression of others."""
    if static is None and dynamic is None and expression is None:
        raise InputError("nothing to transfer; give --static, --dynamic or --expression DIR")
    from fitme.avatar.model import Avatar
    from fitme.avatar.transfer import transferred
    from fitme.head.model import load_head
    from fitme.runtime.files import check_output_dir

    check_output_dir(out, overwrite)
    model = load_head(head)
    wanted = {"static": static, "dynamic": dynamic, "expression": expression}
    others = {
        name: Avatar.load(place, model) for name, place in wanted.items() if place is not None
    }
    made = transferred(Avatar.load(folder, model), **others)
    made.save(out, overwrite)
    if not quiet:
        typer.echo(f"wrote {out}")
