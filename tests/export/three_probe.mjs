// Loads a GLB with three.js's GLTFLoader and prints what came of it as JSON.
// usage: node three_probe.mjs PACKAGE_DIRECTORY FILE   (PACKAGE_DIRECTORY holds three)
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [, , packageDirectory, file] = process.argv;
// What the loader asks of a browser; the pixels of images do not matter here.
globalThis.self = globalThis;
globalThis.createImageBitmap = async (blob) => ({ width: 1, height: 1, size: blob.size });

const { GLTFLoader } = await import(
  pathToFileURL(`${packageDirectory}/examples/jsm/loaders/GLTFLoader.js`).href
);
const bytes = fs.readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
const gltf = await new GLTFLoader().parseAsync(buffer, "");

const report = { root: gltf.scene.children.map((child) => child.name), meshes: {} };
gltf.scene.traverse((object) => {
  if (!object.isMesh) return;
  const { attributes, index, morphAttributes } = object.geometry;
  const { material } = object;
  report.meshes[object.name] = {
    attributes: Object.keys(attributes).sort(),
    vertices: attributes.position.count,
    triangles: index.count / 3,
    targets: object.morphTargetDictionary ?? {},
    weights: object.morphTargetInfluences ?? [],
    offsets: (morphAttributes.position ?? []).map((a) => Array.from(a.array)),
    normalOffsets: (morphAttributes.normal ?? []).map((a) => a.count),
    material: material.type,
    specularColor: material.specularColor?.toArray(),
    maps: Object.keys(material).filter((key) => material[key]?.isTexture),
    normalScale: material.normalScale?.toArray(),
  };
});
console.log(JSON.stringify(report));
