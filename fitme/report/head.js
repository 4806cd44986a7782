// The head: its arrays, and posing them. Does what fitme/head/model.py and fitme/render/geometry.py do.

const ARRAY_TYPES = {
  float32: Float32Array, int16: Int16Array, uint16: Uint16Array, uint32: Uint32Array,
  uint8: Uint8Array, int8: Int8Array,
};

const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** The arrays of a block that fitme/report/geometry.py packed, by name. */
async function unpack(packed) {
  const stream = new Blob([fromBase64(packed.data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const arrays = {};
  for (const [name, [type, start, count]] of Object.entries(packed.arrays)) {
    arrays[name] = new ARRAY_TYPES[type](buffer, start, count);
  }
  return arrays;
}

/** Rotation [9], row by row, of an eye from pitch (up) and yaw (to +X) in radians. */
function gazeRotation([pitch, yaw]) {
  const [cp, sp, cy, sy] = [Math.cos(pitch), Math.sin(pitch), Math.cos(yaw), Math.sin(yaw)];
  return [cy, -sy * sp, sy * cp, 0, cp, sp, -sy, -cy * sp, cy * cp];
}

/** [pitch, yaw] in radians of an eye (0 left, 1 right) that looks Up, Down, In or Out by degrees. */
function lookTurn(eye, way, degrees) {
  const angle = (degrees * Math.PI) / 180;
  const out = eye === 0 ? angle : -angle; // the left eye looks out towards +X
  return { Up: [angle, 0], Down: [-angle, 0], Out: [0, out], In: [0, -out] }[way];
}

class Head {
  constructor(geometry, arrays) {
    Object.assign(this, arrays);
    this.parts = geometry.parts;
    this.eyes = geometry.eyes.map((name) => arrays[`vertices_${name}`]);
    this.expressions = new Map();
    let at = 0;
    for (const { name, scale, count } of geometry.expressions) {
      const index = new Uint32Array(count);
      for (let k = 0, last = 0; k < count; k++) {
        last += this.expressionIndex[at + k];
        index[k] = last;
      }
      const offset = this.expressionOffset.subarray(3 * at, 3 * (at + count));
      this.expressions.set(name, { scale, index, offset });
      at += count;
    }
    this.corners = this.cornerVertex.length;
    this.vertices = new Float32Array(this.positions.length);
    this.vertexNormals = new Float32Array(this.positions.length);
    // What the GPU gets, one row per corner.
    this.position = new Float32Array(3 * this.corners);
    this.normal = new Float32Array(3 * this.corners);
    this.tangent = new Float32Array(4 * this.corners);
    this.ambient = Float32Array.from(this.cornerVertex, (vertex) => this.occlusion[vertex]);
    this.uvSteps = this.measureUv();
    this.mouth = this.mouthVertex && new Mouth(this, geometry.mouthBright);
  }

  /** Per triangle the weights with which its edges make a tangent (fitme's uv_tangents). */
  measureUv() {
    const { triangles, uv } = this;
    const steps = new Float32Array((2 * triangles.length) / 3);
    for (let t = 0; t < triangles.length / 3; t++) {
      const [a, b, c] = [0, 1, 2].map((k) => 2 * triangles[3 * t + k]);
      const [x1, y1] = [uv[b] - uv[a], uv[b + 1] - uv[a + 1]];
      const [x2, y2] = [uv[c] - uv[a], uv[c + 1] - uv[a + 1]];
      const sign = Math.sign(x1 * y2 - y1 * x2);
      steps[2 * t] = y2 * sign;
      steps[2 * t + 1] = y1 * sign;
    }
    return steps;
  }

  /** Move all corners. weights: name -> weight; gaze: [pitch, yaw] in radians per eye. */
  pose(weights, gaze) {
    const { vertices } = this;
    vertices.set(this.positions);
    for (const [name, weight] of Object.entries(weights)) this.addShape(vertices, name, weight);
    this.eyes.forEach((_, eye) => this.turnEye(vertices, eye, gazeRotation(gaze[eye])));
    this.mouth?.pose(vertices);
    this.sumNormals(vertices, this.vertexNormals);
    this.spread();
    this.sumTangents();
  }

  /** Add an expression, which may be one that this head has not, to vertices [V, 3]. */
  addShape(vertices, name, weight) {
    const shape = weight ? this.expressions.get(name) : undefined;
    if (!shape) return;
    const { index, offset } = shape;
    const [count, step] = [index.length, weight * shape.scale];
    for (let k = 0; k < count; k++) {
      const at = 3 * index[k];
      vertices[at] += step * offset[k];
      vertices[at + 1] += step * offset[count + k];
      vertices[at + 2] += step * offset[2 * count + k];
    }
  }

  eyeCentre(vertices, eye) {
    const { eyeRing } = this;
    const count = eyeRing.length / 2;
    const centre = [0, 0, 0];
    for (let k = 0; k < count; k++) {
      for (let c = 0; c < 3; c++) centre[c] += vertices[3 * eyeRing[eye * count + k] + c] / count;
    }
    return centre;
  }

  /** Turn an eye about its centre by a rotation [9]. */
  turnEye(vertices, eye, turn) {
    const centre = this.eyeCentre(vertices, eye);
    for (const vertex of this.eyes[eye]) {
      const at = 3 * vertex;
      const [x, y, z] = [0, 1, 2].map((c) => vertices[at + c] - centre[c]);
      for (let r = 0; r < 3; r++) {
        vertices[at + r] = turn[3 * r] * x + turn[3 * r + 1] * y + turn[3 * r + 2] * z + centre[r];
      }
    }
  }

  /** The corners of a part's triangles, three for each. */
  cornersOf({ first, count }) {
    return this.triangles.subarray(3 * first, 3 * (first + count));
  }

  /** Write smooth unit normals [V, 3] of vertices v into n, weighted by area; of a part or all. */
  sumNormals(v, n, part = { first: 0, count: this.triangles.length / 3 }) {
    const { cornerVertex } = this;
    const triangles = this.cornersOf(part);
    n.fill(0);
    for (let t = 0; t < triangles.length; t += 3) {
      const a = 3 * cornerVertex[triangles[t]];
      const b = 3 * cornerVertex[triangles[t + 1]];
      const c = 3 * cornerVertex[triangles[t + 2]];
      const ux = v[b] - v[a], uy = v[b + 1] - v[a + 1], uz = v[b + 2] - v[a + 2];
      const wx = v[c] - v[a], wy = v[c + 1] - v[a + 1], wz = v[c + 2] - v[a + 2];
      const x = uy * wz - uz * wy, y = uz * wx - ux * wz, z = ux * wy - uy * wx;
      for (const at of [a, b, c]) {
        n[at] += x;
        n[at + 1] += y;
        n[at + 2] += z;
      }
    }
    unitRows(n, 3);
    return n;
  }

  spread() {
    const { cornerVertex, vertices, vertexNormals, position, normal } = this;
    for (let k = 0; k < this.corners; k++) {
      const [to, from] = [3 * k, 3 * cornerVertex[k]];
      for (let c = 0; c < 3; c++) {
        position[to + c] = vertices[from + c];
        normal[to + c] = vertexNormals[from + c];
      }
    }
  }

  sumTangents() {
    const { position: p, tangent, triangles, uvSteps, handedness } = this;
    tangent.fill(0);
    for (let t = 0; t < triangles.length; t += 3) {
      const a = triangles[t], b = triangles[t + 1], c = triangles[t + 2];
      const first = uvSteps[(2 * t) / 3], second = uvSteps[(2 * t) / 3 + 1];
      for (let k = 0; k < 3; k++) {
        const start = p[3 * a + k];
        const along = first * (p[3 * b + k] - start) - second * (p[3 * c + k] - start);
        tangent[4 * a + k] += along;
        tangent[4 * b + k] += along;
        tangent[4 * c + k] += along;
      }
    }
    unitRows(tangent, 4);
    for (let k = 0; k < this.corners; k++) tangent[4 * k + 3] = handedness[k] ? 1 : -1;
  }
}

/** Make the first three numbers of every row unit. */
function unitRows(rows, stride) {
  for (let at = 0; at < rows.length; at += stride) {
    const length = Math.hypot(rows[at], rows[at + 1], rows[at + 2]) || 1;
    for (let c = 0; c < 3; c++) rows[at + c] /= length;
  }
}
