// Shadow maps of the directional lights: what fitme/render/shadows.py does.

const SHADOW_UNIT = 4; // the texture unit after those of the materials
const QUICK_STEP = 3; // while things move, only each third direction of a light is drawn

const DEPTH_SHADER = `#version 300 es
layout(location = 0) in vec3 position;
layout(location = 3) in vec2 uv;  // of hair, where it is cut
out vec2 vUv;
uniform vec3 centre;
uniform mat3 turn;
uniform mat3 frame;   // across, along, towards the light
uniform vec2 offset;  // of this map's direction from the light's middle
uniform float reach;  // half of a map, metres
void main() {
  vUv = uv;
  vec3 p = frame * (turn * (position - centre));
  gl_Position = vec4((p.xy - p.z * offset) / reach, -p.z / reach, 1.0);
}`;

// Hair lets light through as often as its picture is transparent: by noise that averages out over
// few pixels (J. Jimenez, "Next Generation Post Processing in Call of Duty", 2014).
const NO_COLOR_SHADER = `#version 300 es
precision highp float;
in vec2 vUv;
uniform bool cut;
uniform sampler2D albedoMap;
void main() {
  if (!cut) return;
  float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
  if (texture(albedoMap, vUv).a < 0.1 + 0.8 * noise) discard;
}`;

/** GLSL: how much of light k reaches a point p with unit normal n; towards: unit, to the light. */
function shadowSource({ side, offsets, reach, normalBias, depthBias }) {
  const texel = (2 * reach) / side;
  return `
precision highp sampler2DArrayShadow;
uniform sampler2DArrayShadow shadowMaps;
uniform mat3 shadowFrames[${MAX_LAMPS}];
uniform int shadows;
uniform int coneStep;  // use each of so many directions
const vec2 CONE[${offsets.length}] = vec2[](${offsets.map((o) => `vec2(${o.map(glsl)})`).join(", ")});
float reached(int k, vec3 p, vec3 n, vec3 towards) {
  float c = dot(n, towards);
  float slope = sqrt(max(1.0 - c * c, 0.0));
  p += ${glsl(texel)} * (${glsl(normalBias)} * slope * n + ${glsl(depthBias)} * towards);
  vec3 q = shadowFrames[k] * p / ${glsl(reach)};
  vec2 sum = vec2(0.0);
  for (int j = 0; j < ${offsets.length}; j += coneStep) {
    vec3 at = vec3(q.xy - q.z * CONE[j], -q.z) * 0.5 + 0.5;
    sum += vec2(texture(shadowMaps, vec4(at.xy, float(k * ${offsets.length} + j), at.z)), 1.0);
  }
  return sum.x / sum.y;
}`;
}

/** Rotation [9], row by row, whose last row is the unit vector `axis`. */
function frameOf(axis) {
  const sizes = axis.map(Math.abs);
  const least = sizes.indexOf(Math.min(...sizes));
  const cross = (a, b) => [0, 1, 2].map((k) => a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3]);
  const first = cross([0, 1, 2].map((k) => Number(k === least)), axis);
  const length = Math.hypot(...first);
  const across = first.map((value) => value / length);
  return [...across, ...cross(axis, across), ...axis];
}

class ShadowMaps {
  /** shadow: constants of the page's data, see fitme/report/scene.py. */
  constructor(gl, shadow) {
    Object.assign(this, { gl, shadow, drawn: "", step: 1, layers: 0, frames: [] });
    this.program = compile(gl, DEPTH_SHADER, NO_COLOR_SHADER);
    this.target = gl.createFramebuffer();
    this.allocate(shadow.offsets.length);
  }

  allocate(layers) {
    if (layers <= this.layers) return;
    const { gl, shadow } = this;
    gl.deleteTexture(this.texture ?? null);
    this.texture = gl.createTexture();
    this.layers = layers;
    this.bind();
    const kind = gl.TEXTURE_2D_ARRAY;
    gl.texStorage3D(kind, 1, gl.DEPTH_COMPONENT16, shadow.side, shadow.side, layers);
    gl.texParameteri(kind, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(kind, side, gl.LINEAR); // of the comparisons: percentage-closer filtering
    }
    for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(kind, axis, gl.CLAMP_TO_EDGE);
    }
  }

  bind() {
    this.gl.activeTexture(this.gl.TEXTURE0 + SHADOW_UNIT);
    this.gl.bindTexture(this.gl.TEXTURE_2D_ARRAY, this.texture);
  }

  /**
   * Draw the maps of lights at `towards` (unit), unless nothing has moved since the last time;
   * `quick`: some will do. `drawHead(cut)` draws what casts them; after cut(true) what is
   * transparent in texture unit 0 casts none.
   */
  draw(towards, centre, turn, version, quick, drawHead) {
    const { gl, shadow, program } = this;
    const state = JSON.stringify([towards, turn, version]);
    if (state === this.drawn && (quick || this.step === 1)) return;
    this.drawn = state;
    this.step = quick ? QUICK_STEP : 1;
    const { offsets, side, reach } = shadow;
    this.allocate(towards.length * offsets.length);
    this.frames = towards.map(frameOf);
    const at = (name) => gl.getUniformLocation(program, name);
    gl.useProgram(program);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.viewport(0, 0, side, side);
    gl.enable(gl.DEPTH_TEST);
    gl.uniform3fv(at("centre"), centre);
    gl.uniformMatrix3fv(at("turn"), true, turn);
    gl.uniform1f(at("reach"), reach);
    gl.uniform1i(at("albedoMap"), 0);
    const place = at("cut");
    const cut = (on) => gl.uniform1i(place, on);
    this.frames.forEach((frame, lamp) => {
      gl.uniformMatrix3fv(at("frame"), true, frame);
      offsets.forEach((offset, k) => {
        if (k % this.step) return;
        const layer = lamp * offsets.length + k;
        gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, this.texture, 0, layer);
        gl.uniform2fv(at("offset"), offset);
        gl.clear(gl.DEPTH_BUFFER_BIT);
        drawHead(cut);
      });
    });
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }
}
