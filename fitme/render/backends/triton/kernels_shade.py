"""Triton kernel of `fitme.render.shading.shade`, and what its backward pass computes again.

N points; the light and the eye of image b are one row of `scene`: the eye [3], the harmonics [27],
then [6] for each light: a unit direction (or, from number `directional` on, a place) and a color.
`kernels_shade` of the CPU backend says how the lobe is computed. All in float64, as there: near
the peak of a smooth surface's lobe, float32 has no digits left. A program shades those of its
points that one image has, so that what is the same for all is read once, not per point; Triton's
compiler takes time that grows with the cube of the number of reads and writes per point.
"""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render import brdf, light

EYE, SKY, LIGHTS = tl.constexpr(0), tl.constexpr(3), tl.constexpr(30)  # places in a row of `scene`
TINY = tl.constexpr(1e-12)
MIN_ROUGHNESS, MIN_COSINE = tl.constexpr(brdf.MIN_ROUGHNESS), tl.constexpr(brdf.MIN_COSINE)
COSINE_1, COSINE_2 = tl.constexpr(light.COSINE[1]), tl.constexpr(light.COSINE[2])
Y0, Y1, Y2 = tl.constexpr(light.Y0), tl.constexpr(light.Y1), tl.constexpr(light.Y2)
Y2_0, Y2_2 = tl.constexpr(light.Y2_0), tl.constexpr(light.Y2_2)
(P0, P1, P2, P3), (Q0, Q1, Q2, Q3) = (map(tl.constexpr, row) for row in brdf.GGX_BAND_FIT)
(S00, S01, S02), (S10, S11, S12) = (map(tl.constexpr, row) for row in brdf.ENV_SCALE[:2])
(S20, S21, S22), (S30, S31, S32) = (map(tl.constexpr, row) for row in brdf.ENV_SCALE[2:])
(B00, B01, B02), (B10, B11, B12) = (map(tl.constexpr, row) for row in brdf.ENV_BIAS)


@triton.jit
def load_vector(values, p, mask):
    """Row p of values [N,3], in float64."""
    x = tl.load(values + 3 * p, mask=mask, other=0.0).to(tl.float64)
    y = tl.load(values + 3 * p + 1, mask=mask, other=0.0).to(tl.float64)
    z = tl.load(values + 3 * p + 2, mask=mask, other=0.0).to(tl.float64)
    return x, y, z


@triton.jit
def store_vector(values, p, x, y, z, mask):
    tl.store(values + 3 * p, x, mask=mask)
    tl.store(values + 3 * p + 1, y, mask=mask)
    tl.store(values + 3 * p + 2, z, mask=mask)


@triton.jit
def unit(x, y, z):
    """The unit vector and one over the length."""
    inverse = 1.0 / tl.maximum(tl.sqrt(x * x + y * y + z * z), TINY)
    return x * inverse, y * inverse, z * inverse, inverse


@triton.jit
def bump_normal(sx, sy, sz, tangent, sign, bump, p, mask):
    """The map's normal in the frame of the unit normal s: it and one over its length before; the
    unit tangent, one over its length before, and the tangent's part along s."""
    tx, ty, tz = load_vector(tangent, p, mask)
    along = tx * sx + ty * sy + tz * sz
    ux, uy, uz, inverse_t = unit(tx - along * sx, ty - along * sy, tz - along * sz)
    a, b, c = load_vector(bump, p, mask)
    b = b * tl.load(sign + p, mask=mask, other=0.0)
    nx, ny, nz, inverse_n = unit(
        a * ux + b * (sy * uz - sz * uy) + c * sx,
        a * uy + b * (sz * ux - sx * uz) + c * sy,
        a * uz + b * (sx * uy - sy * ux) + c * sz,
    )
    return nx, ny, nz, inverse_n, ux, uy, uz, inverse_t, along


