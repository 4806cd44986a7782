"""What a form of the page says: photos into the studio's folder, and the choices, checked."""

from __future__ import annotations

import shutil
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from fitme.fit.settings import HAIR, PRESETS
from fitme.hair.styles import PRESETS as STYLES
from fitme.image.film import is_film
from fitme.runtime.errors import InputError
from fitme.studio.order import Order
from fitme.studio.shelf import Shelf, check_photo, safe_file_name

MOST_PHOTOS = 12  # of one person: more say little that is new
MOST_BYTES = 80 << 20  # of a photo; a phone's JPEG of 200 megapixels has about 70 MiB
MOST_FILM_BYTES = 512 << 20  # of a film: a minute of a phone's 4K
MOST_BODY = MOST_FILM_BYTES + (64 << 20)  # of all that is sent at once


async def read_order(request: Request, shelf: Shelf, taken: set[str]) -> tuple[str, Order]:
    """The first photo's name and the order, its photos written. Raises InputError, one line with
    the cure, and then nothing is kept."""
    async with request.form(max_files=MOST_PHOTOS + 1, max_fields=8) as form:
        return await run_in_threadpool(_order, form, shelf, taken)


def _order(form: FormData, shelf: Shelf, taken: set[str]) -> tuple[str, Order]:
    photos = [item for item in form.getlist("photo") if isinstance(item, UploadFile)]
    preset, hair = str(form.get("preset") or "default"), str(form.get("hair") or "fit")
    if preset not in PRESETS:
        raise InputError(f"no preset {preset!r}; choose one of {', '.join(PRESETS)}")
    if hair not in (*HAIR, *STYLES):
        raise InputError(f"no hair {hair!r}; choose one of {', '.join((*HAIR, *STYLES))}")
    if not photos:
        raise InputError("no photo is given; choose one or several of the same person")
    if len(photos) > MOST_PHOTOS:
        raise InputError(f"more than {MOST_PHOTOS} photos; choose the sharpest, from all sides")
    title = safe_file_name(photos[0].filename or "", 0)
    name = shelf.new_name(title, taken)
    folder = shelf.photo_folder(name)
    try:
        paths = [_written(photo, folder, index) for index, photo in enumerate(photos)]
        films = sum(is_film(path) for path in paths)
        if films and len(paths) > 1:
            raise InputError("a film is fitted alone; choose it or photos")
    except BaseException:
        shelf.forget_photos(name)
        raise
    return title, Order(tuple(paths), shelf.root / name, preset, hair)


def _written(photo: UploadFile, folder: Path, index: int) -> Path:
    path = folder / safe_file_name(photo.filename or "", index)
    if path.exists():
        path = path.with_stem(f"{path.stem}_{index + 1}")
    most = MOST_FILM_BYTES if is_film(path) else MOST_BYTES
    if (photo.size or 0) > most:
        raise InputError(f"{path.name} has more than {most >> 20} MiB; choose a smaller file")
    with path.open("xb") as stream:
        shutil.copyfileobj(photo.file, stream)
    check_photo(path)
    return path
