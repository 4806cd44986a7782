"""The scripts of the report's page by what needs them; light to import."""

from __future__ import annotations

VIEWER_SCRIPTS = (
    "mouth.js", "head.js", "camera.js", "shader.js", "shadows.js", "transfer.js", "wrinkles.js",
    "hair.js", "viewer.js", "pointer.js", "controls.js",
)  # fmt: skip
"""What draws a head and moves it, in the elements of templates/viewer.html.j2."""

PAGE_SCRIPTS = ("glb.js", "page.js")
"""The rest of the report's page."""
