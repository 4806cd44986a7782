// Wrinkles of a fitme avatar in three.js: folds that come and go with its morph targets.
//
//   import { loadWrinkles, addWrinkles } from "./wrinkles.js";
//   const about = await (await fetch("fitme_export.json")).json();
//   addWrinkles(THREE, head, about, await loadWrinkles(THREE, about, ""));
//
// `head` is the mesh named "head" of avatar.glb with its own material. Nothing else has to be done:
// what `morphTargetInfluences` say is looked up before each picture.

/** The textures of fitme_export.json's "wrinkles", read from below `base`. */
export async function loadWrinkles(THREE, about, base) {
  const loader = new THREE.TextureLoader();
  const load = async (file, colorSpace) => {
    const texture = await loader.loadAsync(base + file);
    texture.flipY = false; // as in glTF
    texture.premultiplyAlpha = false; // alpha is one more mask
    texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
    texture.colorSpace = colorSpace;
    return texture;
  };
  const { files } = about.wrinkles;
  const data = (file) => load(file, THREE.NoColorSpace);
  return {
    compressed: await data(files.compressed),
    stretched: await data(files.stretched),
    albedo: await load(files.albedo, THREE.SRGBColorSpace),
    masks: await Promise.all(files.masks.map(data)),
  };
}

const DECLARED = (count) => `
uniform sampler2D wrinkleCompressed, wrinkleStretched, wrinkleAlbedo;
uniform sampler2D ${Array.from({ length: count }, (_, k) => `wrinkleMask${k}`).join(", ")};
uniform vec4 wrinkleRegion[${count}];
uniform vec2 wrinkleRange;
float wrinkleAmount(vec2 uv) {
  float amount = 0.0;
${Array.from({ length: count }, (_, k) =>
  `  amount += dot(texture2D(wrinkleMask${k}, uv), wrinkleRegion[${k}]);`).join("\n")}
  return clamp(amount, wrinkleRange.x, wrinkleRange.y);
}
vec2 wrinkleTilt(vec3 code) {
  vec3 n = code * 2.0 - 1.0;
  return n.xy / max(n.z, 0.1);
}
`;
const ALBEDO = `
float wrinkle = wrinkleAmount(vMapUv);
vec3 wrinkleShade = texture2D(wrinkleAlbedo, vMapUv).rgb
  / max(texture2D(map, vMapUv).rgb, vec3(1e-3));
diffuseColor.rgb *= pow(max(wrinkleShade, vec3(1e-3)), vec3(max(wrinkle, 0.0)));
`;
const SAMPLED = "vec3 mapN = texture2D( normalMap, vNormalMapUv ).xyz * 2.0 - 1.0;";
const NORMAL = `
vec2 tilt = wrinkleTilt(texture2D(normalMap, vNormalMapUv).xyz);
tilt = mix(tilt, wrinkleTilt(texture2D(wrinkleCompressed, vNormalMapUv).xyz), max(wrinkle, 0.0))
  + max(-wrinkle, 0.0) * (wrinkleTilt(texture2D(wrinkleStretched, vNormalMapUv).xyz) - tilt);
vec3 mapN = normalize(vec3(tilt, 1.0));
`;

/** Make the folds of `mesh` follow its morph targets; `textures` are those of `loadWrinkles`. */
export function addWrinkles(THREE, mesh, about, textures) {
  const regions = Object.values(about.wrinkles.regions);
  const count = textures.masks.length;
  const amounts = Array.from({ length: count }, () => new THREE.Vector4());
  const uniforms = {
    wrinkleCompressed: { value: textures.compressed },
    wrinkleStretched: { value: textures.stretched },
    wrinkleAlbedo: { value: textures.albedo },
    wrinkleRegion: { value: amounts },
    wrinkleRange: { value: new THREE.Vector2(...about.wrinkles.amount_range) },
  };
  textures.masks.forEach((value, k) => (uniforms[`wrinkleMask${k}`] = { value }));
  const { material } = mesh;
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, uniforms);
    const normals = THREE.ShaderChunk.normal_fragment_maps;
    if (!normals.includes(SAMPLED)) throw new Error("this three.js names its normals otherwise");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", `#include <common>\n${DECLARED(count)}`)
      .replace("#include <map_fragment>", `#include <map_fragment>\n${ALBEDO}`)
      .replace("#include <normal_fragment_maps>", normals.replace(SAMPLED, NORMAL));
  };
  material.customProgramCacheKey = () => `fitme wrinkles ${count}`;
  material.needsUpdate = true;
  mesh.onBeforeRender = () => {
    regions.forEach((region, k) => {
      let amount = 0;
      for (const [shape, value] of Object.entries(region.shapes)) {
        const index = mesh.morphTargetDictionary?.[shape];
        if (index !== undefined) amount += value * mesh.morphTargetInfluences[index];
      }
      amounts[Math.floor(k / 4)].setComponent(k % 4, amount);
    });
  };
}
