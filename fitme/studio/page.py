"""The studio's page: one HTML file whose scripts and styles come from the same server."""

from __future__ import annotations

from pathlib import Path

from fitme.fit.settings import PRESETS
from fitme.hair.styles import PRESETS as STYLES
from fitme.runtime.errors import show_path
from fitme.runtime.pages import render_page
from fitme.runtime.versions import installed_version
from fitme.studio.exports import PRESETS as EXPORTS
from fitme.studio.shelf import ACCEPTED
from fitme.studio.uploads import MOST_PHOTOS

# What presets are chosen by; times are those of the README's photo against the default's.
_PRESET_HINTS = {
    "fast": "a good half of the time",
    "default": "a minute or two",
    "best": "several times as long",
}
_HAIR = {
    "fit": "as in the photo",
    "cropped": "painted, cropped",
    "bald": "none",
}


def page_html(root: Path) -> str:
    """The page's text; `root` is the folder that it names."""
    return render_page(
        "fitme.studio",
        "studio.html.j2",
        root=show_path(root.absolute()),
        version=installed_version() or "",
        presets=[(name, name.capitalize(), _PRESET_HINTS.get(name, "")) for name in PRESETS],
        hair=list(_HAIR.items()),
        styles=[(name, name.replace("_", " ")) for name in STYLES],
        exports=[(name, label) for name, label in EXPORTS.items()],
        accepted=ACCEPTED,
        most_photos=MOST_PHOTOS,
        viewer=render_page("fitme.report", "viewer.html.j2"),  # our own, without values
    )
