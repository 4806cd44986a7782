// Decodes meshopt streams with three.js's decoder, or loads a compressed GLB, and prints JSON.
// usage: node meshopt_probe.mjs PACKAGE_DIRECTORY FILE   (PACKAGE_DIRECTORY holds three)
// FILE is a .glb, or a .json list of {count, stride, mode, data}, data in base64.
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [, , packageDirectory, file] = process.argv;
const from = (path) => import(pathToFileURL(`${packageDirectory}/examples/jsm/${path}`).href);
globalThis.self = globalThis;
globalThis.createImageBitmap = async (blob) => ({ width: 1, height: 1, size: blob.size });

const { MeshoptDecoder } = await from("libs/meshopt_decoder.module.js");
await MeshoptDecoder.ready;
const bytes = fs.readFileSync(file);
const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");

if (file.endsWith(".json")) {
  const decoded = JSON.parse(bytes).map(({ count, stride, mode, data }) => {
    const target = new Uint8Array(count * stride);
    MeshoptDecoder.decodeGltfBuffer(target, count, stride, Buffer.from(data, "base64"), mode);
    return base64(target);
  });
  console.log(JSON.stringify({ decoded }));
} else {
  const { GLTFLoader } = await from("loaders/GLTFLoader.js");
  const loader = new GLTFLoader();
  loader.setMeshoptDecoder(MeshoptDecoder);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const gltf = await loader.parseAsync(buffer, "");
  const floats = (attribute, scale = 1) => {
    const values = new Float32Array(attribute.count * attribute.itemSize);
    for (let i = 0; i < attribute.count; i++)
      for (let k = 0; k < attribute.itemSize; k++)
        values[i * attribute.itemSize + k] = scale * attribute.getComponent(i, k);
    return base64(values);
  };
  const meshes = {};
  gltf.scene.traverse((object) => {
    if (!object.isMesh) return;
    const { attributes, index, morphAttributes } = object.geometry;
    const scale = object.scale.x;
    meshes[object.name] = {
      place: object.position.toArray(),
      attributes: Object.fromEntries(
        Object.entries(attributes).map(([name, a]) => [name, floats(a, name === "position" ? scale : 1)]),
      ),
      index: Array.from(index.array),
      targets: Object.entries(object.morphTargetDictionary ?? {}).map(([name, i]) => [
        name, floats(morphAttributes.position[i], scale), floats(morphAttributes.normal[i]),
      ]),
    };
  });
  console.log(JSON.stringify({ meshes }));
}
