"""The report of an avatar: one HTML file that needs nothing else, not even a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fitme.avatar.model import Avatar
from fitme.image.photo import Photo
from fitme.reflectance.regions import AtlasRegions
from fitme.report.curves import loss_chart, read_history
from fitme.report.embed import Figure, jpeg_uri, script_json
from fitme.report.evidence import Evidence
from fitme.report.facts import facts, photo_facts, tables, timings
from fitme.report.notes import all_notes
from fitme.report.panels import (
    LARGEST_DIFFERENCE,
    REGION_TEXELS,
    PhotoPanels,
    light_strip,
    photo_panels,
    yaw_strip,
)
from fitme.report.photos import PhotoCut
from fitme.report.scene import ViewerScene, viewer_scene
from fitme.runtime.errors import show_path
from fitme.runtime.pages import package_text, render_page

SCRIPTS = (
    "mouth.js", "head.js", "camera.js", "shader.js", "shadows.js", "transfer.js", "wrinkles.js",
    "hair.js", "viewer.js", "pointer.js", "controls.js", "glb.js", "page.js",
)  # fmt: skip
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


@dataclass(frozen=True)
class PhotoSection:
    """What the page shows of one photo."""

    title: str
    numbers: str
    figures: Mapping[str, Figure]  # by the names of `_PANELS`
    wipe: bool  # whether photo and render are also laid over each other, large


def report_html(
    avatar: Avatar,
    photos: Sequence[Photo | PhotoCut | None] | None = None,
    evidence: Sequence[Evidence | None] | None = None,
    done: Callable[[], None] = lambda: None,
) -> str:
    """The whole page as text.

    Args:
        avatar: what to show; its `run` gives loss curves, timings, settings and notes.
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
    run = avatar.run
    return render_page(
        "fitme.report",
        "page.html.j2",
        title=_title([show_path(photo.path.name) for photo in avatar.photos]),
        style=package_text("fitme.report", "page.css"),
        facts=facts(avatar, panels),
        notes=all_notes(avatar, panels, [() if photo is None else photo.notes for photo in given]),
        photos=[
            _photo_section(avatar, index, seen)
            for index, seen in enumerate(panels)
            if seen is not None
        ],
        largest_difference=LARGEST_DIFFERENCE,
        maps=_maps(scene),
        strips=strips,
        charts=[loss_chart(stage, terms) for stage, terms in read_history(run.history).items()],
        timings=timings(run.timings_s),
        tables=tables(run),
        version=run.fitme or "",
        scene=script_json(scene.data),
        script=package_text("fitme.report", *SCRIPTS),
    )


def _title(names: Sequence[str]) -> str:
    if not names:
        return "Avatar"
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _all_panels(
    avatar: Avatar, photos: Sequence[Photo | PhotoCut | None], masks: Sequence[Evidence | None]
) -> list[PhotoPanels | None]:
    if not any(photos):
        return [None] * len(photos)
    side = PANEL_SIDE if len(photos) < MANY_PHOTOS else MANY_PANEL_SIDE
    regions = AtlasRegions(avatar.head, REGION_TEXELS)
    return [
        None if photo is None else photo_panels(avatar, photo, k, mask, side, regions)
        for k, (photo, mask) in enumerate(zip(photos, masks, strict=True))
    ]


def _photo_section(avatar: Avatar, index: int, panels: PhotoPanels) -> PhotoSection:
    name = show_path(avatar.photos[index].path.name)
    count = len(avatar.photos)
    shown = {key: getattr(panels, key) for key in _PANELS}
    return PhotoSection(
        title=name if count > 1 else "Photo and avatar",
        numbers=photo_facts(avatar, index, panels),
        figures={
            key: Figure(jpeg_uri(pixels, 85), f"{_PANELS[key][1]} ({name})", _PANELS[key][0])
            for key, pixels in shown.items()
            if pixels is not None
        },
        wipe=count < MANY_PHOTOS,
    )


def _maps(scene: ViewerScene) -> list[Figure]:
    captions = {
        "diffuse": ("Diffuse albedo", "colour of the skin without light or shine"),
        "specular": ("Specular albedo", f"reflectance F0; white is {scene.specular_white:.2g}"),
        "normal": ("Normals", "tangent space, OpenGL Y+"),
    }
    return [
        Figure(
            scene.maps[key], f"{title} of the head in its texture atlas", f"{title}: {text}",
            f"map-{key}",
        )
        for key, (title, text) in captions.items()
        if key in scene.maps
    ]  # fmt: skip


def _strips(avatar: Avatar) -> list[tuple[str, list[Figure]]]:
    return [
        (
            title,
            [
                Figure(jpeg_uri(pixels, 84), f"The avatar {what.format(name)}", name)
                for name, pixels in strip
            ],
        )
        for title, what, strip in (
            ("Under other lights", "under {} light", light_strip(avatar)),
            ("From other sides", "turned by {}", yaw_strip(avatar)),
        )
    ]
