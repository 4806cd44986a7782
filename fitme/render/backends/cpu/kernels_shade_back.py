"""The backward pass of `kernels_shade.shade`: same arrays, same blocks, everything is
recomputed. A row named G_x holds the gradient of x."""

from __future__ import annotations

import numpy as np

from fitme.render.backends.cpu import kernels_shade as fore
from fitme.render.backends.cpu.compile import kernel
from fitme.render.backends.cpu.kernels_shade import (
    A2,
    ALONG,
    B0,
    B1,
    BAND_1,
    BAND_2,
    BIAS,
    BLOCK,
    COLOR,
    COSINE_1,
    COSINE_2,
    F0,
    FIRST,
    GV,
    INV_N,
    INV_S,
    INV_T,
    INV_V,
    LX,
    LY,
    LZ,
    MIN_COSINE,
    MIN_ROUGHNESS,
    MX,
    MY,
    MZ,
    N_V,
    NV,
    NX,
    NY,
    NZ,
    PX,
    PY,
    PZ,
    RECEIVED,
    ROUGH,
    S0,
    S1,
    S2,
    S3,
    SCALE,
    SECOND,
    SEEN,
    SIGN,
    SX,
    SY,
    SZ,
    TINY,
    TX,
    TY,
    TZ,
    UX,
    UY,
    UZ,
    VX,
    VY,
    VZ,
    YR,
    Y,
    _rows,
)
from fitme.render.light import Y1, Y2, Y2_0, Y2_2

ROWS = fore.ROWS
G_NX, G_NY, G_NZ, G_VX, G_VY, G_VZ, G_N_V, G_NV, G_GV, G_A2 = _rows(ROWS, 10)
G_ROUGH, G_SEEN, G_SCALE, G_BIAS, G_PX, G_PY, G_PZ = _rows(ROWS + 10, 7)
G_RX, G_RY, G_RZ = _rows(ROWS + 17, 3)  # the direction a basis is taken at
G_LX, G_LY, G_LZ = _rows(ROWS + 20, 3)
G_T, G_M = _rows(ROWS + 23, 2, 3)  # tangent and map, 3 rows each
ALL_ROWS = ROWS + 29
# channels; G_SKY and G_LIGHT are those of the mirrored and of the diffuse radiance
G_RECEIVED, G_SHINE, G_F0, G_SKY, G_LIGHT, G_COLOR = _rows(fore.CHANNEL_ROWS, 6, 3)
ALL_CHANNEL_ROWS = fore.CHANNEL_ROWS + 18

environment, frame, load, run_end = fore.environment, fore.frame, fore.load, fore.run_end
set_light = fore.set_light


@kernel
def clear(s, first, count):
    """Zero `count` rows from the one at offset `first` on."""
    for i in range(first, first + count * BLOCK):
        s[i] = 0.0


@kernel
def row_sum(s, row, n):
    total = 0.0
    for i in range(n):
        total += s[row + i]
    return total


