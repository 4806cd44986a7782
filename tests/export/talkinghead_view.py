"""A GLB in the npm package @met4citizen/talkinghead, in headless Chromium.

npm install --no-save --no-package-lock @met4citizen/talkinghead
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser import REPOSITORY, evaluate, open_page, screenshot, wait

PACKAGE = "@met4citizen/talkinghead"
PAGE = """<!doctype html><meta charset="utf-8">
<style>body{margin:0}#avatar{width:%(size)dpx;height:%(size)dpx;background:#335}</style>
<div id="avatar"></div>
<script type="importmap">{"imports": {"three": "%(three)s/build/three.module.js",
 "three/addons/": "%(three)s/examples/jsm/", "talkinghead": "%(package)s"}}</script>
<script type="module">
import { TalkingHead } from "talkinghead";
window.failed = null;
const bytes = Uint8Array.from(atob("%(glb)s"), (c) => c.charCodeAt(0));
const url = URL.createObjectURL(new Blob([bytes]));
try {
  const head = new TalkingHead(document.getElementById("avatar"), {
    ttsEndpoint: null, lipsyncModules: ["en"], lipsyncLang: "en", cameraView: "%(view)s",
    modelFPS: 5 });
  await head.showAvatar({ url, body: "F", avatarMood: "neutral" });
  window.head = head;
} catch (error) { window.failed = String(error.stack ?? error); }
window.ready = true;
window.state = () => {
  const place = (name) => {
    const o = head.armature.getObjectByName(name);
    o.updateWorldMatrix(true, false);
    return o.matrixWorld.elements.slice(12, 15);
  };
  const q = head.poseAvatar.props["Neck.quaternion"];
  return { morphs: Object.fromEntries(Object.entries(head.mtAvatar).map(
             ([name, m]) => [name, m.ms.length])),
           eye: place("LeftEye"), hips: place("Hips"), neck: [q.x, q.y, q.z, q.w],
           aa: head.mtAvatar["viseme_aa"].applied, names: head.morphs.map((m) => m.name) };
};
</script>"""


def talk(glb: bytes, folder: Path, size: int = 400, view: str = "upper") -> dict[str, Any]:
    """What TalkingHead makes of a file: {"before", "after"} saying "aa", see `state` of the page;
    pictures are in `folder`. Skips where the package is missing."""
    modules = Path(os.environ.get("FITME_NODE_MODULES") or REPOSITORY / "node_modules")
    package = modules / PACKAGE
    if not package.is_dir():
        pytest.skip(f"the node package {PACKAGE} is not in {modules} (npm install {PACKAGE})")
    own = package / "node_modules" / "three"
    three = own if own.is_dir() else modules / "three"
    page = folder / "talkinghead.html"
    page.write_text(
        PAGE % {
            "three": three.resolve().as_uri(), "size": size, "view": view,
            "package": (package / "modules" / "talkinghead.mjs").resolve().as_uri(),
            "glb": base64.b64encode(glb).decode(),
        }
    )  # fmt: skip
    visit = open_page(
        page,
        [
            wait("window.ready"), evaluate("window.failed"),
            wait("window.failed || head.animClock > 1500"),
            evaluate("window.failed ? null : state()"), screenshot(folder / "rest.png"),
            evaluate("head.setFixedValue('viseme_aa', 1) ?? 0"),
            wait("head.mtAvatar['viseme_aa'].applied > 0.9"), evaluate("state()"),
            screenshot(folder / "aa.png"),
        ],
        width=size, height=size, file_access=True,
    )  # fmt: skip
    assert visit.values[1] is None, visit.values[1]
    assert not visit.errors, json.dumps(visit.errors)
    return {"before": visit.values[3], "after": visit.values[7]}
