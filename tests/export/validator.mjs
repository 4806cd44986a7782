// Prints the Khronos glTF validator's report on a file as JSON.
// usage: node validator.mjs PACKAGE_DIRECTORY FILE   (PACKAGE_DIRECTORY holds gltf-validator)
import fs from "node:fs";
import { createRequire } from "node:module";

const [, , packageDirectory, file] = process.argv;
const validator = createRequire(import.meta.url)(packageDirectory);
const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
console.log(JSON.stringify(report));
