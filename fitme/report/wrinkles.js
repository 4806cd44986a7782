// Folds that come and go with the expression. Does what fitme/detail/wrinkles.py does.

const FOLD_UNIT = 5; // the first texture unit after the shadow maps'
const FOLD_MAPS = ["pressed", "drawn", "shade"]; // in the order of their texture units

/** GLSL: give albedo and bump (tangent space) the folds at a texture coordinate. */
function foldSource({ steepest }) {
  return `
uniform sampler2D foldAmount, foldPressed, foldDrawn, foldShade;
uniform vec3 foldScales;  // of the three maps; 0: there is none
uniform bool hasFolds;
vec3 signedTexel(vec4 texel) {
  return (texel.rgb * 255.0 - 128.0) / 127.0;
}
void addFolds(vec2 at, inout vec3 albedo, inout vec3 bump) {
  float amount = texture(foldAmount, at).r;
  float pressed = max(amount, 0.0), drawn = max(-amount, 0.0);
  vec2 tilt = pressed * foldScales.x * signedTexel(texture(foldPressed, at)).xy
    + drawn * foldScales.y * signedTexel(texture(foldDrawn, at)).xy;
  float steep = max(length(tilt), 1e-6);
  tilt *= ${glsl(steepest)} * tanh(steep / ${glsl(steepest)}) / steep;
  bump = normalize(vec3(bump.xy / max(bump.z, 0.1) + tilt, 1.0));
  albedo *= exp(pressed * foldScales.z * signedTexel(texture(foldShade, at)));
}
`;
}

/** GLSL of the shader's main, where albedo and bump are known. */
const ADD_FOLDS = `  if (hasFolds) {
    if (!hasNormalMap) bump = vec3(0.0, 0.0, 1.0);
    addFolds(vUv, albedo, bump);
  }
`;

class Wrinkles {
  /** folds: the page's data of fitme/report/wrinkles.py; arrays: unpacked; textures: by name. */
  constructor(gl, folds, arrays, textures, none) {
    Object.assign(this, { gl, folds });
    let last = 0;
    this.texel = Uint32Array.from(arrays.texel, (step) => (last += step));
    const count = this.texel.length;
    this.shapes = new Map(
      folds.shapes.map((name, k) => {
        let sum = 0;
        const steps = arrays.amount.subarray(k * count, (k + 1) * count);
        return [name, Float32Array.from(steps, (step) => (sum += step) * folds.step)];
      }),
    );
    this.sum = new Float32Array(count);
    this.amount = new Float32Array(folds.side ** 2); // -1 stretched in full, 1 compressed in full
    this.maps = FOLD_MAPS.map((name) => textures[folds.maps[name]?.image] ?? none);
    this.scales = FOLD_MAPS.map((name) => folds.maps[name]?.scale ?? 0);
    this.makeTexture();
  }

  makeTexture() {
    const { gl, folds } = this;
    this.texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0 + FOLD_UNIT);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16F, folds.side, folds.side);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, side, gl.LINEAR);
    }
    for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, axis, gl.CLAMP_TO_EDGE);
    }
  }

  /** Amounts of all texels for weights by name (Wrinkles.amount), into the texture. */
  pose(weights) {
    const { gl, folds, sum, amount, texel } = this;
    sum.fill(0);
    for (const [name, weight] of Object.entries(weights)) {
      const shape = weight ? this.shapes.get(name) : undefined;
      if (shape) shape.forEach((value, k) => (sum[k] += weight * value));
    }
    texel.forEach((at, k) => (amount[at] = clamp(sum[k], -1, folds.deepest)));
    gl.activeTexture(gl.TEXTURE0 + FOLD_UNIT);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, folds.side, folds.side, gl.RED, gl.FLOAT, amount);
  }

  /** Give the program its textures; uniform: place of a uniform by name. */
  bind(uniform) {
    const { gl } = this;
    const names = ["foldAmount", "foldPressed", "foldDrawn", "foldShade"];
    [this.texture, ...this.maps].forEach((texture, k) => {
      gl.activeTexture(gl.TEXTURE0 + FOLD_UNIT + k);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1i(uniform(names[k]), FOLD_UNIT + k);
    });
    gl.uniform3fv(uniform("foldScales"), this.scales);
  }
}