@kernel
def ambient_backward(s, q, n, sh):
    """Through the sky's light: sets G_SKY (mirrored) and G_LIGHT (diffuse), RECEIVED and the
    gradients of F0, SCALE, BIAS, SEEN and of the band factors."""
    for c in range(3):
        k0, k1, k2, k3 = sh[0, c], sh[1, c], sh[2, c], sh[3, c]
        k4, k5, k6, k7, k8 = sh[4, c], sh[5, c], sh[6, c], sh[7, c], sh[8, c]
        for i in range(n):
            one = k1 * s[YR + BLOCK + i] + k2 * s[YR + 2 * BLOCK + i] + k3 * s[YR + 3 * BLOCK + i]
            two = (
                k4 * s[YR + 4 * BLOCK + i]
                + k5 * s[YR + 5 * BLOCK + i]
                + k6 * s[YR + 6 * BLOCK + i]
                + k7 * s[YR + 7 * BLOCK + i]
                + k8 * s[YR + 8 * BLOCK + i]
            )
            raw = k0 * s[YR + i] + s[FIRST + i] * one + s[SECOND + i] * two
            light = max(raw, 0.0)
            through = q[F0 + c * BLOCK + i] * s[SCALE + i] + s[BIAS + i]
            share = q[G_SHINE + c * BLOCK + i] * light
            s[G_SEEN + i] += share * through
            share *= s[SEEN + i]
            q[G_F0 + c * BLOCK + i] = share * s[SCALE + i]
            s[G_SCALE + i] += share * q[F0 + c * BLOCK + i]
            s[G_BIAS + i] += share
            g = q[G_SHINE + c * BLOCK + i] * s[SEEN + i] * through if raw > 0.0 else 0.0
            q[G_SKY + c * BLOCK + i] = g
            r = min(max(s[ROUGH + i], MIN_ROUGHNESS), 1.0)
            slope_1 = BAND_1[1] + r * (4.0 / 3.0 * BAND_1[2] + r * 5.0 / 3.0 * BAND_1[3])
            slope_2 = BAND_2[1] + r * (4.0 / 3.0 * BAND_2[2] + r * 5.0 / 3.0 * BAND_2[3])
            slope_1 = -r * (2.0 * BAND_1[0] + 3.0 * r * slope_1)
            slope_2 = -r * (2.0 * BAND_2[0] + 3.0 * r * slope_2)
            s[G_ROUGH + i] += g * (slope_1 * one + slope_2 * two)
        for i in range(n):
            one = k1 * s[Y + BLOCK + i] + k2 * s[Y + 2 * BLOCK + i] + k3 * s[Y + 3 * BLOCK + i]
            two = (
                k4 * s[Y + 4 * BLOCK + i]
                + k5 * s[Y + 5 * BLOCK + i]
                + k6 * s[Y + 6 * BLOCK + i]
                + k7 * s[Y + 7 * BLOCK + i]
                + k8 * s[Y + 8 * BLOCK + i]
            )
            raw = k0 * s[Y + i] + COSINE_1 * one + COSINE_2 * two
            light = max(raw, 0.0)
            q[RECEIVED + c * BLOCK + i] = light * s[SEEN + i]
            s[G_SEEN + i] += q[G_RECEIVED + c * BLOCK + i] * light
            q[G_LIGHT + c * BLOCK + i] = (
                q[G_RECEIVED + c * BLOCK + i] * s[SEEN + i] if raw > 0.0 else 0.0
            )
    for i in range(n):
        x = s[NV + i]
        r = min(max(s[ROUGH + i], MIN_ROUGHNESS), 1.0)
        r0, r1 = S0[1] + 2.0 * r * S0[2], S1[1] + 2.0 * r * S1[2]
        r2, r3 = S2[1] + 2.0 * r * S2[2], S3[1] + 2.0 * r * S3[2]
        c1, c2 = S1[0] + r * (S1[1] + r * S1[2]), S2[0] + r * (S2[1] + r * S2[2])
        c3 = S3[0] + r * (S3[1] + r * S3[2])
        miss = 1.0 - x
        cube = miss * miss * miss
        b1 = B1[0] + r * (B1[1] + r * B1[2])
        bias = b1 * x + (B0[0] + r * (B0[1] + r * B0[2]))
        bias_r = (B1[1] + 2.0 * r * B1[2]) * x + (B0[1] + 2.0 * r * B0[2])
        s[G_NV + i] += s[G_SCALE + i] * (c1 + x * (2.0 * c2 + 3.0 * x * c3))
        s[G_NV + i] += s[G_BIAS + i] * (b1 * miss - 4.0 * bias) * cube
        g = s[G_ROUGH + i] + s[G_SCALE + i] * (r0 + x * (r1 + x * (r2 + x * r3)))
        g += s[G_BIAS + i] * bias_r * cube * miss
        s[G_ROUGH + i] = g if s[ROUGH + i] <= 1.0 else 0.0


@kernel
def basis_backward(s, q, n, sh, grad, mirrored):
    """G_RX.. = gradient of the direction (normal or mirrored view) at which the bases are
    taken; rows grad.. of q hold the gradients of the three channels."""
    clear(s, G_RX, 3)
    for c in range(3):
        k1, k2, k3, k4 = Y1 * sh[1, c], Y1 * sh[2, c], Y1 * sh[3, c], Y2 * sh[4, c]
        k5, k6, k7, k8 = Y2 * sh[5, c], Y2_0 * sh[6, c], Y2 * sh[7, c], Y2_2 * sh[8, c]
        row = grad + c * BLOCK
        for i in range(n):
            x, y, z = s[NX + i], s[NY + i], s[NZ + i]
            t = 2.0 * s[N_V + i]
            x = t * x - s[VX + i] if mirrored else x
            y = t * y - s[VY + i] if mirrored else y
            z = t * z - s[VZ + i] if mirrored else z
            one = (s[FIRST + i] if mirrored else COSINE_1) * q[row + i]
            two = (s[SECOND + i] if mirrored else COSINE_2) * q[row + i]
            s[G_RX + i] += one * k3 + two * (y * k4 + z * k7 + 2.0 * x * k8)
            s[G_RY + i] += one * k1 + two * (x * k4 + z * k5 - 2.0 * y * k8)
            s[G_RZ + i] += one * k2 + two * (y * k5 + x * k7 + 6.0 * z * k6)


