"""`fitme models`: networks that do not come with fitme, fetched once into a cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

_Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="See `fitme models list`.")]


def add_models_commands(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `models ...` into `app`; `guard` turns user errors into one line."""
    models = typer.Typer(
        no_args_is_help=True,
        help="Trained networks that do not come with fitme: what there is, fetch them, check them.",
    )
    models.command("list")(guard(list_models))
    models.command("pull")(guard(pull))
    models.command("verify")(guard(verify))
    app.add_typer(models, name="models")


def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Print the networks that do not come with fitme: purpose, licence, which are in the cache."""
    from fitme.learned.registry import MODELS
    from fitme.learned.store import cache_dir, is_pulled, model_path

    if as_json:
        entries = [
            {
                "name": model.name,
                "purpose": model.purpose,
                "pulled": is_pulled(model),
                "path": str(model_path(model)),
                "url": model.url,
                "sha256": model.sha256,
                "size": model.size,
                "download": model.download,
                "licence": model.licence,
                "commercial": model.commercial,
            }
            for model in MODELS
        ]
        typer.echo(json.dumps({"cache": str(cache_dir()), "models": entries}, indent=1))
        return
    for model in MODELS:
        state = "pulled" if is_pulled(model) else f"{model.download / 1e6:.0f} MB to fetch"
        if model_path(model).parent != cache_dir() and is_pulled(model):
            state = "installed"
        typer.echo(f"{model.name:14s}{state:18s}{model.purpose}")
        typer.echo(f"{'':14s}{'':18s}{model.licence}")
    typer.echo(f"cache: {cache_dir()}")


def pull(
    names: _Names,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|URL",
            help="A file brought by hand, or another address, for one NAME.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Fetch networks into the cache; each file is checked before it is kept."""
    from fitme.learned.registry import find_model
    from fitme.learned.store import pull as pull_model
    from fitme.runtime.errors import InputError
    from fitme.runtime.progress import Progress, SilentProgress, TqdmProgress

    models = [find_model(name) for name in names]
    if source is not None and len(models) != 1:
        raise InputError(f"--from {source} is for one model, {len(models)} are given")
    progress: Progress = SilentProgress() if quiet else TqdmProgress()
    for model in models:
        path = pull_model(model, source, force=force, progress=progress)
        if not quiet:
            typer.echo(f"{model.name}: {path}")
            if model.commercial != "yes":
                typer.echo(f"{model.name}: licence: {model.licence}", err=True)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all in the cache.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Compare files in the cache with their checksums."""
    from fitme.learned.registry import MODELS, find_model
    from fitme.learned.store import cache_dir, is_pulled, model_path
    from fitme.learned.store import verify as is_whole
    from fitme.runtime.errors import ModelError

    def _installed(name: str) -> bool:
        """Whether a package that pip manages has the file."""
        model = find_model(name)
        return model.carrier is not None and not model.wheel

    models = [find_model(name) for name in names or []]
    chosen = models or [model for model in MODELS if (cache_dir() / model.file).exists()]
    bad = []
    for model in chosen:
        whole = is_whole(model)
        if not whole:
            bad.append(model.name)
        if not quiet:
            there = "damaged" if is_pulled(model) or model_path(model).exists() else "not there"
            typer.echo(f"{model.name}: {'ok' if whole else there}")
    if bad:
        names_bad = " ".join(bad)
        commands = [find_model(name).fetch(again=True) for name in bad if _installed(name)]
        if pulled := [name for name in bad if not _installed(name)]:
            commands.insert(0, f"fitme models pull --force {' '.join(pulled)}")
        cures = " and ".join(f"`{command}`" for command in commands)
        raise ModelError(f"not whole: {names_bad}; {cures}")
    if not chosen and not quiet:
        typer.echo("nothing is in the cache; `fitme models list` says what there is")
