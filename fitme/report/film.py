"""Frames to the bytes of an endless GIF, WebP or MP4.

MP4 needs the package imageio-ffmpeg, which carries its own ffmpeg: `pip install "fitme[video]"`.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from PIL import Image

from fitme.avatar.model import Avatar
from fitme.report.views import Turntable
from fitme.runtime.errors import InputError, OutputError, show_path
from fitme.runtime.files import atomic_write_bytes, check_output_file
from fitme.runtime.progress import Progress, SilentProgress

SUFFIXES = (".gif", ".webp", ".mp4")
GIF_MAX_FPS = 50  # players show faster ones at 10 frames a second
WEBP_QUALITY = 90
MP4_QUALITY = 8  # of 10
_PALETTE_FRAMES, _PALETTE_PX = 4, 160


def write_turntable(
    avatar: Avatar,
    out: Path,
    film: Turntable,
    seconds: float = 4.0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> None:
    """Draw a film that lasts `seconds` and write it to `out`, whole or not at all.

    Raises OutputError when `out` cannot be written, InputError when its format cannot hold the
    film: transparency is WebP's alone, GIF stops at 50 frames a second, MP4 wants even sides.
    """
    check_output_file(out, SUFFIXES, overwrite)
    kind, fps = out.suffix.lower(), film.frames / seconds
    shown = show_path(out)
    if film.background is None and kind != ".webp":
        raise InputError(f"{shown} cannot be transparent; name it .webp or give a --background")
    if kind == ".gif" and fps > GIF_MAX_FPS:
        raise InputError(
            f"{shown} cannot show {fps:.0f} frames a second, GIF stops at {GIF_MAX_FPS};"
            " give fewer --frames or more --seconds"
        )
    if kind == ".mp4":
        if film.resolution % 2:
            raise InputError(f"{shown} needs an even --resolution, got {film.resolution}")
        _check_ffmpeg(shown)
    with (progress or SilentProgress()).stage("turntable", film.frames) as stage:

        def frames() -> Iterator[np.ndarray]:
            for frame in film.draw(avatar):
                yield frame if film.background is None else frame[..., :3]
                stage.step()

        if kind == ".mp4":
            data = encode_mp4(frames(), fps)
        elif kind == ".webp":
            data = encode_webp(frames(), durations(film.frames, seconds, 1))
        else:
            few = film.draw(avatar, -(-film.frames // _PALETTE_FRAMES), _PALETTE_PX)
            colours = np.concatenate([frame[..., :3] for frame in few])
            data = encode_gif(frames(), durations(film.frames, seconds, 10), colours)
    atomic_write_bytes(out, data)


def durations(frames: int, seconds: float, step: int) -> list[int]:
    """Milliseconds per frame, multiples of `step`, at least one each; they add up to `seconds`."""
    ends = [round(1000 * seconds * (k + 1) / frames / step) * step for k in range(frames)]
    starts = [0, *ends[:-1]]
    return [max(step, end - start) for start, end in zip(starts, ends, strict=True)]


def encode_gif(
    frames: Iterable[np.ndarray], milliseconds: Sequence[int], colours: np.ndarray
) -> bytes:
    """GIF of frames [H, W, 3]; one palette, that of the picture `colours` [H, W, 3], for all of
    them, since palettes of their own make films flicker."""
    palette = Image.fromarray(colours).quantize(256, Image.Quantize.MEDIANCUT)
    drawn = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for frame in frames
    )
    return _animation(drawn, "GIF", list(milliseconds), disposal=1)


def encode_webp(frames: Iterable[np.ndarray], milliseconds: Sequence[int]) -> bytes:
    """WebP of frames [H, W, 3 or 4]."""
    drawn = (Image.fromarray(frame) for frame in frames)
    return _animation(drawn, "WEBP", list(milliseconds), quality=WEBP_QUALITY)


def _animation(
    frames: Iterator[Image.Image], kind: str, milliseconds: list[int], **options: int
) -> bytes:
    stream = io.BytesIO()
    first = next(frames)
    first.save(
        stream, kind, save_all=True, append_images=frames, duration=milliseconds, loop=0, **options
    )
    return stream.getvalue()


def encode_mp4(frames: Iterable[np.ndarray], fps: float) -> bytes:
    """H.264 of frames [H, W, 3] with even sides, in colours every player knows (4:2:0)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        options = ["-movflags", "+faststart"]
        writer: Any = imageio.get_writer(
            path, format="FFMPEG", fps=fps, codec="libx264", quality=MP4_QUALITY,
            macro_block_size=2, ffmpeg_log_level="error", output_params=options,
        )  # fmt: skip
        with writer:
            for frame in frames:
                writer.append_data(frame)
        return path.read_bytes()


def _check_ffmpeg(shown: str) -> None:
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise OutputError(
            f'{shown}: MP4 needs ffmpeg; run `pip install "fitme[video]"` or name it .webp or .gif'
        ) from error
