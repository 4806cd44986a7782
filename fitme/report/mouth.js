// Light that comes in between open lips. Does what fitme/head/mesh.py does.

class Mouth {
  /** head: a Head with the arrays mouthVertex, mouthBehind, lipVertex and lipWeight; bright: mean albedo. */
  constructor(head, bright) {
    Object.assign(this, { head, bright });
    this.more = new Float32Array(head.mouthVertex.length); // of the light that is kept from a vertex
    this.height = 0;
  }

  /** Look at how far the lips of vertices [V, 3] are open. */
  pose(vertices) {
    const { more, bright } = this;
    const { mouthVertex, mouthBehind, lipVertex, lipWeight, occlusion } = this.head;
    const [upper, lower, right, left] = [0, 1, 2, 3].map((edge) => {
      const at = [0, 0, 0];
      for (let k = 3 * edge; k < 3 * edge + 3; k++) {
        for (let c = 0; c < 3; c++) at[c] += lipWeight[k] * vertices[3 * lipVertex[k] + c];
      }
      return at;
    });
    this.height = Math.max(upper[1] - lower[1], 0);
    if (!this.height) return more.fill(0);
    const middle = [0, 1, 2].map((c) => (right[c] + left[c]) / 2);
    const wide = Math.max(Math.hypot(...right.map((value, c) => value - left[c])) / 2, 1e-6);
    for (let k = 0; k < more.length; k++) {
      const at = 3 * mouthVertex[k];
      const aside = Math.min(((vertices[at] - middle[0]) / wide) ** 2, 1);
      let [sines, nearest] = [0, Infinity];
      for (const [edge, sign] of [[upper, 1], [lower, -1]]) {
        const [y, z] = [1, 2].map((c) => edge[c] + (middle[c] - edge[c]) * aside);
        const rise = sign * (y - vertices[at + 1]);
        const depth = Math.max(z - vertices[at + 2], 0) + mouthBehind[k];
        sines += rise / Math.max(Math.hypot(rise, depth), 1e-6);
        nearest = Math.min(nearest, depth);
      }
      const seen = (0.5 * Math.max(sines, 0) * wide) / Math.hypot(wide, nearest);
      const share = seen / (1 - bright * (1 - seen));
      const known = occlusion[mouthVertex[k]];
      more[k] = Math.min(Math.max((share - known) / Math.max(1 - known, 1e-6), 0), 1);
    }
    return more;
  }

  /** Add the light to the shares [V] of it that get to vertices. */
  light(reached) {
    const { mouthVertex } = this.head;
    this.more.forEach((more, k) => (reached[mouthVertex[k]] += more * (1 - reached[mouthVertex[k]])));
  }
}
