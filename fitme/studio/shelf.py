"""The folder of a studio: avatars side by side, and what belongs to none of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from fitme.image.film import FILM_SUFFIXES, is_film
from fitme.image.opening import open_image
from fitme.runtime.errors import OutputError, PhotoError, show_path
from fitme.runtime.files import remove_result
from fitme.runtime.temporaries import remove_abandoned
from fitme.studio.exports import PRESETS

STATE = "_studio"  # photos that were given, exports that were made
#: What the page may ask of an avatar's directory, and as what.
FILES = {
    "avatar.glb": "model/gltf-binary",
    "report.html": "text/html; charset=utf-8",
    "thumb.jpg": "image/jpeg",
    "render_00.png": "image/png",
    "overlay_00.png": "image/png",
    "fit.json": "application/json",
}
_NAME_LETTERS = 40  # of an avatar's directory


class Shelf:
    """Avatars in `root`, which is made if it is missing. Raises OutputError where it cannot be."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            (root / STATE).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{show_path(root)} cannot be made ({error.strerror}); give another --out"
            ) from error

    def sweep(self) -> None:
        """Remove what a killed studio left. Only where no other is at work."""
        remove_abandoned(self.root)
        made = {head["name"] for head in self.heads()}
        for folder in (self.root / STATE / "photos").glob("*"):
            if folder.name not in made:
                self.forget_photos(folder.name)

    def heads(self) -> list[dict[str, Any]]:
        """What there is, the newest first: the directory's name, and which file is its picture."""
        found = [path for path in self.root.glob("*/fit.json") if path.is_file()]
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return [
            {"name": path.parent.name, "picture": _picture(path.parent)}
            for path in found
            if not path.parent.name.startswith((".", "_"))
        ]

    def head(self, name: str) -> Path | None:
        """The directory of an avatar; None for any other name, whatever it holds."""
        return self.root / name if name in {head["name"] for head in self.heads()} else None

    def file(self, name: str, file: str) -> Path | None:
        """A file of an avatar that the page may have."""
        folder = self.head(name)
        if folder is None or file not in FILES or not (folder / file).is_file():
            return None
        return folder / file

    def remove(self, name: str) -> bool:
        """Delete an avatar with its photos and exports; False where there is none of this name.
        Raises OutputError where its directory holds files that are not fitme's."""
        folder = self.head(name)
        if folder is None:
            return False
        remove_result(folder)
        self.forget_photos(name)
        for preset in PRESETS:
            self.export(name, preset).unlink(missing_ok=True)
        return True

    def new_name(self, title: str, taken: Collection[str] = ()) -> str:
        """A directory's name for a photo's name, such as "eileen_collins" or "eileen_collins_2"."""
        plain = re.sub(r"[^a-z0-9]+", "_", Path(title).stem.lower()).strip("_")[:_NAME_LETTERS]
        base = plain.strip("_") or "head"
        used = {path.name.lower() for path in self.root.iterdir()} | set(taken)
        name, number = base, 1
        while name in used:
            number += 1
            name = f"{base}_{number}"
        return name

    def photo_folder(self, name: str) -> Path:
        """A new empty folder for the photos of an avatar to be."""
        folder = self.root / STATE / "photos" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def forget_photos(self, name: str) -> None:
        """Of an avatar that was not made."""
        shutil.rmtree(self.root / STATE / "photos" / name, ignore_errors=True)

    def export(self, name: str, preset: str) -> Path:
        """Where the archive of an export goes, of names that are known to be safe."""
        return self.root / STATE / "exports" / f"{name}_{preset}.zip"

    def archive(self, name: str, preset: str) -> Path | None:
        """The archive of an export; None unless it was made."""
        if self.head(name) is None or not preset.isalnum():
            return None
        path = self.export(name, preset)
        return path if path.is_file() else None


def _picture(folder: Path) -> str:
    """The file that shows an avatar in a list; nothing where there is none."""
    names = (name for name in ("thumb.jpg", "render_00.png") if (folder / name).is_file())
    return next(names, "")


def safe_file_name(given: str, index: int) -> str:
    """A photo's name as the user gave it, without what a file system may take amiss."""
    last = re.split(r"[\\/]", given)[-1]
    plain = "".join(letter if letter.isalnum() or letter in " ._-()" else "_" for letter in last)
    return plain.strip(" .")[-80:].lstrip(". ") or f"photo_{index + 1}"


def check_photo(path: Path) -> None:
    """Raise PhotoError, one line with the photo's own name, for what no fit would take."""
    if is_film(path):
        return
    try:
        open_image(path)[0].close()
    except PhotoError as error:
        raise PhotoError(str(error).replace(show_path(path), path.name)) from error


ACCEPTED = ",".join(("image/*", ".heic", ".heif", ".avif", *sorted(FILM_SUFFIXES)))
"""What the page's file picker offers."""
