"""A page in headless Chromium, without a network and with software WebGL, for tests.

    visit = open_page(file, [wait("window.ready"), evaluate("1 + 1"), screenshot(path)])
    assert visit.values[1] == 2 and not visit.errors and not visit.requests

Skips the test where node, chromium or puppeteer-core is missing. Chromium is $FITME_CHROMIUM or
what `apt-get install chromium` gives; node packages are looked for as `tests/export/external.py`
does: npm install --no-save --no-package-lock puppeteer-core@24
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")

Step = dict[str, Any]


@dataclass(frozen=True)
class Visit:
    """What a visit to a page gave."""

    values: list[Any]  # one per step; None for steps that give nothing
    errors: list[str]  # console errors and uncaught exceptions
    requests: list[str]  # URLs asked for besides the page itself, data: and blob: ones left out


def evaluate(script: str) -> Step:
    """The value of a JavaScript expression, awaited where it is a promise; must fit into JSON."""
    return {"kind": "evaluate", "script": script}


def wait(script: str) -> Step:
    """Wait until a JavaScript expression is true."""
    return {"kind": "wait", "script": script}


def screenshot(path: Path, selector: str | None = None, full: bool = False) -> Step:
    """A PNG of what is in view, of one element, or of the page in its full height."""
    return {"kind": "screenshot", "path": str(path), "selector": selector, "full": full}


def drag(
    start: tuple[float, float], end: tuple[float, float], *,
    button: Literal["left", "right", "middle"] = "left", key: str | None = None,
) -> Step:  # fmt: skip
    """Drag the mouse between two points of the window in CSS pixels, with a key held down."""
    return {"kind": "drag", "start": start, "end": end, "button": button, "key": key}


def click(selector: str) -> Step:
    """Click an element."""
    return {"kind": "click", "selector": selector}


def upload(selector: str, *files: Path) -> Step:
    """Choose files in an input, as a user does in the picker."""
    return {"kind": "upload", "selector": selector, "files": [str(file) for file in files]}


def download(selector: str, folder: Path) -> Step:
    """Click an element that gives a file; the file's path, in `folder`."""
    return {"kind": "download", "selector": selector, "folder": str(folder)}


def wheel(at: tuple[float, float], amount: float, *, key: str | None = None) -> Step:
    """Turn the wheel by CSS pixels (positive: towards the user) with the pointer at a point, with a
    key held down."""
    return {"kind": "wheel", "at": at, "amount": amount, "key": key}


def open_page(
    page: Path | str,
    steps: Sequence[Step],
    *,
    width: int = 1280,
    height: int = 900,
    scale: float = 1.0,
    dark: bool = False,
    file_access: bool = False,
    timeout: float = 120.0,
) -> Visit:
    """Open a file (or a URL) in a window of width x height CSS pixels and take the steps in order.

    `scale` is device pixels per CSS pixel. `file_access` lets the page read other files, which it
    needs to import modules. `timeout` is in seconds, for each step; software WebGL is slow.
    """
    node, modules, chromium = _tools()
    url = page if isinstance(page, str) else page.resolve().as_uri()
    job = {
        "url": url, "steps": list(steps), "width": width, "height": height, "scale": scale,
        "dark": dark, "fileAccess": file_access, "timeout": timeout, "verbose": False,
    }  # fmt: skip
    done = subprocess.run(
        [node, str(Path(__file__).with_suffix(".mjs")), str(modules / "puppeteer-core"), chromium],
        input=json.dumps(job), capture_output=True, text=True, timeout=60 + 2 * timeout,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return Visit(**json.loads(done.stdout))


def _tools() -> tuple[str, Path, str]:
    """node, the folder of its packages, chromium; skips the test where one is missing."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    modules = Path(os.environ.get("FITME_NODE_MODULES") or REPOSITORY / "node_modules")
    if not (modules / "puppeteer-core").is_dir():
        pytest.skip(f"puppeteer-core is not in {modules} (npm install puppeteer-core@24)")
    found = [os.environ.get("FITME_CHROMIUM"), *map(shutil.which, _NAMES)]
    chromium = next((path for path in found if path), None)
    if chromium is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    return node, modules, chromium
