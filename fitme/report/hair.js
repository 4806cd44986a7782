// Cards of hair, beard and lashes: their buffers, their shading, and how they go along with the skin.

const HAIR_VERTEX_SHADER = `#version 300 es
layout(location = 0) in vec3 position;  // metres, in the head's own frame
layout(location = 1) in vec3 normal;    // bent out of the hair
layout(location = 2) in vec3 along;     // from the root to the tip
layout(location = 3) in vec2 uv;
layout(location = 4) in float ambient;
${VIEW_SOURCE}
out vec3 vPosition;
out vec3 vNormal;
out vec3 vAlong;
out vec2 vUv;
out float vAmbient;
void main() {
  vPosition = turn * (position - centre);
  vNormal = turn * normal;
  vAlong = turn * along;
  vUv = uv;
  vAmbient = ambient;
  gl_Position = seenAt(vPosition);
}`;

/** The lobes are those of fitme/hair/kernels_draw.py. */
function hairFragmentShader(brdf, shadow, lobes) {
  const lobe = (name) => `exp(-0.5 * pow((theta - ${glsl(lobes[`shift${name}`])}) / ${glsl(lobes[`width${name}`])}, 2.0))`;
  return `#version 300 es
precision highp float;
in vec3 vPosition;
in vec3 vNormal;
in vec3 vAlong;
in vec2 vUv;
in float vAmbient;
uniform sampler2D albedoMap;
uniform int show;
uniform vec3 eye;
uniform bool fringe;  // blended over what is drawn: as dense as it is
uniform bool solid;  // what covers a sample of the pixel covers it all: for alpha
${lightSource(brdf)}
${shadowSource(shadow)}
out vec4 color;
void main() {
  vec4 texel = texture(albedoMap, vUv);
  // edges as sharp as a pixel, however far away
  float alpha = clamp((texel.a - 0.5) / max(fwidth(texel.a), 0.05) + 0.5, 0.0, 1.0);
  if (fringe) alpha = texel.a;
  if (alpha < (solid || fringe ? 0.02 : 0.1)) discard;
  if (solid) { color = vec4(1.0); return; }
  vec3 albedo = show == 4 ? vec3(0.3) : texel.rgb;
  vec3 n = normalize(vNormal), t = normalize(vAlong), v = normalize(eye - vPosition);
  if (show == 1) { color = vec4(encode(albedo), alpha); return; }
  if (show == 2) { color = vec4(encode(vec3(0.046 / 0.08)), alpha); return; }
  if (show == 3) { color = vec4(n * 0.5 + 0.5, alpha); return; }
  vec3 received = harmonics(shTurn * n, vec3(1.0, ${brdf.cosine.slice(1).map(glsl).join(", ")}));
  vec3 sum = albedo * received * vAmbient;
  float sideways = asin(clamp(dot(t, v), -1.0, 1.0)) + 0.12 * (texel.g - texel.r);
  for (int k = 0; k < lamps + points; k++) {
    vec3 towards = lampAt[k], strength = lampColor[k];
    if (k >= lamps) {
      towards -= vPosition;
      strength /= dot(towards, towards);
      towards = normalize(towards);
    }
    float facing = clamp((dot(n, towards) + 0.2) / 1.2, 0.0, 1.0);
    if (facing == 0.0) continue;
    // Hair lets light through: what lies nearer than 22 mm is in the ramp of ambient light already,
    // and cards that shade cards leave patches.
    if (k < shadows) {
      strength *= mix(0.4, 1.0, reached(k, vPosition + 0.022 * towards, n, towards));
    }
    float tl = clamp(dot(t, towards), -1.0, 1.0);
    float theta = 0.5 * (asin(tl) + sideways);
    vec3 inner = ${glsl(lobes.strengthTRT)} * ${lobe("TRT")} * sqrt(sqrt(albedo));
    float shine = 0.5 * ${glsl(lobes.strengthR)} * ${lobe("R")};
    float lit = sqrt(1.0 - tl * tl) * facing * mix(1.0, vAmbient, 0.5);
    sum += strength * lit * (albedo * (${glsl(lobes.diffuse)} + inner) + shine);
  }
  color = vec4(encode(sum), alpha);
}`;
}

/** One mesh of cards: arrays as fitme/report/hair.py packed them. */
class HairMesh {
  constructor(gl, mesh, arrays, step, texture, head) {
    const get = (name) => arrays[`${mesh.name}_${name}`];
    const { rows, hinged, roll, soft } = mesh;
    Object.assign(this, { gl, head, texture, rows, hinged, roll, soft });
    this.name = mesh.name;
    this.rest = Float32Array.from(get("position"), (value) => value * step);
    this.position = this.rest.slice();
    const signed = (bytes) => Float32Array.from(bytes, (value) => (value - 128) / 127);
    [this.restNormal, this.along] = [signed(get("normal")), signed(get("along"))];
    this.normal = this.restNormal.slice();
    this.uv = Float32Array.from(get("uv"), (value) => value / 65535);
    this.ambient = Float32Array.from(get("visibility"), (value) => value / 255);
    this.follow = Float32Array.from(get("follow"), (value) => value / 255);
    [this.triangles, this.root, this.weight, this.eye] = ["triangles", "root", "weight", "eye"].map(get);
    this.makeBuffers();
  }

  makeBuffers() {
    const { gl } = this;
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    const attribute = (place, size, data) => {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
      return buffer;
    };
    this.moving = [attribute(0, 3, this.position), attribute(1, 3, this.normal)];
    attribute(2, 3, this.along);
    attribute(3, 2, this.uv);
    attribute(4, 1, this.ambient);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.triangles, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
  }

