// The shading of fitme/render/shading.py and fitme/brdf.py in GLSL; the fits' numbers come from there.

const MAX_LAMPS = 12;

/** GLSL: where the camera sees a place in the picture's axes. */
const VIEW_SOURCE = `
uniform vec3 centre;
uniform mat3 turn;     // head -> picture axes: x right, y up, z to the viewer
uniform vec3 offset;   // the head's centre in the camera: x right, y down, z forward
uniform vec4 project;  // x and y: scale, z and w: shift
uniform vec2 depth;    // near, far
vec4 seenAt(vec3 place) {
  vec3 seen = vec3(place.x, -place.y, -place.z) + offset;
  float z = ((depth.y + depth.x) * seen.z - 2.0 * depth.x * depth.y) / (depth.y - depth.x);
  return vec4(project.x * seen.x + project.z * seen.z,
              project.w * seen.z - project.y * seen.y, z, seen.z);
}`;

const VERTEX_SHADER = `#version 300 es
layout(location = 0) in vec3 position;  // metres, in the head's own frame
in vec3 normal;
in vec4 tangent;   // along growing u; w: handedness
in vec2 uv;
in float ambient;
${VIEW_SOURCE}
out vec3 vPosition;
out vec3 vNormal;
out vec3 vTangent;
out float vSign;
out vec2 vUv;
out float vAmbient;
void main() {
  vPosition = turn * (position - centre);
  vNormal = turn * normal;
  vTangent = turn * tangent.xyz;
  vSign = tangent.w;
  vUv = uv;
  vAmbient = ambient;
  gl_Position = seenAt(vPosition);
}`;

/** Decimals that GLSL reads as floats. */
const glsl = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));

/** Horner's scheme: rows are powers of `x`, columns powers of `y`. */
function polynomial(rows, x, y) {
  const horner = (terms, of) =>
    terms.reduceRight((sum, term) => (sum ? `(${term} + ${of} * ${sum})` : term), "");
  return horner(rows.map((row) => horner(row.map(glsl), y)), x);
}

/** GLSL: the lights, and light as a picture stores it. */
function lightSource(brdf) {
  return `
uniform vec3 sh[9];
uniform mat3 shTurn;  // picture axes -> the axes of sh
uniform int lamps, points;
uniform vec3 lampAt[${MAX_LAMPS}], lampColor[${MAX_LAMPS}];  // directional ones, then points
vec3 harmonics(vec3 d, vec3 keep) {
  vec3 one = sh[1] * d.y + sh[2] * d.z + sh[3] * d.x;
  vec3 two = ${glsl(brdf.y2)} * (sh[4] * d.x * d.y + sh[5] * d.y * d.z + sh[7] * d.x * d.z)
    + ${glsl(brdf.y20)} * sh[6] * (3.0 * d.z * d.z - 1.0)
    + ${glsl(brdf.y22)} * sh[8] * (d.x * d.x - d.y * d.y);
  vec3 sum = ${glsl(brdf.y0)} * sh[0] * keep.x + ${glsl(brdf.y1)} * one * keep.y + two * keep.z;
  return max(sum, 0.0);
}

vec3 encode(vec3 linear) {
  vec3 c = clamp(linear, 0.0, 1.0);
  return mix(12.92 * c, 1.055 * pow(max(c, 0.0031308), vec3(1.0 / 2.4)) - 0.055,
             step(0.0031308, c));
}`;
}

/**
 * brdf, shadow: constants of fitme/brdf.py and fitme/render/shadows.py as the page's data have them;
 * wrinkles: those of fitme/report/wrinkles.py, if there are any.
 */