@triton.jit
def load_f0(specular, p, mask, SPECULAR: tl.constexpr):
    """The specular albedo of the three colours, from [N,1 or 3]."""
    last = SPECULAR - 1
    r = tl.load(specular + SPECULAR * p, mask=mask, other=0.0).to(tl.float64)
    g = tl.load(specular + SPECULAR * p + last // 2, mask=mask, other=0.0).to(tl.float64)
    b = tl.load(specular + SPECULAR * p + last, mask=mask, other=0.0).to(tl.float64)
    return r, g, b


@triton.jit
def band_factors(r):
    """How much a lobe keeps of the first and second band, `brdf.ggx_bands`; r in its range."""
    first = 1.0 - r * r * (P0 + r * (P1 + r * (P2 + r * P3)))
    second = 1.0 - r * r * (Q0 + r * (Q1 + r * (Q2 + r * Q3)))
    return first, second


@triton.jit
def split_sum(x, r):
    """`brdf.environment_brdf` at N.V = x: scale and bias."""
    scale = S30 + r * (S31 + r * S32)
    scale = scale * x + (S20 + r * (S21 + r * S22))
    scale = scale * x + (S10 + r * (S11 + r * S12))
    scale = scale * x + (S00 + r * (S01 + r * S02))
    miss = (1.0 - x) * (1.0 - x)
    bias = (B10 + r * (B11 + r * B12)) * x + (B00 + r * (B01 + r * B02))
    return scale, bias * miss * miss


@triton.jit
def sky_bands(scene, at, x, y, z):
    """The sky's three bands in a direction; at: the place of the color's first coefficient."""
    k0 = tl.load(scene + at).to(tl.float64)
    k1 = tl.load(scene + at + 3).to(tl.float64)
    k2 = tl.load(scene + at + 6).to(tl.float64)
    k3 = tl.load(scene + at + 9).to(tl.float64)
    k4 = tl.load(scene + at + 12).to(tl.float64)
    k5 = tl.load(scene + at + 15).to(tl.float64)
    k6 = tl.load(scene + at + 18).to(tl.float64)
    k7 = tl.load(scene + at + 21).to(tl.float64)
    k8 = tl.load(scene + at + 24).to(tl.float64)
    one = Y1 * (k1 * y + k2 * z + k3 * x)
    two = Y2 * (k4 * x * y + k5 * y * z + k7 * x * z)
    two += Y2_0 * k6 * (3.0 * z * z - 1.0) + Y2_2 * k8 * (x * x - y * y)
    return Y0 * k0, one, two


@triton.jit
def load_light(scene, at, is_point, px, py, pz):
    """Unit vector to a light, its color at the surface, and one over the distance (1 for a
    direction)."""
    x = tl.load(scene + at).to(tl.float64)
    y = tl.load(scene + at + 1).to(tl.float64)
    z = tl.load(scene + at + 2).to(tl.float64)
    r = tl.load(scene + at + 3).to(tl.float64)
    g = tl.load(scene + at + 4).to(tl.float64)
    b = tl.load(scene + at + 5).to(tl.float64)
    ux, uy, uz, inverse = unit(x - px, y - py, z - pz)
    inverse = tl.where(is_point, inverse, 1.0)
    fade = inverse * inverse
    x, y, z = tl.where(is_point, ux, x), tl.where(is_point, uy, y), tl.where(is_point, uz, z)
    return x, y, z, r * fade, g * fade, b * fade, inverse


@triton.jit
def _ambient(scene, at, nx, ny, nz, rx, ry, rz, first, second, seen, f0, scale, bias):
    zero, one, two = sky_bands(scene, at, nx, ny, nz)
    received = tl.maximum(zero + COSINE_1 * one + COSINE_2 * two, 0.0) * seen
    zero, one, two = sky_bands(scene, at, rx, ry, rz)
    shine = tl.maximum(zero + first * one + second * two, 0.0) * seen
    return received, shine * (f0 * scale + bias)


@triton.jit(do_not_specialize=["count", "row", "directional", "lights"])
def shade(
    position, normal, tangent, sign, bump, albedo, specular, roughness, occlusion, image, scene,
    out_diffuse, out_specular, out_normal, count, row, directional, lights,
    BUMPY: tl.constexpr, VEILED: tl.constexpr, SPECULAR: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Diffuse and specular radiance and the shading normal, each [N,3]; `row`: numbers in one of
    `scene`."""
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    own = tl.program_id(1)
    mask = p < count
    mask = mask & (tl.load(image + p, mask=mask, other=-1) == own)
    at = own * row
    px, py, pz = load_vector(position, p, mask)
    sx, sy, sz = load_vector(normal, p, mask)
    nx, ny, nz, _ = unit(sx, sy, sz)
    if BUMPY:
        nx, ny, nz, _, _, _, _, _, _ = bump_normal(nx, ny, nz, tangent, sign, bump, p, mask)
    ex = tl.load(scene + at + EYE)
    ey = tl.load(scene + at + EYE + 1)
    ez = tl.load(scene + at + EYE + 2)
    vx, vy, vz, _ = unit(ex - px, ey - py, ez - pz)
    n_v = nx * vx + ny * vy + nz * vz
    nv = tl.maximum(n_v, MIN_COSINE)
    rough = tl.maximum(tl.load(roughness + p, mask=mask, other=1.0).to(tl.float64), MIN_ROUGHNESS)
    a2 = rough * rough * rough * rough
    gv = tl.sqrt(nv * nv * (1.0 - a2) + a2)
    f_r, f_g, f_b = load_f0(specular, p, mask, SPECULAR)
    seen = nx * 0.0 + 1.0
    if VEILED:
        seen = tl.load(occlusion + p, mask=mask, other=0.0).to(tl.float64)

    clamped = tl.minimum(rough, 1.0)
    first, second = band_factors(clamped)
    scale, bias = split_sum(nv, clamped)
    t = 2.0 * n_v
    rx, ry, rz = t * nx - vx, t * ny - vy, t * nz - vz
    sky = at + SKY
    d_r, s_r = _ambient(scene, sky, nx, ny, nz, rx, ry, rz, first, second, seen, f_r, scale, bias)
    d_g, s_g = _ambient(
        scene, sky + 1, nx, ny, nz, rx, ry, rz, first, second, seen, f_g, scale, bias
    )
    d_b, s_b = _ambient(
        scene, sky + 2, nx, ny, nz, rx, ry, rz, first, second, seen, f_b, scale, bias
    )
    for k in range(0, lights):
        lx, ly, lz, r, g, b, _ = load_light(
            scene, at + LIGHTS + 6 * k, k >= directional, px, py, pz
        )
        nl = tl.maximum(nx * lx + ny * ly + nz * lz, 0.0)
        v_l = vx * lx + vy * ly + vz * lz
        length = tl.sqrt(tl.maximum(2.0 + 2.0 * v_l, TINY))
        nh = (n_v + nl) / length
        f = nh * nh * (a2 - 1.0) + 1.0
        gl = tl.sqrt(nl * nl * (1.0 - a2) + a2)
        base = 0.5 * a2 * nl / (f * f * (nl * gv + nv * gl))
        miss = 1.0 - 0.5 * length
        p5 = miss * miss * miss * miss * miss
        d_r += r * nl
        d_g += g * nl
        d_b += b * nl
        s_r += r * base * (f_r * (1.0 - p5) + p5)
        s_g += g * base * (f_g * (1.0 - p5) + p5)
        s_b += b * base * (f_b * (1.0 - p5) + p5)
    a_r, a_g, a_b = load_vector(albedo, p, mask)
    store_vector(out_diffuse, p, a_r * d_r, a_g * d_g, a_b * d_b, mask)
    store_vector(out_specular, p, s_r, s_g, s_b, mask)
    store_vector(out_normal, p, nx, ny, nz, mask)
