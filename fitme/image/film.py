"""Pictures of a film, through the ffmpeg that the package imageio-ffmpeg brings (extra `video`)."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from fitme.image.boxes import Nclx
from fitme.image.photo import Photo, of_picture
from fitme.runtime.errors import PhotoError, show_path

#: Files that are taken for films by their names.
FILM_SUFFIXES = frozenset((".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".3gp", ".mts"))
_SMALL = 720  # pixels of the longer side of the pictures that are only looked through
_SECONDS = 120  # of waiting for one call of ffmpeg
_PRIMARIES = {"bt2020": 9, "smpte432": 12}
_TRANSFERS = {"smpte2084": 16, "arib-std-b67": 18}


@dataclass(frozen=True)
class Film:
    """A film: how long it is in seconds, and its colour space where that is not usual video."""

    path: Path
    seconds: float
    space: Nclx | None


def is_film(path: Path) -> bool:
    return path.suffix.lower() in FILM_SUFFIXES


def open_film(path: Path) -> Film:
    """What ffmpeg says of a file. Raises PhotoError, with the cure, where there is no ffmpeg, no
    such file or no film in it."""
    name = show_path(path)
    if not path.is_file():
        raise PhotoError(f"{name} does not exist; check the path")
    told = _run(path, [], quiet=True)
    length = re.search(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", told)
    stream = re.search(r"Stream #.*Video:.*", told)
    if length is None or stream is None:
        raise PhotoError(f"{name} is no film that ffmpeg can read; give an MP4 or MOV")
    hours, minutes, seconds = (float(part) for part in length.groups())
    # Told as matrix/primaries/transfer, or as one word where these are the same.
    colours = re.search(r"\b[\w-]+/([\w-]+)/([\w-]+)\b", stream.group())
    primaries = _PRIMARIES.get(colours.group(1), 1) if colours else 1
    transfer = _TRANSFERS.get(colours.group(2), 13) if colours else 13
    usual = (primaries, transfer) == (1, 13)
    whole = 3600 * hours + 60 * minutes + seconds
    return Film(path, max(whole, 0.04), None if usual else Nclx(primaries, transfer))


def look_through(film: Film, most: int) -> list[tuple[float, Photo]]:
    """Up to `most` small pictures, evenly over the film, with their seconds, upright."""
    rate = min(most / film.seconds, 10.0)
    size = f"scale='if(gt(iw,ih),min({_SMALL},iw),-2)':'if(gt(iw,ih),-2,min({_SMALL},ih))'"
    with tempfile.TemporaryDirectory() as folder:
        _run(film.path, ["-an", "-vf", f"fps={rate:.6f}:round=down,{size}", "-frames:v", str(most),
                         "-q:v", "2", f"{folder}/%06d.jpg"])  # fmt: skip
        files = sorted(Path(folder).glob("*.jpg"))
        return [(k / rate, _picture(file, film, k / rate)) for k, file in enumerate(files)]


def picture_at(film: Film, second: float) -> Photo:
    """The picture at a second of the film in full size. Raises PhotoError where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        _run(film.path, ["-an", "-frames:v", "1", str(file)], start=second)
        if not file.is_file():
            raise PhotoError(f"{show_path(film.path)} has no picture at {second:.2f} s")
        return _picture(file, film, second)


def _picture(file: Path, film: Film, second: float) -> Photo:
    """A picture that ffmpeg wrote, as if it were a file beside the film."""
    place = film.path.with_name(f"{film.path.stem}_{second:08.2f}s.png")
    with Image.open(file) as image:
        return of_picture(image.convert("RGB"), place, film.space, second)


def _run(path: Path, arguments: list[str], start: float = 0.0, quiet: bool = False) -> str:
    """What ffmpeg says on reading a file. Raises PhotoError where it fails, unless `quiet`."""
    name = show_path(path)
    try:
        import imageio_ffmpeg

        program = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        cure = 'pip install "fitme[video]"'
        raise PhotoError(f"{name} is a film, which needs ffmpeg to read; {cure}") from error
    # Files that strangers made may name others, or addresses: nothing but the file is opened.
    command = [program, "-hide_banner", "-nostdin", "-protocol_whitelist", "file", "-ss",
               f"{start:.4f}", "-i", f"file:{path.resolve()}", *arguments]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise PhotoError(f"{name}: ffmpeg takes too long; cut the film to some seconds") from error
    told = done.stderr.decode("utf-8", "replace")
    if done.returncode and not quiet:
        reason = told.strip().splitlines()[-1][:120] if told.strip() else "no reason given"
        raise PhotoError(f"{name}: ffmpeg cannot read it ({reason}); give an MP4 or MOV")
    return told
