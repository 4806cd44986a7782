"""A studio with fake fits behind a client that speaks to it without a socket."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from fitme.studio.app import Studio
from fitme.studio.shelf import Shelf
from tests.studio.fake_fitter import FakeFitter

TOKEN = "a-token"
BASE = f"http://127.0.0.1:8765/{TOKEN}/"


def png(side: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (200, 120, 90)).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def running(root: Path, made: Path | None = None) -> Iterator[tuple[Studio, TestClient]]:
    """The studio and its client, whose paths begin behind the token."""
    studio = Studio(Shelf(root), FakeFitter(made))
    try:
        yield studio, TestClient(studio.app(TOKEN), base_url=BASE)
    finally:
        studio.close()


@contextmanager
def served(root: Path, made: Path | None = None) -> Iterator[str]:
    """The address of the same behind a socket of this machine."""
    studio = Studio(Shelf(root), FakeFitter(made))
    config = uvicorn.Config(studio.app(TOKEN), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}/"
        finally:
            studio.close()
            server.should_exit = True
            thread.join()


def send(client: TestClient, *names: str, data: bytes | None = None, **fields: str) -> Any:
    """Post photos; the answer."""
    body = png() if data is None else data
    files = [("photo", (name, body, "image/png")) for name in names]
    return client.post("fits", files=files, data=fields)


def wait_for(studio: Studio, found: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The jobs as soon as they are so."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        jobs = studio.line.state()
        if found(jobs):
            return jobs
        time.sleep(0.02)
    raise AssertionError(studio.line.state())


def statuses(studio: Studio) -> list[str]:
    return [job["status"] for job in studio.line.state()]
