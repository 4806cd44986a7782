"""Running the page: 127.0.0.1 only, a random token in the address, a clean end by Ctrl-C."""

from __future__ import annotations

import contextlib
import secrets
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from fitme.batch.lock import locked
from fitme.runtime.errors import InputError
from fitme.studio.app import Studio
from fitme.studio.order import Fitter
from fitme.studio.shelf import STATE, Shelf

HOST = "127.0.0.1"
PORT = 8765  # where it is free; else any other


def serve(
    root: Path, fitter: Fitter, *, port: int | None = None, browser: bool = True,
    tell: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Serve until Ctrl-C; `tell` gets the address. Raises OutputError for a `root` that cannot be
    made, or that another studio is at work in, and InputError for a `port` that is taken."""
    shelf = Shelf(root)
    with locked(root / STATE / "lock", root, "studio"), _bound(port) as listener:
        shelf.sweep()
        token = secrets.token_urlsafe(18)
        address = f"http://{HOST}:{listener.getsockname()[1]}/{token}/"
        studio = Studio(shelf, fitter)
        with contextlib.suppress(KeyboardInterrupt), contextlib.closing(studio):
            config = uvicorn.Config(
                studio.app(token), log_level="warning", access_log=False, lifespan="off",
                server_header=False, timeout_graceful_shutdown=2,
            )  # fmt: skip
            tell(address)
            if browser:
                webbrowser.open(address)
            _Server(config, studio).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends what is streamed before it waits for the end of all answers."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self._studio = studio

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._studio.closing.set()
        super().handle_exit(sig, frame)


def _bound(port: int | None) -> socket.socket:
    for wanted in (PORT, 0) if port is None else (port,):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError as error:
            listener.close()
            if port is not None:
                raise InputError(f"--port {port} cannot be had ({error.strerror})") from error
            continue
        listener.listen()
        return listener
    raise InputError(f"no port of {HOST} can be had; give another --port")
