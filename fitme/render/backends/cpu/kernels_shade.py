"""Numba kernels of `fitme.render.shading.shade`, the forward pass.

Arrays: position, normal, tangent, bump, albedo [N,3]; specular [N,1 or 3]; sign, roughness,
occlusion [N]; image [N]; tangent, sign, bump and occlusion may have length 0 for "none". The
light of image b, in float64: sh [B,9,3], directions and colors [B,L,3], points and
intensities [B,P,3].

Points are taken BLOCK at a time into the rows of two flat float64 scratch arrays, `s` and, for
what exists per colour channel, `q`. Every step is a branch-free loop over a block; row offsets
are constants, so that the compiler can tell rows apart and turns the loops into vector code.

A lobe needs only N.V, N.L and V.L: |V+L| = sqrt(2 + 2 V.L), N.H = (N.V + N.L) / |V+L| and
V.H = |V+L| / 2. With a2 = alpha^2 the factor is pi D V N.L = a2/f^2 * N.L / (2 den), where
f = N.H^2 (a2-1) + 1 and den = N.L gv + N.V gl, g(x) = sqrt(x^2 (1-a2) + a2).
"""

from __future__ import annotations

import numpy as np

from fitme.render import brdf
from fitme.render.backends.cpu.compile import kernel
from fitme.render.light import COSINE, Y0, Y1, Y2, Y2_0, Y2_2

BLOCK = 32
TINY = 1e-12
MIN_ROUGHNESS, MIN_COSINE = brdf.MIN_ROUGHNESS, brdf.MIN_COSINE
COSINE_1, COSINE_2 = COSINE[1], COSINE[2]
BAND_1, BAND_2 = brdf.GGX_BAND_FIT
S0, S1, S2, S3 = brdf.ENV_SCALE
B0, B1 = brdf.ENV_BIAS


def _rows(first: int, count: int, step: int = 1) -> list[int]:
    """Offsets of `count` rows, `step` rows each, from row `first` on."""
    return [BLOCK * (first + step * k) for k in range(count)]


# Rows of the scratch array `s`. What a point is:
PX, PY, PZ, SX, SY, SZ, TX, TY, TZ, MX, MY, MZ, SIGN, ROUGH, SEEN = _rows(0, 15)
# frame: unit smooth normal in SX.., unit tangent in UX.., shading normal, view
UX, UY, UZ, NX, NY, NZ, VX, VY, VZ, N_V, NV, GV, A2 = _rows(15, 13)
INV_S, INV_T, INV_N, INV_V, ALONG = _rows(28, 5)  # one over lengths, N.T
Y, YR = _rows(33, 2, 9)  # SH bases at the normal and at the mirrored view, 9 rows each
FIRST, SECOND, SCALE, BIAS = _rows(51, 4)
LX, LY, LZ = _rows(55, 3)  # towards a light
ROWS = 58
# Rows of `q`, three each: one per colour channel.
F0, RECEIVED, SHINE, COLOR = _rows(0, 4, 3)
CHANNEL_ROWS = 12


@kernel
def run_end(image, start, end):
    """Where the run of points of one image that begins at start ends."""
    stop = start
    while stop < end and image[stop] == image[start]:
        stop += 1
    return stop


@kernel
def load(s, q, first, n, position, normal, tangent, sign, bump, specular, roughness, occlusion):
    """Points first..first+n into the rows."""
    last = specular.shape[1] - 1
    for i in range(n):
        p = first + i
        for c in range(3):
            s[PX + c * BLOCK + i] = position[p, c]
            s[SX + c * BLOCK + i] = normal[p, c]
        q[F0 + i] = specular[p, 0]
        q[F0 + BLOCK + i] = specular[p, min(1, last)]
        q[F0 + 2 * BLOCK + i] = specular[p, last]
        s[ROUGH + i] = roughness[p]
        s[SEEN + i] = 1.0
    if occlusion.shape[0] > 0:
        for i in range(n):
            s[SEEN + i] = occlusion[first + i]
    if bump.shape[0] > 0:
        for i in range(n):
            p = first + i
            s[SIGN + i] = sign[p]
            for c in range(3):
                s[TX + c * BLOCK + i] = tangent[p, c]
                s[MX + c * BLOCK + i] = bump[p, c]


