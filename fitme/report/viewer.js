// Draws the head with WebGL2 on a canvas.

const MODES = ["shaded", "diffuse", "specular", "normals", "geometry"];
const UNITS = ["albedoMap", "specularMap", "normalMap", "roughnessMap"];

class Viewer {
  /** Resolves to a viewer; images are loaded and the head is at rest. Throws without WebGL2. */
  static async open(canvas, scene) {
    const gl = canvas.getContext("webgl2", { antialias: true });
    if (!gl) throw new Error("This browser offers no WebGL 2.");
    const head = new Head(scene.geometry, await unpack(scene.geometry));
    const folds = scene.wrinkles && (await unpack(scene.wrinkles));
    const cards = scene.hair && (await unpack(scene.hair));
    const images = {};
    for (const [name, source] of Object.entries(scene.images)) images[name] = await decoded(source);
    return new Viewer(canvas, gl, scene, head, images, folds, cards);
  }

  constructor(canvas, gl, scene, head, images, folds, cards) {
    Object.assign(this, { canvas, gl, scene, head });
    this.orbit = new Orbit(scene);
    this.mode = "shaded";
    this.light = scene.lights[0].light;
    this.lightTurn = [0, 0]; // degrees around the head (front to the picture's right) and upwards
    const { brdf, shadow, wrinkles } = scene;
    this.program = compile(gl, VERTEX_SHADER, fragmentShader(brdf, shadow, wrinkles));
    this.shadows = new ShadowMaps(gl, scene.shadow);
    this.posed = 0; // how often, for what is drawn once per pose
    this.places = new Map();
    const textures = Object.fromEntries(
      Object.entries(images).map(([name, image]) => [
        name, makeTexture(gl, image, scene.linearImages.includes(name)),
      ]),
    );
    this.white = makeTexture(gl, new Uint8Array([255, 255, 255, 255]), true);
    this.wrinkles = wrinkles && new Wrinkles(gl, wrinkles, folds, textures, this.white);
    this.materials = scene.materials.map((material) => ({
      ...material,
      textures: material.images.map((name) => (name === null ? this.white : textures[name])),
    }));
    this.hair = scene.hair && new Hair(gl, scene, scene.hair, cards, textures, head);
    this.transfer = scene.transfer && new Transfer(head, brdf, scene.transfer);
    this.makeBuffers();
    this.pose({}, [[0, 0], [0, 0]]);
  }

  makeBuffers() {
    const { gl, head } = this;
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    const attribute = (name, size, data) => {
      const buffer = gl.createBuffer();
      const place = gl.getAttribLocation(this.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
      return [buffer, data];
    };
    this.moving = [
      attribute("position", 3, head.position),
      attribute("normal", 3, head.normal),
      attribute("tangent", 4, head.tangent),
    ];
    attribute("uv", 2, head.uv);
    this.ambient = attribute("ambient", 1, head.ambient);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, head.triangles, gl.STATIC_DRAW);
  }

