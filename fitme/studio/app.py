"""The page's server: what it answers. All of it lies behind `Guard`."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from fitme.report.assets import VIEWER_SCRIPTS
from fitme.runtime.errors import FitmeError
from fitme.runtime.pages import package_text
from fitme.studio.exports import Exporter
from fitme.studio.guard import Guard
from fitme.studio.line import Line
from fitme.studio.order import Fitter
from fitme.studio.page import page_html
from fitme.studio.shelf import FILES, Shelf
from fitme.studio.uploads import MOST_BODY, read_order

LOOK_EVERY_S = 0.15  # for changes to tell
BEAT_EVERY_S = 15.0  # a sign of life, by which a closed page is noticed
#: The report is one file with its scripts inside; here it may do what it needs and nothing else.
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; img-src data: blob:;"
    " style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)


class Studio:
    """A folder of avatars, a queue of fits, and the page for both."""

    def __init__(self, shelf: Shelf, fitter: Fitter) -> None:
        self.shelf, self.exporter = shelf, Exporter()
        self.line = Line(fitter, lambda order: shelf.forget_photos(order.out.name))
        self.closing = threading.Event()  # ends what is streamed
        self._deleted = 0  # heads; a change to tell

    def app(self, token: str) -> ASGIApp:
        """The ASGI app; everything is below /TOKEN/."""
        routes = [
            Route("/", self.page),
            Route("/studio.css", self.style),
            Route("/studio.js", self.script),
            Route("/events", self.events),
            Route("/fits", self.submit, methods=["POST"]),
            Route("/fits/{number:int}/cancel", self.cancel, methods=["POST"]),
            Route("/fits/{number:int}/forget", self.forget, methods=["POST"]),
            Route("/fits/{number:int}/picture.jpg", self.picture),
            Route("/heads/{name}/delete", self.delete, methods=["POST"]),
            Route("/heads/{name}/exports/{preset}", self.export, methods=["POST"]),
            Route("/heads/{name}/exports/{preset}.zip", self.archive),
            Route("/heads/{name}/{file}", self.file),
        ]
        handlers: dict[Any, Any] = {FitmeError: _user_error, HTTPException: _http_error}
        return Guard(Starlette(routes=routes, exception_handlers=handlers), token, MOST_BODY)

    def close(self) -> None:
        """End what runs."""
        self.closing.set()
        self.line.close()

    async def page(self, request: Request) -> Response:
        return Response(page_html(self.shelf.root), media_type="text/html")

    async def style(self, request: Request) -> Response:
        text = package_text("fitme.report", "page.css") + package_text("fitme.studio", "studio.css")
        return Response(text, media_type="text/css")

    async def script(self, request: Request) -> Response:
        viewer = package_text("fitme.report", *VIEWER_SCRIPTS)
        own = package_text("fitme.studio", "form.js", "jobs.js", "head.js", "studio.js")
        text = f'(() => {{\n"use strict";\n{viewer}\n{own}\n}})();\n'
        return Response(text, media_type="text/javascript")

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._states(), media_type="text/event-stream")

    async def _states(self) -> AsyncIterator[str]:
        """The whole state whenever it changes."""
        told, quiet = (-1, 0), 0.0
        while not self.closing.is_set():
            version = (self.line.version, self._deleted)
            if version != told:
                told, quiet = version, 0.0
                state = {"jobs": self.line.state(), "heads": self.shelf.heads()}
                yield f"data: {json.dumps(state)}\n\n"
            elif quiet > BEAT_EVERY_S:
                quiet = 0.0
                yield ": here\n\n"
            await asyncio.sleep(LOOK_EVERY_S)
            quiet += LOOK_EVERY_S

    async def submit(self, request: Request) -> Response:
        title, order = await read_order(request, self.shelf, self.line.taken())
        try:
            number = self.line.submit(title, order)
        except FitmeError:
            self.shelf.forget_photos(order.out.name)
            raise
        return JSONResponse({"number": number}, 201)

    async def cancel(self, request: Request) -> Response:
        if not self.line.cancel(request.path_params["number"]):
            raise HTTPException(404, "there is no such fit that waits or runs")
        return JSONResponse({})

    async def forget(self, request: Request) -> Response:
        self.line.forget(request.path_params["number"])
        return JSONResponse({})

    async def picture(self, request: Request) -> Response:
        data = self.line.picture(request.path_params["number"])
        if data is None:
            raise HTTPException(404, "there is no picture yet")
        return Response(data, media_type="image/jpeg")

    async def file(self, request: Request) -> Response:
        name, file = request.path_params["name"], request.path_params["file"]
        path = self.shelf.file(name, file)
        if path is None:
            raise HTTPException(404, "there is no such file")
        save = f"{name}_{file}" if file != "report.html" else f"{name}.html"
        headers = {"content-security-policy": REPORT_POLICY} if file == "report.html" else {}
        given = save if "save" in request.query_params else None
        return FileResponse(path, headers=headers, media_type=FILES[file], filename=given)

    async def delete(self, request: Request) -> Response:
        if not await asyncio.to_thread(self.shelf.remove, request.path_params["name"]):
            raise HTTPException(404, "there is no such head")
        self._deleted += 1
        return JSONResponse({})

    async def export(self, request: Request) -> Response:
        name, preset = request.path_params["name"], request.path_params["preset"]
        folder = self.shelf.head(name)
        if folder is None:
            raise HTTPException(404, "there is no such head")
        await self.exporter.make(folder, preset, self.shelf.export(name, preset))
        return JSONResponse({"file": f"heads/{name}/exports/{preset}.zip"}, 201)

    async def archive(self, request: Request) -> Response:
        name, preset = request.path_params["name"], request.path_params["preset"]
        path = self.shelf.archive(name, preset)
        if path is None:
            raise HTTPException(404, "this export was not made")
        return FileResponse(path, media_type="application/zip", filename=path.name)


async def _user_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": " ".join(str(error).split())}, 400)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