@kernel
def sky_sums(s, q, n, g_sh):
    """Add both parts' gradients of the coefficients to g_sh [9,3]."""
    for c in range(3):
        t0, t1, t2, t3, t4, t5, t6, t7, t8 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            g, h = q[G_LIGHT + c * BLOCK + i], q[G_SKY + c * BLOCK + i]
            g1, h1, g2, h2 = g * COSINE_1, h * s[FIRST + i], g * COSINE_2, h * s[SECOND + i]
            t0 += g * s[Y + i] + h * s[YR + i]
            t1 += g1 * s[Y + BLOCK + i] + h1 * s[YR + BLOCK + i]
            t2 += g1 * s[Y + 2 * BLOCK + i] + h1 * s[YR + 2 * BLOCK + i]
            t3 += g1 * s[Y + 3 * BLOCK + i] + h1 * s[YR + 3 * BLOCK + i]
            t4 += g2 * s[Y + 4 * BLOCK + i] + h2 * s[YR + 4 * BLOCK + i]
            t5 += g2 * s[Y + 5 * BLOCK + i] + h2 * s[YR + 5 * BLOCK + i]
            t6 += g2 * s[Y + 6 * BLOCK + i] + h2 * s[YR + 6 * BLOCK + i]
            t7 += g2 * s[Y + 7 * BLOCK + i] + h2 * s[YR + 7 * BLOCK + i]
            t8 += g2 * s[Y + 8 * BLOCK + i] + h2 * s[YR + 8 * BLOCK + i]
        g_sh[0, c] += t0
        g_sh[1, c] += t1
        g_sh[2, c] += t2
        g_sh[3, c] += t3
        g_sh[4, c] += t4
        g_sh[5, c] += t5
        g_sh[6, c] += t6
        g_sh[7, c] += t7
        g_sh[8, c] += t8