@kernel
def frame(s, n, bumpy, ex, ey, ez):
    """Unit vectors, N.V, roughness terms; (ex, ey, ez) is the eye."""
    for i in range(n):
        x, y, z = s[SX + i], s[SY + i], s[SZ + i]
        inverse = 1.0 / max(np.sqrt(x * x + y * y + z * z), TINY)
        x, y, z = x * inverse, y * inverse, z * inverse
        s[INV_S + i] = inverse
        s[SX + i], s[SY + i], s[SZ + i] = x, y, z
        s[NX + i], s[NY + i], s[NZ + i] = x, y, z
    if bumpy:
        for i in range(n):
            x, y, z = s[SX + i], s[SY + i], s[SZ + i]
            tx, ty, tz = s[TX + i], s[TY + i], s[TZ + i]
            along = tx * x + ty * y + tz * z
            tx, ty, tz = tx - along * x, ty - along * y, tz - along * z
            inverse = 1.0 / max(np.sqrt(tx * tx + ty * ty + tz * tz), TINY)
            tx, ty, tz = tx * inverse, ty * inverse, tz * inverse
            s[UX + i], s[UY + i], s[UZ + i] = tx, ty, tz
            s[INV_T + i], s[ALONG + i] = inverse, along
            a, b, c = s[MX + i], s[MY + i] * s[SIGN + i], s[MZ + i]
            nx = a * tx + b * (y * tz - z * ty) + c * x
            ny = a * ty + b * (z * tx - x * tz) + c * y
            nz = a * tz + b * (x * ty - y * tx) + c * z
            inverse = 1.0 / max(np.sqrt(nx * nx + ny * ny + nz * nz), TINY)
            s[NX + i], s[NY + i], s[NZ + i] = nx * inverse, ny * inverse, nz * inverse
            s[INV_N + i] = inverse
    for i in range(n):
        x, y, z = ex - s[PX + i], ey - s[PY + i], ez - s[PZ + i]
        inverse = 1.0 / max(np.sqrt(x * x + y * y + z * z), TINY)
        x, y, z = x * inverse, y * inverse, z * inverse
        s[VX + i], s[VY + i], s[VZ + i], s[INV_V + i] = x, y, z, inverse
        n_v = s[NX + i] * x + s[NY + i] * y + s[NZ + i] * z
        nv = max(n_v, MIN_COSINE)
        rough = max(s[ROUGH + i], MIN_ROUGHNESS)
        a2 = rough * rough * rough * rough
        s[N_V + i], s[NV + i], s[A2 + i] = n_v, nv, a2
        s[GV + i] = np.sqrt(nv * nv * (1.0 - a2) + a2)


