// avatar.glb from what the page holds: meshes, shapes and materials are those of fitme/export.
// Its maps are the page's JPEGs, its tangents the viewer's.

const VERTEX_DATA = 34962, INDICES = 34963; // what glTF calls targets of a buffer view
const COMPONENT = { Uint16Array: 5123, Uint32Array: 5125, Float32Array: 5126 };
const TYPE = { 1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4" };
const POSITION_TOLERANCE = 1e-6; // metres; offsets below these count as none, as in fitme/export
const NORMAL_TOLERANCE = 1e-3;

/** The two chunks of a GLB, and the lists of glTF that point into the second. */
class GlbFile {
  /** asset: who made the file, and whose it is. */
  constructor(asset) {
    this.chunks = [];
    this.length = 0;
    this.textures = new Map(); // data: URI -> index
    this.json = {
      asset: { version: "2.0", ...asset },
      scene: 0, scenes: [], nodes: [], meshes: [], materials: [], accessors: [], bufferViews: [],
      textures: [], images: [], samplers: [{ magFilter: 9729, minFilter: 9987 }],
      extensionsUsed: ["KHR_materials_specular"],
    };
  }

  /** Add to a list of the JSON; the item's index. Fields that are undefined are left out. */
  add(list, item) {
    return this.json[list].push(item) - 1;
  }

  view(array, target) {
    const view = { buffer: 0, byteOffset: this.length, byteLength: array.byteLength, target };
    const gap = -array.byteLength & 3; // every view begins at a multiple of four
    this.chunks.push(array, new Uint8Array(gap));
    this.length += array.byteLength + gap;
    return this.add("bufferViews", view);
  }

  accessor(array, size, fields) {
    const { name } = array.constructor;
    const count = array.length / size;
    return this.add("accessors", { componentType: COMPONENT[name], count, type: TYPE[size], ...fields });
  }

  dense(array, size, target = VERTEX_DATA, bounded = false) {
    const limits = bounded ? bounds(array) : {};
    return this.accessor(array, size, { bufferView: this.view(array, target), ...limits });
  }

  /** Offsets [N, 3], mostly zero: only those that are not, where that is smaller. */
  sparse(array, bounded) {
    const count = array.length / 3;
    const moved = [];
    for (let k = 0; k < count; k++) {
      if (array[3 * k] || array[3 * k + 1] || array[3 * k + 2]) moved.push(k);
    }
    if (!moved.length) moved.push(0); // glTF allows no empty list
    const rows = indexArray(moved, count);
    if (moved.length * (12 + rows.BYTES_PER_ELEMENT) >= 12 * count) {
      return this.dense(array, 3, VERTEX_DATA, bounded);
    }
    const values = new Float32Array(3 * moved.length);
    moved.forEach((k, row) => values.set(array.subarray(3 * k, 3 * k + 3), 3 * row));
    const indices = { bufferView: this.view(rows), componentType: COMPONENT[rows.constructor.name] };
    const sparse = { count: moved.length, indices, values: { bufferView: this.view(values) } };
    return this.accessor(array, 3, { sparse, ...(bounded ? bounds(array) : {}) });
  }

  /** {index} of the texture of an image, which is stored once; undefined for no image. */
  texture(source, name) {
    if (!source) return undefined;
    if (!this.textures.has(source)) {
      const [, mimeType, data] = source.match(/^data:(.*?);base64,(.*)$/s);
      const image = this.add("images", { name, mimeType, bufferView: this.view(fromBase64(data)) });
      this.textures.set(source, this.add("textures", { sampler: 0, source: image }));
    }
    return { index: this.textures.get(source) };
  }

  blob() {
    const text = JSON.stringify({ ...this.json, buffers: [{ byteLength: this.length }] });
    const bytes = new TextEncoder().encode(text);
    const json = new Uint8Array(bytes.length + (-bytes.length & 3)).fill(0x20);
    json.set(bytes);
    const head = [0x46546c67, 2, 28 + json.length + this.length, json.length, 0x4e4f534a];
    const words = [new Uint32Array(head), json, new Uint32Array([this.length, 0x004e4942])];
    return new Blob([...words, ...this.chunks], { type: "model/gltf-binary" });
  }
}

/** Least and largest of each column of [N, 3]. */
function bounds(array) {
  const [min, max] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  for (let k = 0; k < array.length; k++) {
    min[k % 3] = Math.min(min[k % 3], array[k]);
    max[k % 3] = Math.max(max[k % 3], array[k]);
  }
  return { min, max };
}

/** Numbers below `count` in the smallest type that glTF has for them. */
function indexArray(numbers, count) {
  return count <= 65535 ? Uint16Array.from(numbers) : Uint32Array.from(numbers);
}

/** Smooth unit normals of one part, zero at the vertices of others, +Z where it has no area. */
function partNormals(head, vertices, part) {
  const normals = head.sumNormals(vertices, new Float32Array(vertices.length), part);
  for (let at = 0; at < normals.length; at += 3) {
    if (!normals[at] && !normals[at + 1] && !normals[at + 2]) normals[at + 2] = 1;
  }
  return normals;
}

/** Make tangents [N, 4] unit and at right angles to normals [N, 3]; any such where there is none. */
function straighten(tangents, normals) {
  for (let row = 0; row < normals.length / 3; row++) {
    const n = normals.subarray(3 * row, 3 * row + 3);
    const t = tangents.subarray(4 * row, 4 * row + 3);
    const across = (vector) => {
      const along = vector[0] * n[0] + vector[1] * n[1] + vector[2] * n[2];
      return [0, 1, 2].map((c) => vector[c] - along * n[c]);
    };
    let flat = across(t);
    if (Math.hypot(...flat) < 1e-4) flat = across(Math.abs(n[0]) < 0.9 ? [1, 0, 0] : [0, 1, 0]);
    const length = Math.hypot(...flat);
    t.set(flat.map((value) => value / length));
  }
  return tangents;
}

/** [name, vertices] of every shape that moves a part. */
function* shapesOf(head, part, eyeLook) {
  if (part.eye !== null) {
    const side = part.eye === 0 ? "Left" : "Right";
    for (const way of Object.keys(eyeLook).sort()) {
      const vertices = head.positions.slice();
      head.turnEye(vertices, part.eye, gazeRotation(lookTurn(part.eye, way, eyeLook[way])));
      yield [`eyeLook${way}${side}`, vertices];
    }
    return;
  }
  const own = new Set(head.cornersOf(part).map((corner) => head.cornerVertex[corner]));
  for (const [name, { index }] of head.expressions) {
    if (!part.allShapes && !index.some((vertex) => own.has(vertex))) continue;
    const vertices = head.positions.slice();
    head.addShape(vertices, name, 1);
    yield [name, vertices];
  }
}

/** Add one part as a mesh; the node that shows it. */
function addPart(file, head, part, material, hasNormalMap, eyeLook) {
  const corners = head.cornersOf(part);
  const used = [...new Set(corners)];
  const place = new Map(used.map((corner, k) => [corner, k]));
  const spread = (size, read) => {
    const out = new Float32Array(size * used.length);
    for (let k = 0; k < out.length; k++) out[k] = read(used[(k / size) | 0], k % size);
    return out;
  };
  const ofVertex = (read) => spread(3, (corner, c) => read(3 * head.cornerVertex[corner] + c, c));
  /** Differences of two arrays by vertex; a row that hardly differs is zero. */
  const offsets = (to, from, least) => {
    const still = (row) => [0, 1, 2].every((c) => Math.abs(to[row + c] - from[row + c]) < least);
    return ofVertex((at, c) => (still(at - c) ? 0 : to[at] - from[at]));
  };
  const { positions } = head;
  const normals = partNormals(head, positions, part);
  const pivot = part.eye === null ? undefined : head.eyeCentre(positions, part.eye);
  const cornerNormals = ofVertex((at) => normals[at]);
  const attributes = {
    POSITION: file.dense(ofVertex((at, c) => positions[at] - (pivot?.[c] ?? 0)), 3, VERTEX_DATA, true),
    NORMAL: file.dense(cornerNormals, 3),
    TEXCOORD_0: file.dense(spread(2, (corner, c) => head.uv[2 * corner + c]), 2),
  };
  if (hasNormalMap) {
    const tangents = spread(4, (corner, c) => head.tangent[4 * corner + c]);
    attributes.TANGENT = file.dense(straighten(tangents, cornerNormals), 4);
  }
  const indices = indexArray(corners.map((corner) => place.get(corner)), used.length);
  const shapes = [...shapesOf(head, part, eyeLook)];
  const targets = shapes.map(([, bent]) => ({
    POSITION: file.sparse(offsets(bent, positions, POSITION_TOLERANCE), true),
    NORMAL: file.sparse(offsets(partNormals(head, bent, part), normals, NORMAL_TOLERANCE), false),
  }));
  const primitive = {
    attributes, material, targets, mode: 4, indices: file.dense(indices, 1, INDICES),
  };
  const targetNames = shapes.map(([name]) => name);
  const weights = shapes.map(() => 0);
  const mesh = { name: part.name, primitives: [primitive], weights, extras: { targetNames } };
  return file.add("nodes", { name: part.name, mesh: file.add("meshes", mesh), translation: pivot });
}

function addMaterial(file, scene, part, given) {
  const [albedo, specular, normal, roughness] = given.images.map((name) =>
    file.texture(name === null ? "" : imageSource(scene.images[name]), name),
  );
  return file.add("materials", {
    name: `${part.name}_material`,
    pbrMetallicRoughness: {
      baseColorFactor: [...given.albedo, 1], baseColorTexture: albedo,
      metallicFactor: 0, roughnessFactor: given.roughness, metallicRoughnessTexture: roughness,
    },
    normalTexture: normal,
    doubleSided: part.doubleSided,
    extensions: {
      KHR_materials_specular: {
        specularColorFactor: given.specular.map((f0) => f0 / scene.dielectricF0),
        specularColorTexture: specular,
      },
    },
  });
}

/** A data: URI of PNG of an image; WebP is no part of glTF. */
async function asPng(source) {
  const image = await decoded(source);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** Add the cards of hair.js as meshes; the nodes that show them. They have no shapes here. */
async function addHair(file, scene) {
  const { hair } = scene;
  if (!hair) return [];
  const arrays = await unpack(hair);
  const nodes = [];
  for (const { name, image, backed } of hair.meshes) {
    const get = (what) => arrays[`${name}_${what}`];
    const normals = Float32Array.from(get("normal"), (value) => (value - 128) / 127);
    unitRows(normals, 3);
    const positions = Float32Array.from(get("position"), (value) => value * hair.step);
    const attributes = {
      POSITION: file.dense(positions, 3, VERTEX_DATA, true),
      NORMAL: file.dense(normals, 3),
      TEXCOORD_0: file.dense(Float32Array.from(get("uv"), (value) => value / 65535), 2),
    };
    const texture = file.texture(await asPng(scene.images[image]), `${name}_color`);
    const material = file.add("materials", {
      name: `${name}_material`, alphaMode: "MASK", alphaCutoff: 0.5, doubleSided: !backed,
      pbrMetallicRoughness: { baseColorTexture: texture, metallicFactor: 0, roughnessFactor: hair.roughness },
      extensions: { KHR_materials_specular: { specularFactor: hair.specular } },
    });
    const indices = file.dense(indexArray(get("triangles"), positions.length / 3), 1, INDICES);
    const primitives = [{ attributes, material, indices, mode: 4 }];
    nodes.push(file.add("nodes", { name, mesh: file.add("meshes", { name, primitives }) }));
  }
  return nodes;
}

/** The avatar of the page's data as a Blob. */
async function buildGlb(scene) {
  const head = new Head(scene.geometry, await unpack(scene.geometry));
  head.pose({}, [[0, 0], [0, 0]]);
  const file = new GlbFile(scene.asset);
  const children = [];
  scene.geometry.parts.forEach((part, index) => {
    if (!part.count) return;
    const given = scene.materials[index];
    const material = addMaterial(file, scene, part, given);
    children.push(addPart(file, head, part, material, given.images[2] !== null, scene.eyeLook));
  });
  children.push(...(await addHair(file, scene)));
  file.add("scenes", { nodes: [file.add("nodes", { name: "avatar", children })] });
  return file.blob();
}