@kernel
def light_backward(s, q, n):
    """Transpose of `add_light` (and RECEIVED as there); sets G_LX.. and G_COLOR."""
    for i in range(n):
        lx, ly, lz = s[LX + i], s[LY + i], s[LZ + i]
        r, g, b = q[COLOR + i], q[COLOR + BLOCK + i], q[COLOR + 2 * BLOCK + i]
        raw = s[NX + i] * lx + s[NY + i] * ly + s[NZ + i] * lz
        nl = max(raw, 0.0)
        v_l = s[VX + i] * lx + s[VY + i] * ly + s[VZ + i] * lz
        length = np.sqrt(max(2.0 + 2.0 * v_l, TINY))
        inverse = 1.0 / length
        nh = (s[N_V + i] + nl) * inverse
        a2, nv, gv = s[A2 + i], s[NV + i], s[GV + i]
        f = nh * nh * (a2 - 1.0) + 1.0
        gl = np.sqrt(nl * nl * (1.0 - a2) + a2)
        over_gl, over_f, over_den = 1.0 / gl, 1.0 / f, 1.0 / (nl * gv + nv * gl)
        d, v = a2 * over_f * over_f, 0.5 * over_den
        base = d * v * nl
        miss = 1.0 - 0.5 * length
        p4 = miss * miss * miss * miss
        p5 = p4 * miss
        q[RECEIVED + i] += r * nl
        q[RECEIVED + BLOCK + i] += g * nl
        q[RECEIVED + 2 * BLOCK + i] += b * nl
        f_r = q[F0 + i] * (1.0 - p5) + p5
        f_g = q[F0 + BLOCK + i] * (1.0 - p5) + p5
        f_b = q[F0 + 2 * BLOCK + i] * (1.0 - p5) + p5
        g_r = q[G_RECEIVED + i] * nl + q[G_SHINE + i] * base * f_r
        g_g = q[G_RECEIVED + BLOCK + i] * nl + q[G_SHINE + BLOCK + i] * base * f_g
        g_b = q[G_RECEIVED + 2 * BLOCK + i] * nl + q[G_SHINE + 2 * BLOCK + i] * base * f_b
        r_s, g_s, b_s = (
            q[G_SHINE + i] * r,
            q[G_SHINE + BLOCK + i] * g,
            q[G_SHINE + 2 * BLOCK + i] * b,
        )
        g_base = r_s * f_r + g_s * f_g + b_s * f_b
        g_p5 = base * (
            r_s * (1.0 - q[F0 + i])
            + g_s * (1.0 - q[F0 + BLOCK + i])
            + b_s * (1.0 - q[F0 + 2 * BLOCK + i])
        )
        q[G_F0 + i] += r_s * base * (1.0 - p5)
        q[G_F0 + BLOCK + i] += g_s * base * (1.0 - p5)
        q[G_F0 + 2 * BLOCK + i] += b_s * base * (1.0 - p5)
        g_nl = (
            q[G_RECEIVED + i] * r
            + q[G_RECEIVED + BLOCK + i] * g
            + q[G_RECEIVED + 2 * BLOCK + i] * b
        )
        g_den = -g_base * base * over_den
        g_nl += g_base * d * v + g_den * (gv + nv * nl * (1.0 - a2) * over_gl)
        g_d = g_base * v * nl
        g_f = -2.0 * g_d * d * over_f
        s[G_A2 + i] += (
            g_d * over_f * over_f + g_f * nh * nh + 0.5 * g_den * nv * (1.0 - nl * nl) * over_gl
        )
        g_n_v = g_f * 2.0 * nh * (a2 - 1.0) * inverse
        g_v_l = (-g_n_v * nh - 2.5 * g_p5 * p4) * inverse
        g_nl = g_nl + g_n_v if raw > 0.0 else 0.0
        s[G_N_V + i] += g_n_v
        s[G_NV + i] += g_den * gl
        s[G_GV + i] += g_den * nl
        s[G_NX + i] += g_nl * lx
        s[G_NY + i] += g_nl * ly
        s[G_NZ + i] += g_nl * lz
        s[G_VX + i] += g_v_l * lx
        s[G_VY + i] += g_v_l * ly
        s[G_VZ + i] += g_v_l * lz
        s[G_LX + i] = g_nl * s[NX + i] + g_v_l * s[VX + i]
        s[G_LY + i] = g_nl * s[NY + i] + g_v_l * s[VY + i]
        s[G_LZ + i] = g_nl * s[NZ + i] + g_v_l * s[VZ + i]
        q[G_COLOR + i], q[G_COLOR + BLOCK + i], q[G_COLOR + 2 * BLOCK + i] = g_r, g_g, g_b


@kernel
def point_backward(s, q, n, where, power):
    """From G_LX.., G_COLOR of a point light to those of its position and intensity, in place;
    the surface gets the opposite."""
    x, y, z = where[0], where[1], where[2]
    red, green, blue = power[0], power[1], power[2]
    for i in range(n):
        dx, dy, dz = x - s[PX + i], y - s[PY + i], z - s[PZ + i]
        inverse = 1.0 / max(np.sqrt(dx * dx + dy * dy + dz * dz), TINY)
        fade = inverse * inverse
        r, g, b = q[G_COLOR + i], q[G_COLOR + BLOCK + i], q[G_COLOR + 2 * BLOCK + i]
        r, g, b = r * fade, g * fade, b * fade
        q[G_COLOR + i], q[G_COLOR + BLOCK + i], q[G_COLOR + 2 * BLOCK + i] = r, g, b
        lx, ly, lz = s[LX + i], s[LY + i], s[LZ + i]
        gx, gy, gz = s[G_LX + i], s[G_LY + i], s[G_LZ + i]
        # the direction is normalised; the colour falls with the squared distance
        along = lx * gx + ly * gy + lz * gz + 2.0 * (r * red + g * green + b * blue)
        gx, gy, gz = gx - lx * along, gy - ly * along, gz - lz * along
        gx, gy, gz = gx * inverse, gy * inverse, gz * inverse
        s[G_LX + i], s[G_LY + i], s[G_LZ + i] = gx, gy, gz
        s[G_PX + i] -= gx
        s[G_PY + i] -= gy
        s[G_PZ + i] -= gz


