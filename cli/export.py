"""`fitme export`: an avatar directory as the files of one engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def add_export_command(app: typer.Typer, guard: Callable[[Any], Any]) -> None:
    """Put `export` into `app`; `guard` turns user errors into one line."""
    app.command("export")(guard(export))


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `fitme fit` wrote.")],
    out: Annotated[Path, typer.Option(metavar="OUT", help="Directory to write; new or empty.")],
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="gltf, blender, unity, unreal, three, web, talkinghead, vrm or obj.",
        ),
    ] = "gltf",
    lod: Annotated[
        list[int] | None,
        typer.Option(
            min=0, max=2, metavar="N",
            help="Level of detail: 0 full, 1 half, 2 a fifth of the triangles; repeatable.",
        ),
    ] = None,
    map_size: Annotated[
        int | None,
        typer.Option(
            min=16, max=8192, metavar="N", help="Side of the maps; beyond the fit's: fine skin."
        ),
    ] = None,
    maps: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Also these maps: cavity, thickness."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="Maps: png, exr or, for three and web, webp."
        ),
    ] = None,
    bits: Annotated[
        int, typer.Option(metavar="8|16", help="Per channel of the PNGs in textures/.")
    ] = 8,
    fbx: Annotated[
        bool, typer.Option("--fbx", help="unity, unreal: also FBX, through an installed Blender.")
    ] = False,
    expressions: Annotated[
        bool, typer.Option("--expressions", help="obj: also one file for each expression.")
    ] = False,
    dense: Annotated[
        bool,
        typer.Option("--dense", help="The skin's mesh cut finer, its relief in the vertices."),
    ] = False,
    compress: Annotated[
        str | None,
        typer.Option(metavar="meshopt|none", help="three, web: a small GLB; web has it anyway."),
    ] = None,
    shapes: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Only these of the 52 shapes as morph targets."),
    ] = None,
    visemes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Mixtures of shapes as morph targets, too: oculus (15 visemes; web has them"
            " anyway), vrm, all or none.",
        ),
    ] = None,
    sparse: Annotated[
        bool,
        typer.Option(
            "--sparse/--no-sparse", help="Sparse morph targets; some importers choke on them."
        ),
    ] = True,
    skeleton: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Joints that bend neck and jaw and turn the eyes: plain, mixamo, unreal, rpm, vrm"
            " or none.",
        ),
    ] = None,
    bust: Annotated[
        bool | None,
        typer.Option("--bust/--no-bust", help="Shoulders and chest, plain, below the neck."),
    ] = None,
    hair: Annotated[
        bool, typer.Option("--hair/--no-hair", help="Hair and beard as cards.")
    ] = True,
    lashes: Annotated[
        bool | None, typer.Option("--lashes/--no-lashes", help="Lashes as cards; with hair.")
    ] = None,
    blend: Annotated[
        bool | None,
        typer.Option(
            "--hair-blend/--hair-cut",
            help="Blend the hair's edges, as three and web do, or cut them, as the others do.",
        ),
    ] = None,
    strands: Annotated[
        bool, typer.Option("--strands", help="Also hair_strands.npz: the hair as curves.")
    ] = False,
    photo_expression: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Open with the expression and gaze of photo N."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The head model it was made with, if not the one shipped."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export in OUT.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:  # fmt: skip
    """Write an avatar for an engine: GLB (OBJ, FBX), textures in its channels, levels of detail."""
    from fitme.avatar.model import Avatar
    from fitme.export.presets import ExportOptions, write_export
    from fitme.head.model import load_head
    from fitme.runtime.files import check_output_dir

    options = ExportOptions(
        preset=preset,
        levels=tuple(lod or [0]),
        map_size=map_size,
        more_maps=tuple(filter(None, (maps or "").split(","))),
        format=form,
        bits=bits,
        fbx=fbx,
        expressions=expressions,
        photo=photo_expression,
        dense=dense,
        compress=compress,
        shapes=None if shapes is None else tuple(filter(None, shapes.split(","))),
        visemes=visemes,
        sparse=sparse,
        skeleton=skeleton,
        bust=bust,
        hair=hair,
        lashes=lashes,
        hair_alpha=None if blend is None else "BLEND" if blend else "MASK",
        strands=strands,
    )
    options.engine()
    check_output_dir(out, overwrite)
    avatar = Avatar.load(folder, None if head is None else load_head(head))
    write_export(avatar, out, options, overwrite)
    if not quiet:
        typer.echo(f"wrote {out}")