  pose(weights, gaze) {
    const { gl, head } = this;
    head.pose(weights, gaze);
    this.wrinkles?.pose(weights);
    this.hair?.pose();
    this.posed += 1;
    for (const [buffer, data] of this.moving) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferSubData(gl.ARRAY_BUFFER, 0, data);
    }
  }

  /** Draw into the canvas at its size on the screen; `quick`: with coarser shadows. */
  draw(quick = false) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { canvas } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
      Math.max(1, Math.round(side * ratio)),
    );
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
    }
    this.render(this.orbit.camera(width, height), width, height, quick);
  }

  /** RGBA bytes, bottom row first, of a picture from a camera of camera.js. */
  pixels(camera, width, height) {
    const { gl, canvas } = this;
    [canvas.width, canvas.height] = [width, height];
    this.render(camera, width, height);
    const bytes = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    return bytes;
  }

  uniform(name, program = this.program) {
    if (!this.places.has(program)) this.places.set(program, new Map());
    const known = this.places.get(program);
    if (!known.has(name)) known.set(name, this.gl.getUniformLocation(program, name));
    return known.get(name);
  }

  render(camera, width, height, quick = false) {
    const { gl, scene } = this;
    const casts = this.castShadows(camera.turn, quick);
    this.softShadows(camera.turn);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0); // the page's background shows through
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(this.program);
    const setUp = (uniform) => this.setUp(uniform, camera, casts);
    setUp((name) => this.uniform(name));
    gl.uniform1f(this.uniform("specularWhite"), scene.specularWhite);
    UNITS.forEach((name, unit) => gl.uniform1i(this.uniform(name), unit));
    gl.uniform1i(this.uniform("shadowMaps"), SHADOW_UNIT);
    this.shadows.bind();
    this.wrinkles?.bind((name) => this.uniform(name));
    gl.bindVertexArray(this.array);
    scene.geometry.parts.forEach((part, index) => {
      if (this.wrinkles) gl.uniform1i(this.uniform("hasFolds"), index === scene.wrinkles.part);
      this.drawPart(part, this.materials[index]);
    });
    this.hair?.draw(setUp, (name, program) => this.uniform(name, program));
  }

  /** Camera, light and what to show, for the program in use; uniform: place by name. */
  setUp(uniform, { turn, offset, project }, casts) {
    const { gl, scene } = this;
    gl.uniform3fv(uniform("centre"), scene.centre);
    gl.uniformMatrix3fv(uniform("turn"), true, turn);
    gl.uniform3fv(uniform("offset"), offset);
    gl.uniform4fv(uniform("project"), project);
    const near = Math.max(0.02, offset[2] - 2 * scene.radius);
    gl.uniform2f(uniform("depth"), near, offset[2] + 2 * scene.radius);
    gl.uniform3f(uniform("eye"), -offset[0], offset[1], offset[2]);
    gl.uniform1i(uniform("show"), MODES.indexOf(this.mode));
    gl.uniform1i(uniform("shadows"), casts);
    gl.uniform1i(uniform("coneStep"), this.shadows.step);
    this.setLight(uniform);
  }

  /** Rotation that the user gave the light. */
  turnOfLight() {
    return product(aboutAxis(1, this.lightTurn[0]), aboutAxis(0, -this.lightTurn[1]));
  }

  /** Which share of the light's harmonics each corner gets; turn: head -> picture axes. */
  softShadows(turn) {
    const { gl, transfer, light, head } = this;
    if (!transfer) return;
    const axes = product(transposed(this.turnOfLight()), turn);
    const version = `${axes} ${light.sh} ${head.mouth?.height ? this.posed : 0}`;
    if (version === this.softened) return;
    this.softened = version;
    const [buffer, data] = this.ambient;
    transfer.apply(light.sh, axes, data);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, data);
  }

  /** Draw the shadow maps that this pose and light need; how many lamps have them. */
  castShadows(turn, quick) {
    const { gl, head, light, scene } = this;
    const lit = this.mode === "shaded" || this.mode === "geometry";
    if (!lit || !light.shadows) return 0;
    const lightTurn = this.turnOfLight();
    const lamps = light.directions.slice(0, Math.min(light.shadows, MAX_LAMPS));
    const towards = lamps.map((place) => turned(lightTurn, place));
    const all = { first: 0, count: head.triangles.length / 3 };
    const draw = (cut) => {
      cut(false);
      gl.bindVertexArray(this.array);
      this.drawTriangles(all);
      cut(true);
      this.hair?.cast();
    };
    const version = `${this.posed} ${this.hair?.shown}`;
    this.shadows.draw(towards, scene.centre, turn, version, quick, draw);
    return towards.length;
  }

  setLight(uniform) {
    const { gl, light } = this;
    const turn = this.turnOfLight();
    this.shadows.frames.forEach((frame, lamp) => {
      gl.uniformMatrix3fv(uniform(`shadowFrames[${lamp}]`), true, frame);
    });
    gl.uniform3fv(uniform("sh"), light.sh.flat());
    gl.uniformMatrix3fv(uniform("shTurn"), true, transposed(turn));
    const at = [...light.directions, ...light.positions].slice(0, MAX_LAMPS);
    const colors = [...light.colors, ...light.intensities].slice(0, MAX_LAMPS);
    gl.uniform1i(uniform("lamps"), Math.min(light.directions.length, MAX_LAMPS));
    gl.uniform1i(uniform("points"), at.length - Math.min(light.directions.length, MAX_LAMPS));
    if (!at.length) return;
    gl.uniform3fv(uniform("lampAt"), at.flatMap((place) => turned(turn, place)));
    gl.uniform3fv(uniform("lampColor"), colors.flat());
  }

  drawPart(part, material) {
    const { gl } = this;
    gl.uniform3fv(this.uniform("albedoFactor"), material.albedo);
    gl.uniform3fv(this.uniform("specularFactor"), material.specular);
    gl.uniform1f(this.uniform("roughnessFactor"), material.roughness);
    gl.uniform1i(this.uniform("hasNormalMap"), material.images[2] !== null);
    material.textures.forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    this.drawTriangles(part);
  }

  drawTriangles({ first, count }) {
    const { gl, head } = this;
    const { BYTES_PER_ELEMENT: bytes } = head.triangles;
    const type = bytes === 4 ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT;
    gl.drawElements(gl.TRIANGLES, 3 * count, type, 3 * first * bytes);
  }
}

/** The data: URI of an image of the page's data, which may be "#id" of an <img> in the page. */
function imageSource(source) {
  return source.startsWith("#") ? document.getElementById(source.slice(1)).src : source;
}

async function decoded(source) {
  const image = new Image();
  image.src = imageSource(source);
  await image.decode();
  return image;
}

/** A texture of an image, or of one RGBA texel; sRGB is decoded unless `linear`. */
function makeTexture(gl, image, linear) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  const inside = linear ? gl.RGBA8 : gl.SRGB8_ALPHA8;
  if (image instanceof Uint8Array) {
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, image);
  } else {
    gl.texImage2D(gl.TEXTURE_2D, 0, inside, gl.RGBA, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
  }
  const least = image instanceof Uint8Array ? gl.LINEAR : gl.LINEAR_MIPMAP_LINEAR;
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, least);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return texture;
}

function compile(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
      throw new Error(gl.getShaderInfoLog(shader));
    }
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}
