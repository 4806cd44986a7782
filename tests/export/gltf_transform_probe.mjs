// Reads a GLB with glTF-Transform, cleans it up as its users do, writes it, and prints as JSON what
// the file holds before and after.
// usage: node gltf_transform_probe.mjs PACKAGE_DIRECTORY FILE OUT
//   (PACKAGE_DIRECTORY holds @gltf-transform, beside which three lies)
import { pathToFileURL } from "node:url";

const [, , directory, file, out] = process.argv;
const load = (path) => import(pathToFileURL(`${directory}/${path}`).href);
const { Logger, NodeIO } = await load("core/dist/index.js");
const { ALL_EXTENSIONS } = await load("extensions/dist/index.js");
const { dedup, prune, weld } = await load("functions/dist/index.js");
const { MeshoptDecoder } = await load("../three/examples/jsm/libs/meshopt_decoder.module.js");
await MeshoptDecoder.ready;
// Without the encoder it cannot write meshopt streams: what was compressed is written plain.
const io = new NodeIO().setLogger(new Logger(Logger.Verbosity.ERROR)).registerExtensions(ALL_EXTENSIONS)
  .registerDependencies({ "meshopt.decoder": MeshoptDecoder });

function describe(document) {
  const meshes = {};
  for (const mesh of document.getRoot().listMeshes()) {
    const primitives = mesh.listPrimitives();
    meshes[mesh.getName()] = {
      triangles: primitives.reduce((sum, p) => sum + p.getIndices().getCount() / 3, 0),
      targets: primitives[0].listTargets().length,
      names: mesh.getExtras().targetNames ?? [],
      moved: primitives[0].listTargets().map((target) => {
        const position = target.getAttribute("POSITION");
        return position ? Math.max(...position.getMaxNormalized([]).map(Math.abs)) : 0;
      }),
    };
  }
  const root = document.getRoot();
  return { meshes, materials: root.listMaterials().length, joints: root.listSkins()[0]?.listJoints().length ?? 0 };
}

const document = await io.read(file);
const before = describe(document);
await document.transform(dedup(), prune(), weld());
for (const used of document.getRoot().listExtensionsUsed()) {
  if (used.extensionName === "EXT_meshopt_compression") used.dispose();
}
await io.write(out, document);
console.log(JSON.stringify({ before, after: describe(await io.read(out)) }));
