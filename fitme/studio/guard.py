"""Who may ask: this machine's browser with the token, and nobody through it."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A name that resolves to this machine by an attacker's name server (DNS rebinding) is none of
#: these. Ports may differ from ours where a tunnel leads here.
HOSTS = ("127.0.0.1", "localhost", "::1")
#: Of our own pages; the report, which has scripts in its text, has its own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the token is in the address
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets a request for /TOKEN/... through to the app, which sees the path without the token.

    Refused are other hosts' names, other origins, a wrong token (404, as for everything that is
    not there), and a body without a length or longer than `most_bytes`.
    """

    def __init__(self, app: ASGIApp, token: str, most_bytes: int) -> None:
        self._app, self._token, self._most_bytes = app, token, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        root = f"/{self._token}"
        inside = {**scope, "path": scope["path"][len(root) :], "root_path": ""}
        inside["raw_path"] = inside["path"].encode()
        await self._app(inside, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if _host(headers.get("host", "")) not in HOSTS:
            return PlainTextResponse("Open the address that fitme studio printed.\n", 400)
        origin = headers.get("origin")
        if origin is not None and _host(urlsplit(origin).netloc) not in HOSTS:
            return PlainTextResponse("Not from another page.\n", 403)
        given = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        slash = scope["path"].count("/") > 1
        if not (slash and secrets.compare_digest(given.encode(), self._token.encode())):
            return PlainTextResponse("Open the address that fitme studio printed.\n", 404)
        if scope["method"] in ("GET", "HEAD"):
            return None
        length = headers.get("content-length", "")
        if not length.isdigit():
            return PlainTextResponse("The length of the body is missing.\n", 411)
        if int(length) > self._most_bytes:
            text = f"That is more than {self._most_bytes >> 20} MiB; choose fewer or smaller photos"
            return PlainTextResponse(text, 413)
        return None


def _host(netloc: str) -> str:
    """The host of "host:port"; nothing for what is no such thing."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return add