function fragmentShader(brdf, shadow, wrinkles) {
  const bands = brdf.bands.map((row) => polynomial([row], "1.0", "r"));
  return `#version 300 es
precision highp float;
in vec3 vPosition;
in vec3 vNormal;
in vec3 vTangent;
in float vSign;
in vec2 vUv;
in float vAmbient;
uniform sampler2D albedoMap, specularMap, normalMap, roughnessMap;
uniform vec3 albedoFactor, specularFactor;
uniform float roughnessFactor;
uniform bool hasNormalMap;
uniform int show;  // 0 shaded, 1 diffuse albedo, 2 specular albedo, 3 normals, 4 geometry
uniform float specularWhite;  // the F0 that is shown as white
uniform vec3 eye;
${lightSource(brdf)}
out vec4 color;

const float PI = 3.14159265358979;
const float LEAST = ${glsl(brdf.minCosine)};

float ggx(vec3 n, vec3 v, vec3 l, float nv, float nl, float alpha) {
  float square = alpha * alpha;
  float nh = dot(n, normalize(v + l));
  float hill = nh * nh * (square - 1.0) + 1.0;
  float masking = nl * sqrt(nv * nv * (1.0 - square) + square);
  float shadowing = nv * sqrt(nl * nl * (1.0 - square) + square);
  return square / (hill * hill) * 0.5 / (masking + shadowing) * nl;  // times pi: the light's unit
}

${shadowSource(shadow)}
${wrinkles ? foldSource(wrinkles) : ""}
void main() {
  vec3 albedo = texture(albedoMap, vUv).rgb * albedoFactor;
  vec3 f0 = texture(specularMap, vUv).rgb * specularFactor;
  float rough = texture(roughnessMap, vUv).g * roughnessFactor;
  vec3 bump = texture(normalMap, vUv).xyz * 2.0 - 1.0;
${wrinkles ? ADD_FOLDS : ""}  vec3 smoothed = normalize(vNormal), n = smoothed;
  if (${wrinkles ? "(hasNormalMap || hasFolds)" : "hasNormalMap"} && show != 4) {
    vec3 t = normalize(vTangent - dot(n, vTangent) * n);
    n = normalize(bump.x * t + bump.y * vSign * cross(n, t) + bump.z * n);
  }
  if (show == 1) { color = vec4(encode(albedo), 1.0); return; }
  if (show == 2) { color = vec4(encode(f0 / specularWhite), 1.0); return; }
  if (show == 3) { color = vec4(n * 0.5 + 0.5, 1.0); return; }
  if (show == 4) { albedo = vec3(0.42); f0 = vec3(0.03); rough = 0.5; }

  vec3 v = normalize(eye - vPosition);
  float nv = max(dot(n, v), LEAST);
  float r = clamp(rough, ${glsl(brdf.minRoughness)}, 1.0);
  float alpha = r * r;
  vec3 received = harmonics(shTurn * n, vec3(1.0, ${brdf.cosine.slice(1).map(glsl).join(", ")}));
  vec3 keep = vec3(1.0, 1.0 - r * r * ${bands[0]}, 1.0 - r * r * ${bands[1]});
  vec3 mirrored = harmonics(shTurn * (2.0 * dot(n, v) * n - v), keep);
  float scale = ${polynomial(brdf.scale, "nv", "r")};
  float grazing = (1.0 - nv) * (1.0 - nv);
  float bias = ${polynomial(brdf.bias, "nv", "r")} * grazing * grazing;
  received *= vAmbient;
  vec3 specular = vAmbient * mirrored * (f0 * scale + bias);
  for (int k = 0; k < lamps + points; k++) {
    vec3 towards = lampAt[k], strength = lampColor[k];
    if (k >= lamps) {
      towards -= vPosition;
      strength /= dot(towards, towards);
      towards = normalize(towards);
    }
    float nl = max(dot(n, towards), 0.0);
    if (nl == 0.0) continue;
    if (k < shadows) strength *= reached(k, vPosition, smoothed, towards);
    float away = clamp(1.0 - dot(v, normalize(v + towards)), 0.0, 1.0);
    vec3 fresnel = f0 + (1.0 - f0) * pow(away, 5.0);
    received += strength * nl;
    specular += strength * fresnel * ggx(n, v, towards, nv, nl, alpha);
  }
  color = vec4(encode(albedo * received + specular), 1.0);
}`;
}
