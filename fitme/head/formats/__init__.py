"""A `HeadModel` from a user's own FLAME, Basel or ICT file. The file brings its licence.

`convert_head` writes it as safetensors once; everything else in fitme reads only that.
Axes are +Y up and +Z front in all four models; the unit is found from the mean's height.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from fitme.head.formats.checks import check_file, fail, read_npz
from fitme.head.model import HeadModel, save_head
from fitme.runtime.files import check_output_file

Kind = Literal["auto", "flame", "bfm2009", "bfm2017", "ict"]
KINDS: tuple[str, ...] = get_args(Kind)
_CURE = "name the format with --kind flame, bfm2009, bfm2017 (also 2019) or ict"


def read_head_file(path: Path, kind: Kind = "auto", landmarks: Path | None = None) -> HeadModel:
    """Read a model of another project; see `raw.assemble` for what a file lacks.

    Args:
        path: FLAME pickle or .npz; BFM2009 .mat; BFM2017/2019 .h5; ICT folder or .npz.
        kind: the format; "auto" goes by the file's name and keys.
        landmarks: JSON file with the model's MediaPipe points, see `landmark_file`.

    Raises InputError in one line: file, problem, cure.
    """
    path = Path(path)
    if kind not in KINDS:
        raise ValueError(f"kind: wanted one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "auto":
        kind = detect_kind(path)
    from fitme.head.formats import bfm, flame, ict  # each pulls its own reader
    from fitme.head.formats.landmark_file import with_landmarks
    from fitme.head.formats.raw import assemble

    readers = {
        "flame": flame.read_flame, "bfm2009": bfm.read_bfm2009,
        "bfm2017": bfm.read_bfm2017, "ict": ict.read_ict,
    }  # fmt: skip
    model = assemble(readers[kind](path), path)
    return model if landmarks is None else with_landmarks(model, Path(landmarks))


def convert_head(
    path: Path, out: Path, kind: Kind = "auto", landmarks: Path | None = None,
    overwrite: bool = False,
) -> HeadModel:  # fmt: skip
    """Read a model, write it to `out` (whole or not at all), return it.

    Raises InputError as `read_head_file` does, and OutputError when `out` has another suffix
    than .safetensors, exists without `overwrite`, or cannot be written.
    """
    out = Path(out)
    check_output_file(out, (".safetensors",), overwrite)
    model = read_head_file(path, kind, landmarks)
    save_head(model, out)
    return model


def detect_kind(path: Path) -> Kind:
    """The format of a file or folder. Raises InputError when it is none of the known ones."""
    if path.is_dir():
        return "ict"
    check_file(path, _CURE)
    with path.open("rb") as stream:
        start = stream.read(8)
    suffix = path.suffix.lower()
    if start == b"\x89HDF\r\n\x1a\n" or suffix in (".h5", ".hdf5"):
        return "bfm2017"
    if suffix == ".mat":
        return "bfm2009"
    if suffix in (".pkl", ".pickle"):
        return "flame"
    if suffix == ".npz":
        keys = read_npz(path, ("v_template", "neutral"), _CURE)
        if keys:
            return "flame" if "v_template" in keys else "ict"
    fail(path, "is no head model that can be told by its name", _CURE)