@kernel
def view_backward(s, n):
    """The scalars N.V, gv, a2 and the view vector: completes G_NX.., G_ROUGH and G_PX..; leaves
    the eye's gradient in G_VX.. ."""
    for i in range(n):
        nv, a2, gv = s[NV + i], s[A2 + i], s[GV + i]
        g_nv = s[G_NV + i] + s[G_GV + i] * nv * (1.0 - a2) / gv
        g_a2 = s[G_A2 + i] + s[G_GV + i] * (1.0 - nv * nv) / (2.0 * gv)
        g_n_v = s[G_N_V + i] + (g_nv if s[N_V + i] > MIN_COSINE else 0.0)
        rough = s[ROUGH + i]
        g = s[G_ROUGH + i] + g_a2 * 4.0 * rough * rough * rough
        s[G_ROUGH + i] = g if rough > MIN_ROUGHNESS else 0.0
        x, y, z = s[VX + i], s[VY + i], s[VZ + i]
        gx = s[G_VX + i] + g_n_v * s[NX + i]
        gy = s[G_VY + i] + g_n_v * s[NY + i]
        gz = s[G_VZ + i] + g_n_v * s[NZ + i]
        along = x * gx + y * gy + z * gz
        gx, gy, gz = gx - x * along, gy - y * along, gz - z * along
        inverse = s[INV_V + i]
        gx, gy, gz = gx * inverse, gy * inverse, gz * inverse
        s[G_VX + i], s[G_VY + i], s[G_VZ + i] = gx, gy, gz
        s[G_PX + i] -= gx
        s[G_PY + i] -= gy
        s[G_PZ + i] -= gz
        s[G_NX + i] += g_n_v * x
        s[G_NY + i] += g_n_v * y
        s[G_NZ + i] += g_n_v * z


@kernel
def frame_backward(s, n, bumpy):
    """From the shading normal to the tangent (G_T), the map (G_M) and the smooth normal, which
    replaces G_NX.. ."""
    if bumpy:
        for i in range(n):
            mx, my, mz = s[NX + i], s[NY + i], s[NZ + i]
            gx, gy, gz = s[G_NX + i], s[G_NY + i], s[G_NZ + i]
            along = mx * gx + my * gy + mz * gz
            inverse = s[INV_N + i]
            gx, gy, gz = gx - mx * along, gy - my * along, gz - mz * along
            gx, gy, gz = gx * inverse, gy * inverse, gz * inverse
            x, y, z = s[SX + i], s[SY + i], s[SZ + i]
            tx, ty, tz = s[UX + i], s[UY + i], s[UZ + i]
            a, sign, c = s[MX + i], s[SIGN + i], s[MZ + i]
            q = sign * s[MY + i]
            bx, by, bz = y * tz - z * ty, z * tx - x * tz, x * ty - y * tx
            s[G_M + i] = gx * tx + gy * ty + gz * tz
            s[G_M + BLOCK + i] = sign * (gx * bx + gy * by + gz * bz)
            s[G_M + 2 * BLOCK + i] = gx * x + gy * y + gz * z
            gtx = a * gx + q * (gy * z - gz * y)
            gty = a * gy + q * (gz * x - gx * z)
            gtz = a * gz + q * (gx * y - gy * x)
            gnx = c * gx + q * (ty * gz - tz * gy)
            gny = c * gy + q * (tz * gx - tx * gz)
            gnz = c * gz + q * (tx * gy - ty * gx)
            along = tx * gtx + ty * gty + tz * gtz
            inverse = s[INV_T + i]
            gtx, gty, gtz = gtx - tx * along, gty - ty * along, gtz - tz * along
            gtx, gty, gtz = gtx * inverse, gty * inverse, gtz * inverse
            along = gtx * x + gty * y + gtz * z
            s[G_T + i] = gtx - along * x
            s[G_T + BLOCK + i] = gty - along * y
            s[G_T + 2 * BLOCK + i] = gtz - along * z
            k = s[ALONG + i]
            s[G_NX + i] = gnx - k * gtx - along * s[TX + i]
            s[G_NY + i] = gny - k * gty - along * s[TY + i]
            s[G_NZ + i] = gnz - k * gtz - along * s[TZ + i]
    for i in range(n):
        x, y, z = s[SX + i], s[SY + i], s[SZ + i]
        gx, gy, gz = s[G_NX + i], s[G_NY + i], s[G_NZ + i]
        along = x * gx + y * gy + z * gz
        inverse = s[INV_S + i]
        s[G_NX + i] = (gx - x * along) * inverse
        s[G_NY + i] = (gy - y * along) * inverse
        s[G_NZ + i] = (gz - z * along) * inverse


