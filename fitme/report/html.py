"""The report of an avatar: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fitme.avatar.model import Avatar
from fitme.image.photo import Photo, load_photo
from fitme.reflectance.regions import AtlasRegions
from fitme.report.curves import loss_chart, read_history
from fitme.report.embed import figure, fill, jpeg_uri, resource, script_json
from fitme.report.evidence import Evidence
from fitme.report.facts import facts, notes, pairs_table, photo_facts, timing_table
from fitme.report.panels import (
    LARGEST_DIFFERENCE,
    REGION_TEXELS,
    PhotoPanels,
    light_strip,
    photo_panels,
    yaw_strip,
)
from fitme.report.scene import ViewerScene, viewer_scene
from fitme.runtime.errors import InputError

SCRIPTS = ("head.js", "camera.js", "shader.js", "shadows.js", "viewer.js", "controls.js", "page.js")
PANEL_SIDE = 512
MANY_PHOTOS = 8  # from here on their pictures are half as large and not shown twice: a small file
MANY_PANEL_SIDE = 256
_PANELS = {
    "photo": ("Photo", "The photo, cut around the head"),
    "wire": ("Wire overlay", "The photo with the lines of the head's texture atlas over it"),
    "render": ("Render", "The avatar drawn over the photo under the estimated light"),
    "difference": ("Difference", "Difference between render and photo as a heat map"),
    "mask": ("Mask", "What the fit took for skin, in colour, and what not, in orange"),
}


def report_html(
    avatar: Avatar,
    photos: Sequence[Photo | None] | None = None,
    evidence: Sequence[Evidence | None] | None = None,
    done: Callable[[], None] = lambda: None,
) -> str:
    """The whole page as text.

    Args:
        avatar: what to show; its `run` gives loss curves ("history"), timings and settings.
        photos: the photos of `avatar.photos`, in that order; None where one is not at hand, then
            its pictures are left out. By default all are.
        evidence: the fit's masks, in the same order; None where there is none.
        done: called after each of the three kinds of pictures.

    Texts that come from outside, such as file names, are escaped. Raises ValueError where the
    numbers of photos or masks are not that of the avatar.
    """
    count = len(avatar.photos)
    given = [None] * count if photos is None else list(photos)
    masks = [None] * count if evidence is None else list(evidence)
    for name, values in (("photos", given), ("evidence", masks)):
        if len(values) != count:
            raise ValueError(f"{name}: wanted {count}, one per photo, got {len(values)}")
    avatar = avatar.to("cpu")
    panels = _all_panels(avatar, given, masks)
    done()
    scene = viewer_scene(avatar)
    done()
    strips = _strips(avatar)
    done()
    about = avatar.run.to_dict()
    names = [photo.path.name for photo in avatar.photos]
    warnings = notes(avatar, panels, [() if photo is None else photo.notes for photo in given])
    return fill(
        resource("page.html"),
        title=escape(_title(names)),
        style=resource("page.css"),
        facts="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in facts(avatar, panels)
        ),
        notes=_notes(warnings),
        photos="".join(_photo_section(avatar, k, panels[k]) for k in range(count)),
        maps=_maps(scene),
        strips=strips,
        run=_run_section(about),
        details=_details(about),
        version=escape(str(about.get("fitme", ""))),
        scene=script_json(scene.data),
        script="\n".join(resource(name) for name in SCRIPTS),
    )


def find_photos(avatar: Avatar, *folders: Path) -> list[Photo | None]:
    """The photos an avatar was made from, as far as they lie in the current directory or one of
    the `folders`, can be read and have the size they had. fit.json has their names alone."""
    found: list[Photo | None] = []
    for seen in avatar.photos:
        places = [seen.path, *(folder / seen.path for folder in folders)]
        file = next((place for place in places if place.is_file()), None)
        try:
            photo = None if file is None else load_photo(file)
        except (InputError, OSError):
            photo = None
        same = photo is not None and (photo.width, photo.height) == (
            seen.view.width, seen.view.height,
        )  # fmt: skip
        found.append(photo if same else None)
    return found


def _title(names: Sequence[str]) -> str:
    if not names:
        return "Avatar"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _all_panels(
    avatar: Avatar, photos: Sequence[Photo | None], masks: Sequence[Evidence | None]
) -> list[PhotoPanels | None]:
    if not any(photos):
        return [None] * len(photos)
    side = PANEL_SIDE if len(photos) < MANY_PHOTOS else MANY_PANEL_SIDE
    regions = AtlasRegions(avatar.head, REGION_TEXELS)
    return [
        None if photo is None else photo_panels(avatar, photo, k, mask, side, regions)
        for k, (photo, mask) in enumerate(zip(photos, masks, strict=True))
    ]


def _notes(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<section class="notes" aria-label="Notes"><ul>{items}</ul></section>'


def _photo_section(avatar: Avatar, index: int, panels: PhotoPanels | None) -> str:
    if panels is None:
        return ""
    name = avatar.photos[index].path.name
    uris = {
        key: jpeg_uri(getattr(panels, key), 85)
        for key in _PANELS
        if getattr(panels, key) is not None
    }
    captions = {key: f"{_PANELS[key][1]} ({name})" for key in uris}
    wipe = (
        '<div class="wipe"><img src="{photo}" alt="{alt}"><img class="top" src="{render}" alt="">'
        '<input type="range" min="0" max="100" value="50" step="0.5" '
        'aria-label="Wipe from the photo to the render"><b>photo</b><b>render</b></div>'
    ).format(photo=uris["photo"], render=uris["render"], alt=escape(captions["photo"]))
    figures = "".join(figure(uri, captions[key], _PANELS[key][0]) for key, uri in uris.items())
    legend = f'<p>difference 0 <i class="heat"></i> {LARGEST_DIFFERENCE:g} of 1</p>'
    if panels.mask is not None:
        legend += '<p><i class="chip"></i> left out of the fit</p>'
    title = name if len(avatar.photos) > 1 else "Photo and avatar"
    many = len(avatar.photos) >= MANY_PHOTOS
    kind, wipe = ("photo many", "") if many else ("photo", wipe)
    return (
        f'<section><h2>{escape(title)}</h2><p class="numbers">'
        f"{photo_facts(avatar, index, panels)}</p>"
        f'<div class="{kind}">{wipe}<div class="panels">{figures}'
        f'<div class="legend">{legend}</div></div></div></section>'
    )


def _maps(scene: ViewerScene) -> str:
    captions = {
        "diffuse": ("Diffuse albedo", "colour of the skin without light or shine"),
        "specular": ("Specular albedo", f"reflectance F0; white is {scene.specular_white:.2g}"),
        "normal": ("Normals", "tangent space, OpenGL Y+"),
    }
    return "".join(
        figure(
            scene.maps[key], f"{title} of the head in its texture atlas", f"{title}: {text}",
            f"map-{key}",
        )
        for key, (title, text) in captions.items()
        if key in scene.maps
    )  # fmt: skip


def _strips(avatar: Avatar) -> str:
    out = []
    for title, what, strip in (
        ("Under other lights", "under {} light", light_strip(avatar)),
        ("From other sides", "turned by {}", yaw_strip(avatar)),
    ):
        figures = "".join(
            figure(jpeg_uri(pixels, 84), f"The avatar {what.format(name)}", name)
            for name, pixels in strip
        )
        out.append(f'<section><h2>{title}</h2><div class="strip">{figures}</div></section>')
    return "".join(out)


def _run_section(about: Mapping[str, Any]) -> str:
    charts = "".join(
        loss_chart(stage, terms) for stage, terms in read_history(about.get("history")).items()
    )
    times = timing_table(about)
    out = ""
    if charts:
        out += f'<section><h2>Losses</h2><div class="charts">{charts}</div></section>'
    if times:
        out += f"<section><h2>Time</h2>{times}</section>"
    return out


def _details(about: Mapping[str, Any]) -> str:
    """Everything else that `fit.json` says about the run, folded away."""
    tables = pairs_table({k: v for k, v in about.items() if k not in ("format",)})
    for key in ("versions", "settings"):
        if isinstance(about.get(key), Mapping):
            tables += pairs_table(about[key])
    if not tables:
        return ""
    return f'<details class="more"><summary>Settings</summary><div>{tables}</div></details>'