  /** Go along with the head's vertices: near the root like the skin there, lashes about the eye. */
  pose() {
    const { gl, head, rows, rest, position } = this;
    const columns = this.root.length / 3;
    for (let m = 0; m < columns; m++) {
      const [before, after] = [[0, 0, 0], [0, 0, 0]];
      for (let k = 0; k < 3; k++) {
        const [vertex, weight] = [3 * this.root[3 * m + k], this.weight[3 * m + k]];
        for (let c = 0; c < 3; c++) {
          before[c] += weight * head.positions[vertex + c];
          after[c] += weight * head.vertices[vertex + c];
        }
      }
      const turn = this.hinged ? this.turnAbout(this.eye[m], before, after) : undefined;
      for (let row = 0; row < rows; row++) {
        const vertex = m * rows + row, at = 3 * vertex;
        if (turn) {
          const from = [0, 1, 2].map((c) => rest[at + c] - before[c]);
          const to = turned(turn, from);
          for (let c = 0; c < 3; c++) position[at + c] = after[c] + to[c];
        } else {
          const share = this.follow[vertex];
          for (let c = 0; c < 3; c++) position[at + c] = rest[at + c] + share * (after[c] - before[c]);
        }
      }
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.moving[0]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, position);
  }

  /** The shortest rotation [9] about an eye's centre that takes one place to the other. */
  turnAbout(eye, before, after) {
    const { head } = this;
    const from = unitVector(before, head.eyeCentre(head.positions, eye));
    const to = unitVector(after, head.eyeCentre(head.vertices, eye));
    const axis = [0, 1, 2].map((c) => from[(c + 1) % 3] * to[(c + 2) % 3] - from[(c + 2) % 3] * to[(c + 1) % 3]);
    const sine = Math.hypot(...axis);
    const [x, y, z] = axis.map((value) => value / Math.max(sine, 1e-12));
    const angle = this.roll * Math.atan2(sine, from[0] * to[0] + from[1] * to[1] + from[2] * to[2]);
    const [c, s, d] = [Math.cos(angle), Math.sin(angle), 1 - Math.cos(angle)];
    return [
      c + d * x * x, d * x * y - s * z, d * x * z + s * y,
      d * x * y + s * z, c + d * y * y, d * y * z - s * x,
      d * x * z - s * y, d * y * z + s * x, c + d * z * z,
    ];
  }

  /** All triangles, or those from the `first` on. */
  draw(first = 0) {
    const { gl, triangles } = this;
    gl.bindVertexArray(this.array);
    const size = triangles.BYTES_PER_ELEMENT;
    const type = size === 4 ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    gl.drawElements(gl.TRIANGLES, triangles.length - 3 * first, type, 3 * first * size);
  }
}

function unitVector(place, from) {
  const way = [0, 1, 2].map((c) => place[c] - from[c]);
  const length = Math.hypot(...way) || 1;
  return way.map((value) => value / length);
}

class Hair {
  /** hair: the page's data of fitme/report/hair.py; arrays: unpacked; textures: by name. */
  constructor(gl, scene, hair, arrays, textures, head) {
    Object.assign(this, { gl, shown: true });
    const { brdf, shadow } = scene;
    this.program = compile(gl, HAIR_VERTEX_SHADER, hairFragmentShader(brdf, shadow, hair.lobes));
    this.meshes = hair.meshes.map(
      (mesh) => new HairMesh(gl, mesh, arrays, hair.step, textures[mesh.image], head),
    );
  }

  pose() {
    for (const mesh of this.meshes) mesh.pose();
  }

  /** For shadow maps, with its picture in texture unit 0. */
  cast() {
    if (!this.shown) return;
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    for (const mesh of this.meshes) {
      gl.bindTexture(gl.TEXTURE_2D, mesh.texture);
      mesh.draw();
    }
  }

  /** What the first pass cut off at half the coverage, over it: outer layers come last. */
  drawFringe(mesh, uniform) {
    const { gl } = this;
    gl.uniform1i(uniform("fringe"), true);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    mesh.draw(mesh.soft);
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  /** Draw over the head; setUp(uniform) gives the program camera and light. */
  draw(setUp, place) {
    if (!this.shown) return;
    const { gl, program } = this;
    gl.useProgram(program);
    const uniform = (name) => place(name, program);
    setUp(uniform);
    gl.uniform1i(uniform("albedoMap"), 0);
    gl.uniform1i(uniform("shadowMaps"), SHADOW_UNIT);
    for (const mesh of this.meshes) {
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, mesh.texture);
      // first colours where alpha covers a sample, then that the canvas is opaque there
      gl.colorMask(true, true, true, false);
      gl.enable(gl.SAMPLE_ALPHA_TO_COVERAGE);
      gl.uniform1i(uniform("solid"), false);
      gl.uniform1i(uniform("fringe"), false);
      mesh.draw();
      gl.disable(gl.SAMPLE_ALPHA_TO_COVERAGE);
      gl.colorMask(false, false, false, true);
      gl.depthFunc(gl.EQUAL);
      gl.uniform1i(uniform("solid"), true);
      mesh.draw();
      gl.depthFunc(gl.LESS);
      gl.colorMask(true, true, true, true);
      gl.uniform1i(uniform("solid"), false);
      this.drawFringe(mesh, uniform);
    }
  }
}