@kernel
def shade_backward(
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
    grad_diffuse,
    grad_specular,
    grad_normal,
    with_light,
    g_position,
    g_smooth,
    g_tangent,
    g_bump,
    g_albedo,
    g_specular,
    g_roughness,
    g_occlusion,
    g_eye,
    g_sh,
    g_directions,
    g_colors,
    g_points,
    g_intensities,
):
    """Per point the gradients [N,...]; those of eye and light are summed in slice `chunk`."""
    s, q = np.zeros(ALL_ROWS * BLOCK), np.zeros(ALL_CHANNEL_ROWS * BLOCK)
    bumpy, veiled = bump.shape[0] > 0, occlusion.shape[0] > 0
    while start < end:
        stop, b = run_end(image, start, end), image[start]
        sky, g_sky = sh[b], g_sh[chunk, b]
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
            clear(s, G_VX, 14)
            for i in range(n):
                for c in range(3):
                    s[G_NX + c * BLOCK + i] = grad_normal[first + i, c]
                    q[G_SHINE + c * BLOCK + i] = grad_specular[first + i, c]
                    q[G_RECEIVED + c * BLOCK + i] = (
                        grad_diffuse[first + i, c] * albedo[first + i, c]
                    )
            ambient_backward(s, q, n, sky)
            if with_light:
                sky_sums(s, q, n, g_sky)
            basis_backward(s, q, n, sky, G_LIGHT, False)
            for i in range(n):
                s[G_NX + i] += s[G_RX + i]
                s[G_NY + i] += s[G_RY + i]
                s[G_NZ + i] += s[G_RZ + i]
            basis_backward(s, q, n, sky, G_SKY, True)
            for i in range(n):  # the mirrored view is 2 (N.V) N - V
                gx, gy, gz = s[G_RX + i], s[G_RY + i], s[G_RZ + i]
                s[G_N_V + i] += 2.0 * (gx * s[NX + i] + gy * s[NY + i] + gz * s[NZ + i])
                t = 2.0 * s[N_V + i]
                s[G_NX + i] += t * gx
                s[G_NY + i] += t * gy
                s[G_NZ + i] += t * gz
                s[G_VX + i] -= gx
                s[G_VY + i] -= gy
                s[G_VZ + i] -= gz

            for k in range(directions.shape[1]):
                set_light(s, q, n, False, directions[b, k], colors[b, k])
                light_backward(s, q, n)
                for c in range(3):
                    g_directions[chunk, b, k, c] += row_sum(s, G_LX + c * BLOCK, n)
                    g_colors[chunk, b, k, c] += row_sum(q, G_COLOR + c * BLOCK, n)
            for k in range(points.shape[1]):
                set_light(s, q, n, True, points[b, k], intensities[b, k])
                light_backward(s, q, n)
                point_backward(s, q, n, points[b, k], intensities[b, k])
                for c in range(3):
                    g_points[chunk, b, k, c] += row_sum(s, G_LX + c * BLOCK, n)
                    g_intensities[chunk, b, k, c] += row_sum(q, G_COLOR + c * BLOCK, n)

            view_backward(s, n)
            frame_backward(s, n, bumpy)
            for c in range(3):
                g_eye[chunk, b, c] += row_sum(s, G_VX + c * BLOCK, n)
            for i in range(n):
                p = first + i
                for c in range(3):
                    g_albedo[p, c] = grad_diffuse[p, c] * q[RECEIVED + c * BLOCK + i]
                    g_position[p, c] = s[G_PX + c * BLOCK + i]
                    g_smooth[p, c] = s[G_NX + c * BLOCK + i]
                g_roughness[p] = s[G_ROUGH + i]
            if bumpy:
                for i in range(n):
                    for c in range(3):
                        g_tangent[first + i, c] = s[G_T + c * BLOCK + i]
                        g_bump[first + i, c] = s[G_M + c * BLOCK + i]
            if veiled:
                for i in range(n):
                    g_occlusion[first + i] = s[G_SEEN + i]
            if specular.shape[1] == 1:
                for i in range(n):
                    g_specular[first + i, 0] = (
                        q[G_F0 + i] + q[G_F0 + BLOCK + i] + q[G_F0 + 2 * BLOCK + i]
                    )
            else:
                for i in range(n):
                    for c in range(3):
                        g_specular[first + i, c] = q[G_F0 + c * BLOCK + i]
        start = stop
