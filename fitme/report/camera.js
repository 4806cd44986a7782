// Where the viewer looks from, and rotations as nine numbers, row by row.

const radians = (degrees) => (degrees * Math.PI) / 180;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Rotation about axis 0, 1 or 2 (x, y, z) by degrees. */
function aboutAxis(axis, degrees) {
  const [c, s] = [Math.cos(radians(degrees)), Math.sin(radians(degrees))];
  if (axis === 0) return [1, 0, 0, 0, c, -s, 0, s, c];
  if (axis === 1) return [c, 0, s, 0, 1, 0, -s, 0, c];
  return [c, -s, 0, s, c, 0, 0, 0, 1];
}

function product(a, b) {
  return a.map((_, k) => [0, 1, 2].reduce((sum, j) => sum + a[k - (k % 3) + j] * b[3 * j + (k % 3)], 0));
}

const transposed = (m) => [m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]];

function turned(m, [x, y, z]) {
  return [0, 3, 6].map((r) => m[r] * x + m[r + 1] * y + m[r + 2] * z);
}

/**
 * An upright camera on the head: fitme.avatar.relight.facing_camera with zoom, shift and roll.
 * Angles in degrees are those of the head: yaw to the picture's right, pitch up.
 */
class Orbit {
  constructor(scene) {
    this.scene = scene;
    this.reset();
  }

  reset() {
    this.look({ yaw: -18, pitch: 2, roll: 0 });
  }

  /** Take a head's angles; the whole head is in view, with room for the line below it. */
  look({ yaw, pitch, roll }) {
    Object.assign(this, { yaw, pitch, roll, zoom: this.scene.hair ? 0.82 : 0.93, shift: [0, 0.05] });
  }

  turn(yaw, pitch) {
    this.yaw = ((this.yaw + yaw + 540) % 360) - 180;
    this.pitch = clamp(this.pitch + pitch, -80, 80);
  }

  /** Magnify, so that the point at x, y (in -1..1 of the shorter side, y up) stays. */
  magnify(factor, x, y) {
    const zoom = clamp(this.zoom * factor, 0.5, 12);
    const by = zoom / this.zoom;
    this.zoom = zoom;
    this.shift = [x - (x - this.shift[0]) * by, y - (y - this.shift[1]) * by];
  }

  pan(x, y) {
    this.shift = [this.shift[0] + x, this.shift[1] + y];
  }

  /** What the shader needs for a picture of width x height. */
  camera(width, height) {
    const { radius, distance, facingPitch } = this.scene;
    const upright = product(
      aboutAxis(1, this.yaw), aboutAxis(0, -(this.pitch + facingPitch)),
    );
    const scale = (this.zoom * Math.sqrt(distance ** 2 - radius ** 2)) / radius;
    const [wide, tall] = [width, height].map((side) => Math.min(width, height) / side);
    return {
      turn: product(aboutAxis(2, -this.roll), upright),
      offset: [0, 0, distance],
      project: [scale * wide, scale * tall, this.shift[0] * wide, this.shift[1] * tall],
    };
  }
}

/** The shader's camera of a photo's: K [3][3], world_to_camera [4][4], size in pixels. */
function photoCamera(scene, { K, pose, width, height }) {
  const rotation = pose.slice(0, 3).flatMap((row) => row.slice(0, 3));
  const centre = turned(rotation, scene.centre);
  return {
    turn: product([1, 0, 0, 0, -1, 0, 0, 0, -1], rotation),
    offset: centre.map((value, k) => value + pose[k][3]),
    project: [
      (2 * K[0][0]) / width, (2 * K[1][1]) / height,
      (2 * K[0][2]) / width - 1, 1 - (2 * K[1][2]) / height,
    ],
  };
}
