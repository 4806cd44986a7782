"""A VRM file in the npm package @pixiv/three-vrm, in headless Chromium.

npm install --no-save --no-package-lock three @pixiv/three-vrm
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser import REPOSITORY, Step, evaluate, open_page, screenshot, wait

PACKAGE = "@pixiv/three-vrm"
PAGE = """<!doctype html><meta charset="utf-8">
<style>body{margin:0}canvas{display:block}</style>
<script type="importmap">{"imports": {"three": "%(three)s/build/three.module.js",
 "three/addons/": "%(three)s/examples/jsm/", "vrm": "%(package)s"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { VRMLoaderPlugin } from "vrm";
window.failed = null;
try {
  const bytes = Uint8Array.from(atob("%(vrm)s"), (c) => c.charCodeAt(0)).buffer;
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  const vrm = (await loader.parseAsync(bytes, "")).userData.vrm;
  const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  renderer.setSize(%(size)d, %(size)d);
  document.body.append(renderer.domElement);
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(0x334455);
  scene.add(vrm.scene, new THREE.HemisphereLight(0xffffff, 0x888888, 2));
  const sun = new THREE.DirectionalLight(0xffffff, 2);
  sun.position.set(0.5, 2.5, 2);
  scene.add(sun);
  const camera = new THREE.PerspectiveCamera(25, 1, 0.05, 10);
  camera.position.set(0, 1.6, 1.3);
  camera.lookAt(0, 1.56, 0);
  vrm.scene.traverse((o) => { o.frustumCulled = false; });
  window.vrm = vrm;
  // Where the vertices of a mesh are, morph targets and joints together.
  window.vertices = (name) => {
    const mesh = vrm.scene.getObjectByName(name);
    vrm.scene.updateMatrixWorld(true);
    const place = new THREE.Vector3(), out = [];
    for (let k = 0; k < mesh.geometry.attributes.position.count; k += 7) {
      out.push(mesh.getVertexPosition(k, place).toArray());
    }
    return out;
  };
  window.show = (faces, bones, target) => {
    for (const name of Object.keys(vrm.expressionManager.expressionMap)) {
      vrm.expressionManager.setValue(name, faces[name] ?? 0);
    }
    for (const [name, turn] of Object.entries(bones ?? {})) {
      vrm.humanoid.getNormalizedBoneNode(name).rotation.set(...turn);
    }
    vrm.lookAt.target = null;
    vrm.lookAt.reset();
    if (target) vrm.lookAt.lookAt(new THREE.Vector3(...target));
    vrm.update(0.1);
    renderer.render(scene, camera);
    return true;
  };
  window.about = { meta: vrm.meta, bones: Object.keys(vrm.humanoid.humanBones),
    faces: Object.keys(vrm.expressionManager.expressionMap),
    look: vrm.lookAt.applier.constructor.type };
} catch (error) { window.failed = String(error.stack ?? error); }
window.ready = true;
</script>"""


def visit_vrm(vrm: bytes, folder: Path, steps: list[Step], size: int = 400) -> list[Any]:
    """What the steps give on the page; `failed` and `about` come first. Skips where the package is
    missing."""
    modules = Path(os.environ.get("FITME_NODE_MODULES") or REPOSITORY / "node_modules")
    package = modules / PACKAGE
    if not package.is_dir():
        pytest.skip(f"the node package {PACKAGE} is not in {modules} (npm install {PACKAGE})")
    page = folder / "vrm.html"
    page.write_text(
        PAGE % {
            "three": (modules / "three").resolve().as_uri(), "size": size,
            "package": (package / "lib" / "three-vrm.module.js").resolve().as_uri(),
            "vrm": base64.b64encode(vrm).decode(),
        }
    )  # fmt: skip
    start = [wait("window.ready"), evaluate("window.failed"), evaluate("window.about")]
    visit = open_page(page, start + steps, width=size, height=size, file_access=True)
    assert visit.values[1] is None, visit.values[1]
    assert not visit.errors, visit.errors
    return visit.values[2:]


def show(
    faces: dict[str, float] | None = None, bones: dict[str, list[float]] | None = None,
    target: list[float] | None = None, picture: Path | None = None,
) -> list[Step]:  # fmt: skip
    """Steps that put on expressions (weights by name), turn bones (radians) and look somewhere."""
    import json

    text = f"show({json.dumps(faces or {})}, {json.dumps(bones or {})}, {json.dumps(target)})"
    return [evaluate(text), *([screenshot(picture)] if picture else [])]
