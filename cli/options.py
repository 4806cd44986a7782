"""Options that several commands take, and what they mean."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitme.runtime.errors import InputError

if TYPE_CHECKING:
    from fitme.fit.settings import FitSettings


class Device(str, Enum):  # StrEnum needs Python 3.11
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]
SizeOption = Annotated[
    int, typer.Option(min=64, max=4096, metavar="N", help="Side of the texture maps.")
]
PresetOption = Annotated[
    str, typer.Option(metavar="NAME", help="fast, default or best; see `fitme presets`.")
]
ChangesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change one setting of the preset."),
]
HairOption = Annotated[
    str | None,
    typer.Option(
        metavar="fit|cropped|bald|STYLE",
        help="Strands like the photo's hair (default), painted cropped hair, none, or a style.",
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A generator of your own instead of the one shipped."),
]
SkipBadOption = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out photos that cannot be used.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def check_loudness(verbose: bool, quiet: bool) -> None:
    """Raise InputError where both are wanted."""
    if verbose and quiet:
        raise InputError("--verbose and --quiet contradict each other; give one of them")


def chosen_preset(
    name: str, changes: list[str] | None, hair: str | None = None
) -> str | FitSettings:
    """The preset's name, or the preset with the user's changes and choice of hair. Raises
    InputError."""
    from fitme.fit.settings import choose_preset, override

    changes = [*(changes or ()), *([] if hair is None else [f"hair={hair}"])]
    if not changes:
        choose_preset(name)
        return name
    pairs = [text.partition("=") for text in changes]
    for setting, sign, value in pairs:
        if not (setting and sign and value):
            raise InputError(f"--set {setting}{sign}{value}: give NAME=VALUE")
    return override(choose_preset(name), {setting: value for setting, _, value in pairs})
