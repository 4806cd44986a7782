"""Who is to be fitted: a folder of people, or a CSV that lists them."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fitme.runtime.errors import InputError, show_path

#: Files that count as photos; HEIC is among them to be refused with its reason, not overlooked.
PHOTO_SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".jp2",
        ".ppm", ".gif", ".avif", ".heic", ".heif",
    )
)  # fmt: skip
#: Entries of the output folder that are the batch's own, so that no subject may be called so.
RESERVED = frozenset({"_batch", "summary.csv", "index.html"})
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows' own
_LONGEST = 100  # bytes; leaves room for the suffixes of temporary siblings
_MAX_LIST_BYTES = 64 << 20


@dataclass(frozen=True)
class Subject:
    """One person: the name as given, the directory made of it, and the photos."""

    name: str
    directory: str
    photos: tuple[Path, ...]
    source: Path  # what the photos come from, for messages


def find_subjects(source: Path, leave_out: Path | None = None) -> tuple[list[Subject], list[str]]:
    """The subjects of a folder or of a CSV, and notes worth telling the user.

    A folder's subfolders are subjects with all their images; its own images are one subject each.
    A CSV has the columns `subject` and `photo`, one row per photo, with paths relative to it. The
    folder `leave_out` (the output) is nobody. Raises InputError: nothing there, a malformed CSV,
    unsafe or duplicate names. A missing photo is the subject's own failure and shows later.
    """
    notes: list[str] = []
    if source.is_dir():
        found, others = _from_folder(source, leave_out)
        if others:
            more = f" and {len(others) - 3} more" if len(others) > 3 else ""
            notes.append(f"not photos, left out: {', '.join(map(show_path, others[:3]))}{more}")
        if not found:
            raise InputError(
                f"{show_path(source)} holds no photo and no folder; give a folder with a photo or"
                " a folder of photos for each person, or a CSV"
            )
    elif not source.exists():
        raise InputError(f"{show_path(source)} does not exist; give a folder or a CSV")
    elif source.suffix.lower() != ".csv":
        raise InputError(
            f"{show_path(source)} is neither a folder nor a .csv file; for one person use `fitme"
            " fit`"
        )
    else:
        found = _from_csv(source)
    _check_distinct(found)
    return found, notes


def directory_name(name: str) -> str:
    """`name` as the name of a directory on any system: letters, digits, space and `._-`."""
    safe = re.sub(r"[^\w.\- ]", "_", unicodedata.normalize("NFC", name)).strip(" .")
    if safe.startswith("-") or not safe:
        safe = f"_{safe}"
    if safe.lower() in RESERVED or _DEVICES.fullmatch(safe):
        safe = f"{safe}_"
    if len(safe.encode()) > _LONGEST:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        safe = safe.encode()[: _LONGEST - 9].decode(errors="ignore").strip(" .") + f"-{mark}"
    return safe


def _from_folder(folder: Path, leave_out: Path | None) -> tuple[list[Subject], list[str]]:
    subjects, others = [], []
    for entry in _visible(folder):
        if entry.is_dir():
            if leave_out is None or entry.resolve() != leave_out.resolve():
                photos = tuple(p for p in _visible(entry) if _is_photo(p))
                subjects.append(Subject(entry.name, directory_name(entry.name), photos, entry))
        elif _is_photo(entry):
            subjects.append(Subject(entry.stem, directory_name(entry.stem), (entry,), entry))
        else:
            others.append(entry.name)
    return subjects, others


def _visible(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{show_path(folder)} cannot be read ({error.strerror})") from error
    return (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.is_dir()


def _from_csv(path: Path) -> list[Subject]:
    shown = show_path(path)
    photos: dict[str, list[Path]] = {}
    for line, name, photo in _rows(path):
        if re.search(r"[/\\]|[\x00-\x1f\x7f]", name) or name in (".", ".."):
            raise InputError(
                f"{shown}, line {line}: subject {name!r} cannot name a directory; use no slashes,"
                " control characters or '..'"
            )
        place = path.parent / photo
        if place in photos.setdefault(name, []):
            raise InputError(f"{shown}, line {line}: {show_path(photo)} is given twice for {name}")
        photos[name].append(place)
    if not photos:
        raise InputError(f"{shown} lists nobody; give a row `subject,photo` for each photo")
    return [Subject(name, directory_name(name), tuple(p), path) for name, p in photos.items()]


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, subject, photo) of every row. Raises InputError for what is no such CSV."""
    shown, cure = show_path(path), "write it as UTF-8 CSV with the columns subject,photo"
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_LIST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{shown} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is not UTF-8 text; {cure}") from error
    if len(data) > _MAX_LIST_BYTES or "\0" in text:
        raise InputError(f"{shown} is not a list of photos; {cure}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if header.count("subject") != 1 or header.count("photo") != 1:
            raise InputError(f"{shown} has no header with the columns subject,photo; {cure}")
        columns = header.index("subject"), header.index("photo")
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            line = reader.line_num
            if len(row) != len(header):
                raise InputError(
                    f"{shown}, line {line}: {len(row)} columns instead of {len(header)};"
                    ' put names with commas in "quotes"'
                )
            name, photo = (row[column].strip() for column in columns)
            if not name or not photo:
                raise InputError(f"{shown}, line {line}: subject or photo is empty")
            yield line, name, photo
    except csv.Error as error:
        raise InputError(f"{shown}, line {reader.line_num}: malformed CSV ({error})") from error


def _check_distinct(subjects: Iterable[Subject]) -> None:
    """Raises InputError for two subjects that would share a directory.

    Compared without case: where results are copied to next, "Anna" and "anna" may be one.
    """
    seen: dict[str, Subject] = {}
    for subject in subjects:
        other = seen.setdefault(subject.directory.casefold(), subject)
        if other is not subject:
            raise InputError(
                f"duplicate subject name: {show_path(other.name)} ({show_path(other.source)}) and"
                f" {show_path(subject.name)} ({show_path(subject.source)}) would share the"
                f" directory {subject.directory}; rename one"
            )