@kernel
def environment(s, n):
    """SH bases (as in `fitme.render.light`), band factors and the split sum's two terms."""
    for i in range(n):
        x, y, z = s[NX + i], s[NY + i], s[NZ + i]
        s[Y + i] = Y0
        s[Y + BLOCK + i], s[Y + 2 * BLOCK + i], s[Y + 3 * BLOCK + i] = Y1 * y, Y1 * z, Y1 * x
        s[Y + 4 * BLOCK + i], s[Y + 5 * BLOCK + i] = Y2 * x * y, Y2 * y * z
        s[Y + 6 * BLOCK + i] = Y2_0 * (3.0 * z * z - 1.0)
        s[Y + 7 * BLOCK + i], s[Y + 8 * BLOCK + i] = Y2 * x * z, Y2_2 * (x * x - y * y)
        t = 2.0 * s[N_V + i]
        x, y, z = t * x - s[VX + i], t * y - s[VY + i], t * z - s[VZ + i]
        s[YR + i] = Y0
        s[YR + BLOCK + i], s[YR + 2 * BLOCK + i], s[YR + 3 * BLOCK + i] = Y1 * y, Y1 * z, Y1 * x
        s[YR + 4 * BLOCK + i], s[YR + 5 * BLOCK + i] = Y2 * x * y, Y2 * y * z
        s[YR + 6 * BLOCK + i] = Y2_0 * (3.0 * z * z - 1.0)
        s[YR + 7 * BLOCK + i], s[YR + 8 * BLOCK + i] = Y2 * x * z, Y2_2 * (x * x - y * y)
    for i in range(n):
        x = s[NV + i]
        r = min(max(s[ROUGH + i], MIN_ROUGHNESS), 1.0)
        s[FIRST + i] = 1.0 - r * r * (BAND_1[0] + r * (BAND_1[1] + r * (BAND_1[2] + r * BAND_1[3])))
        s[SECOND + i] = 1.0 - r * r * (
            BAND_2[0] + r * (BAND_2[1] + r * (BAND_2[2] + r * BAND_2[3]))
        )
        scale = S3[0] + r * (S3[1] + r * S3[2])
        scale = scale * x + (S2[0] + r * (S2[1] + r * S2[2]))
        scale = scale * x + (S1[0] + r * (S1[1] + r * S1[2]))
        s[SCALE + i] = scale * x + (S0[0] + r * (S0[1] + r * S0[2]))
        miss = (1.0 - x) * (1.0 - x)
        bias = (B1[0] + r * (B1[1] + r * B1[2])) * x + (B0[0] + r * (B0[1] + r * B0[2]))
        s[BIAS + i] = bias * miss * miss


@kernel
def ambient(s, q, n, sh):
    """Radiance from the sky into RECEIVED and SHINE."""
    for c in range(3):
        k0, k1, k2, k3 = sh[0, c], sh[1, c], sh[2, c], sh[3, c]
        k4, k5, k6, k7, k8 = sh[4, c], sh[5, c], sh[6, c], sh[7, c], sh[8, c]
        for i in range(n):
            one = k1 * s[Y + BLOCK + i] + k2 * s[Y + 2 * BLOCK + i] + k3 * s[Y + 3 * BLOCK + i]
            two = (
                k4 * s[Y + 4 * BLOCK + i]
                + k5 * s[Y + 5 * BLOCK + i]
                + k6 * s[Y + 6 * BLOCK + i]
                + k7 * s[Y + 7 * BLOCK + i]
                + k8 * s[Y + 8 * BLOCK + i]
            )
            light = k0 * s[Y + i] + COSINE_1 * one + COSINE_2 * two
            q[RECEIVED + c * BLOCK + i] = max(light, 0.0) * s[SEEN + i]
        for i in range(n):
            one = k1 * s[YR + BLOCK + i] + k2 * s[YR + 2 * BLOCK + i] + k3 * s[YR + 3 * BLOCK + i]
            two = (
                k4 * s[YR + 4 * BLOCK + i]
                + k5 * s[YR + 5 * BLOCK + i]
                + k6 * s[YR + 6 * BLOCK + i]
                + k7 * s[YR + 7 * BLOCK + i]
                + k8 * s[YR + 8 * BLOCK + i]
            )
            light = max(k0 * s[YR + i] + s[FIRST + i] * one + s[SECOND + i] * two, 0.0)
            through = q[F0 + c * BLOCK + i] * s[SCALE + i] + s[BIAS + i]
            q[SHINE + c * BLOCK + i] = light * s[SEEN + i] * through


