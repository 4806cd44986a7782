// Soft shadows of a light's harmonics. Does what fitme/render/transfer.py does.

const TRANSFER_DIRECTIONS = 256; // in which a light is looked at to turn it

/** `count` unit vectors, evenly all around: fitme's fibonacci_sphere. */
function allAround(count) {
  const golden = Math.PI * (1 + Math.sqrt(5));
  return Array.from({ length: count }, (_, k) => {
    const y = 1 - (2 * (k + 0.5)) / count;
    const [radius, angle] = [Math.sqrt(1 - y * y), golden * (k + 0.5)];
    return [radius * Math.cos(angle), y, radius * Math.sin(angle)];
  });
}

/** The nine harmonics of a unit vector: fitme's sh_basis. */
function harmonicsOf([x, y, z], { y0, y1, y2, y20, y22 }) {
  return [
    y0, y1 * y, y1 * z, y1 * x, y2 * x * y, y2 * y * z, y20 * (3 * z * z - 1), y2 * x * z,
    y22 * (x * x - y * y),
  ];
}

class Transfer {
  /** head: a Head; brdf, transfer: the page's constants. */
  constructor(head, brdf, { few, most, step }) {
    Object.assign(this, { head, brdf, few, most, step });
    this.count = head.occlusion.length;
    this.reached = new Float32Array(this.count);
    this.directions = allAround(TRANSFER_DIRECTIONS).map((at) => [at, harmonicsOf(at, brdf)]);
  }

  /** Gray harmonics [9], in the head's axes, of sh [9][3]; turn: head -> the axes of sh. */
  inHead(sh, turn) {
    const gray = sh.map((rgb) => (rgb[0] + rgb[1] + rgb[2]) / 3);
    const found = new Array(9).fill(0);
    for (const [at, own] of this.directions) {
      const there = harmonicsOf(turned(turn, at), this.brdf);
      const radiance = there.reduce((sum, value, k) => sum + value * gray[k], 0);
      own.forEach((value, k) => (found[k] += (value * radiance * 4 * Math.PI) / TRANSFER_DIRECTIONS));
    }
    return found;
  }

  /** Write into `ambient`, one per corner, which share of the light gets there. */
  apply(sh, turn, ambient) {
    const { count, reached, few, most, brdf, head } = this;
    const steps = head.transfer;
    const own = this.inHead(sh, turn).map((value) => value * this.step);
    const least = few * Math.max((own[0] / this.step) * brdf.y0, 0) + 1e-6;
    for (let v = 0; v < count; v++) {
      let [blocked, open] = [0, 0];
      for (let k = 0, at = 9 * v, far = 9 * (count + v); k < 9; k++) {
        blocked += own[k] * steps[at + k];
        open += own[k] * steps[far + k];
      }
      const everywhere = steps[9 * v] / Math.max(steps[9 * (count + v)], 1);
      const share = Math.max(blocked, 0) + least * everywhere;
      reached[v] = Math.min(share / (Math.max(open, 0) + least), most);
    }
    head.mouth?.light(reached);
    head.cornerVertex.forEach((vertex, corner) => (ambient[corner] = reached[vertex]));
  }
}
