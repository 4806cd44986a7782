"""A GLB drawn by three.js in headless Chromium, from a camera of our own."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from tests.browser import REPOSITORY, evaluate, open_page, screenshot, wait

PAGE = """<!doctype html><meta charset="utf-8">
<style>body{margin:0;background:#00f}canvas{display:block}</style>
<script type="importmap">{"imports": {"three": "%(three)s/build/three.module.js",
 "three/addons/": "%(three)s/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";
const bytes = Uint8Array.from(atob("%(glb)s"), (c) => c.charCodeAt(0)).buffer;
const size = %(size)d, camera_ = %(camera)s;
const renderer = new THREE.WebGLRenderer(
  { antialias: true, alpha: true, preserveDrawingBuffer: true });
renderer.setSize(size, size);
renderer.toneMapping = THREE.NoToneMapping;
document.body.append(renderer.domElement);
const scene = new THREE.Scene();
const room = new THREE.PMREMGenerator(renderer).fromScene(new RoomEnvironment(), 0.04);
scene.environment = room.texture;
scene.environmentIntensity = %(environment)f;
const sun = new THREE.DirectionalLight(0xffffff, %(sun)f);
sun.position.set(...%(sun_direction)s);
scene.add(sun);
// Our camera: K (pixels) and world to camera, x right, y down, z forward.
const camera = new THREE.PerspectiveCamera();
const [fx, fy, cx, cy] = camera_.K, near = 0.05, far = 10;
camera.projectionMatrix.makePerspective(
  -cx / fx * near, (size - cx) / fx * near, cy / fy * near, -(size - cy) / fy * near, near, far);
camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
const view = new THREE.Matrix4().set(...camera_.world_to_camera.flat());
view.premultiply(new THREE.Matrix4().makeScale(1, -1, -1)).invert();
camera.matrixAutoUpdate = false;
camera.matrix.copy(view);
camera.matrixWorldNeedsUpdate = true;
const gltf = await new GLTFLoader().setMeshoptDecoder(MeshoptDecoder).parseAsync(bytes, "");
scene.add(gltf.scene);
const meshes = [];
gltf.scene.traverse((o) => { if (o.isMesh) meshes.push(o); o.frustumCulled = false; });
const about = %(about)s;
if (about) {
  const { loadWrinkles, addWrinkles } = await import("./wrinkles.js");
  const head = meshes.find((m) => m.name === "head");
  addWrinkles(THREE, head, about, await loadWrinkles(THREE, about, ""));
}
window.names = Object.fromEntries(
  meshes.map((m) => [m.name, Object.keys(m.morphTargetDictionary ?? {})]));
window.materials = Object.fromEntries(meshes.map((m) => [m.name, {
  type: m.material.type, roughness: m.material.roughness, map: !!m.material.map,
  specular: m.material.specularColor?.toArray() }]));
// Weights of morph targets, and of joints under "joint:NAME" what turns them: x, y, z in degrees.
const rest = {};
window.draw = (weights) => {
  for (const [name, turn] of Object.entries(weights)) {
    const joint = name.startsWith("joint:") && gltf.scene.getObjectByName(name.slice(6));
    if (!joint) continue;
    rest[name] ??= joint.quaternion.clone();
    const angles = new THREE.Euler(...turn.map((angle) => angle * Math.PI / 180));
    joint.quaternion.copy(rest[name]).multiply(new THREE.Quaternion().setFromEuler(angles));
  }
  for (const mesh of meshes) for (const [name, weight] of Object.entries(weights)) {
    const index = mesh.morphTargetDictionary?.[name];
    if (index !== undefined) mesh.morphTargetInfluences[index] = weight;
  }
  renderer.render(scene, camera);
  return true;
};
window.ready = window.draw({});
</script>"""


def draw(
    glb: bytes, folder: Path, camera, poses, *, size=512, sun=2.5, sun_direction=(0.5, 1, 1.5),
    environment=0.6, about=None,
):  # fmt: skip
    """Pictures [size,size,3] uint8 over pure blue, one per dict of morph weights, and what the page
    says of meshes: (pictures, {mesh: target names}, {mesh: material}). `camera` is square. `about`
    is what fitme_export.json says, for wrinkles, whose files are in `folder`."""
    modules = Path(os.environ.get("FITME_NODE_MODULES") or REPOSITORY / "node_modules")
    K = camera.K[0].tolist()
    page = folder / "three.html"
    page.write_text(
        PAGE % {
            "three": (modules / "three").resolve().as_uri(), "size": size, "sun": sun,
            "glb": base64.b64encode(glb).decode(), "sun_direction": list(sun_direction),
            "environment": environment, "about": json.dumps(about),
            "camera": json.dumps({"K": [K[0][0], K[1][1], K[0][2], K[1][2]],
                                  "world_to_camera": camera.world_to_camera[0].tolist()}),
        }
    )  # fmt: skip
    steps = [wait("window.ready"), evaluate("window.names"), evaluate("window.materials")]
    files = [folder / f"three_{k}.png" for k in range(len(poses))]
    for pose, file in zip(poses, files, strict=True):
        steps += [evaluate(f"window.draw({json.dumps(pose)})"), screenshot(file)]
    visit = open_page(page, steps, width=size, height=size, file_access=True)
    assert not visit.errors, visit.errors
    pictures = []
    for file in files:
        with Image.open(file) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return pictures, visit.values[1], visit.values[2]