@kernel
def set_light(s, q, n, is_point, where, color):
    """The rows LX.. (unit, towards the light) and COLOR of one light; where, color [3]."""
    for c in range(3):
        value = color[c]
        for i in range(n):
            q[COLOR + c * BLOCK + i] = value
    x, y, z = where[0], where[1], where[2]
    if not is_point:
        for i in range(n):
            s[LX + i], s[LY + i], s[LZ + i] = x, y, z
        return
    for i in range(n):
        lx, ly, lz = x - s[PX + i], y - s[PY + i], z - s[PZ + i]
        inverse = 1.0 / max(np.sqrt(lx * lx + ly * ly + lz * lz), TINY)
        s[LX + i], s[LY + i], s[LZ + i] = lx * inverse, ly * inverse, lz * inverse
        fade = inverse * inverse
        q[COLOR + i] *= fade
        q[COLOR + BLOCK + i] *= fade
        q[COLOR + 2 * BLOCK + i] *= fade


@kernel
def add_light(s, q, n):
    """The light in LX.., COLOR onto RECEIVED and SHINE."""
    for i in range(n):
        nl = max(s[NX + i] * s[LX + i] + s[NY + i] * s[LY + i] + s[NZ + i] * s[LZ + i], 0.0)
        v_l = s[VX + i] * s[LX + i] + s[VY + i] * s[LY + i] + s[VZ + i] * s[LZ + i]
        length = np.sqrt(max(2.0 + 2.0 * v_l, TINY))
        nh = (s[N_V + i] + nl) / length
        a2 = s[A2 + i]
        f = nh * nh * (a2 - 1.0) + 1.0
        gl = np.sqrt(nl * nl * (1.0 - a2) + a2)
        base = 0.5 * a2 * nl / (f * f * (nl * s[GV + i] + s[NV + i] * gl))
        miss = 1.0 - 0.5 * length
        p5 = miss * miss * miss * miss * miss
        r, g, b = q[COLOR + i], q[COLOR + BLOCK + i], q[COLOR + 2 * BLOCK + i]
        q[RECEIVED + i] += r * nl
        q[RECEIVED + BLOCK + i] += g * nl
        q[RECEIVED + 2 * BLOCK + i] += b * nl
        q[SHINE + i] += r * base * (q[F0 + i] * (1.0 - p5) + p5)
        q[SHINE + BLOCK + i] += g * base * (q[F0 + BLOCK + i] * (1.0 - p5) + p5)
        q[SHINE + 2 * BLOCK + i] += b * base * (q[F0 + 2 * BLOCK + i] * (1.0 - p5) + p5)


@kernel
def shade(
    chunk,
    start,
    end,
    position,
    normal,
    tangent,
    sign,
    bump,
    albedo,
    specular,
    roughness,
    occlusion,
    image,
    eye,
    sh,
    directions,
    colors,
    points,
    intensities,
    out_diffuse,
    out_specular,
    out_normal,
):
    """Points start..end -> three [N,3]."""
    s, q = np.zeros(ROWS * BLOCK), np.zeros(CHANNEL_ROWS * BLOCK)
    bumpy = bump.shape[0] > 0
    while start < end:
        stop, b = run_end(image, start, end), image[start]
        sky = sh[b]
        for first in range(start, stop, BLOCK):
            n = min(BLOCK, stop - first)
            load(
                s,
                q,
                first,
                n,
                position,
                normal,
                tangent,
                sign,
                bump,
                specular,
                roughness,
                occlusion,
            )
            frame(s, n, bumpy, eye[b, 0], eye[b, 1], eye[b, 2])
            environment(s, n)
            ambient(s, q, n, sky)
            for k in range(directions.shape[1]):
                set_light(s, q, n, False, directions[b, k], colors[b, k])
                add_light(s, q, n)
            for k in range(points.shape[1]):
                set_light(s, q, n, True, points[b, k], intensities[b, k])
                add_light(s, q, n)
            for i in range(n):
                for c in range(3):
                    out_diffuse[first + i, c] = albedo[first + i, c] * q[RECEIVED + c * BLOCK + i]
                    out_specular[first + i, c] = q[SHINE + c * BLOCK + i]
                    out_normal[first + i, c] = s[NX + c * BLOCK + i]
        start = stop
