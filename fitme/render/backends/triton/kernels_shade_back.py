"""The backward pass of `kernels_shade.shade` in one Triton kernel; everything is computed again.
A name g_x is the gradient of x. The twin of `kernels_shade_back` of the CPU backend."""

from __future__ import annotations

import triton
import triton.language as tl

from fitme.render.backends.triton.kernels_shade import (
    B00,
    B01,
    B02,
    B10,
    B11,
    B12,
    COSINE_1,
    COSINE_2,
    EYE,
    LIGHTS,
    MIN_COSINE,
    MIN_ROUGHNESS,
    P0,
    P1,
    P2,
    P3,
    Q0,
    Q1,
    Q2,
    Q3,
    S01,
    S02,
    S10,
    S11,
    S12,
    S20,
    S21,
    S22,
    S30,
    S31,
    S32,
    SKY,
    TINY,
    Y0,
    Y1,
    Y2,
    Y2_0,
    Y2_2,
    band_factors,
    bump_normal,
    load_f0,
    load_light,
    load_vector,
    sky_bands,
    split_sum,
    store_vector,
    unit,
)


@triton.jit
def _tangential(x, y, z, gx, gy, gz, inverse):
    """From the gradient of a unit vector to that of the vector before, 1 / inverse long."""
    along = x * gx + y * gy + z * gz
    return (gx - x * along) * inverse, (gy - y * along) * inverse, (gz - z * along) * inverse


@triton.jit
def _add_up(sums, place, mask, value):
    """The program's sum of its points' contributions to number `place` of a row of `scene`."""
    tl.store(sums + place, tl.sum(tl.where(mask, value, 0.0), axis=0))


@triton.jit
def _basis_slope(scene, at, x, y, z, g_one, g_two):
    """Gradient of the direction from those of the first and second band."""
    k1 = tl.load(scene + at + 3).to(tl.float64)
    k2 = tl.load(scene + at + 6).to(tl.float64)
    k3 = tl.load(scene + at + 9).to(tl.float64)
    k4 = tl.load(scene + at + 12).to(tl.float64)
    k5 = tl.load(scene + at + 15).to(tl.float64)
    k6 = tl.load(scene + at + 18).to(tl.float64)
    k7 = tl.load(scene + at + 21).to(tl.float64)
    k8 = tl.load(scene + at + 24).to(tl.float64)
    gx = Y1 * k3 * g_one + (Y2 * (k4 * y + k7 * z) + 2.0 * Y2_2 * k8 * x) * g_two
    gy = Y1 * k1 * g_one + (Y2 * (k4 * x + k5 * z) - 2.0 * Y2_2 * k8 * y) * g_two
    gz = Y1 * k2 * g_one + (Y2 * (k5 * y + k7 * x) + 6.0 * Y2_0 * k6 * z) * g_two
    return gx, gy, gz


@triton.jit
def _add_up_sky(sums, place, mask, g, h, c1, c2, x, y, z, rx, ry, rz, f1, f2):
    """The gradients of the nine coefficients of a color: g of the diffuse radiance with factors
    c1, c2 of the bands in direction x, y, z, h of the mirrored one with f1, f2 in rx, ry, rz."""
    g1, g2, h1, h2 = g * c1, g * c2, h * f1, h * f2
    _add_up(sums, place, mask, Y0 * (g + h))
    _add_up(sums, place + 3, mask, Y1 * (g1 * y + h1 * ry))
    _add_up(sums, place + 6, mask, Y1 * (g1 * z + h1 * rz))
    _add_up(sums, place + 9, mask, Y1 * (g1 * x + h1 * rx))
    _add_up(sums, place + 12, mask, Y2 * (g2 * x * y + h2 * rx * ry))
    _add_up(sums, place + 15, mask, Y2 * (g2 * y * z + h2 * ry * rz))
    value = g2 * (3.0 * z * z - 1.0) + h2 * (3.0 * rz * rz - 1.0)
    _add_up(sums, place + 18, mask, Y2_0 * value)
    _add_up(sums, place + 21, mask, Y2 * (g2 * x * z + h2 * rx * rz))
    value = g2 * (x * x - y * y) + h2 * (rx * rx - ry * ry)
    _add_up(sums, place + 24, mask, Y2_2 * value)


@triton.jit
def _ambient_backward(
    scene, sky, nx, ny, nz, rx, ry, rz, first, second, seen, f0, scale, bias, gd, gs
):
    """Of one color: the radiance received, the gradients of what F0 is times, of seen, scale and
    bias; of the raw diffuse and mirrored radiance (g, h), and the bands of the latter."""
    zero, one, two = sky_bands(scene, sky, nx, ny, nz)
    raw = zero + COSINE_1 * one + COSINE_2 * two
    light = tl.maximum(raw, 0.0)
    received = light * seen
    g_seen = gd * light
    g = tl.where(raw > 0.0, gd * seen, 0.0)
    zero, one, two = sky_bands(scene, sky, rx, ry, rz)
    raw = zero + first * one + second * two
    light = tl.maximum(raw, 0.0)
    through = f0 * scale + bias
    g_seen += gs * light * through
    g_bias = gs * light * seen
    h = tl.where(raw > 0.0, gs * seen * through, 0.0)
    return received, g_bias, g_seen, g, h, one, two


@triton.jit(do_not_specialize=["count", "row", "directional", "lights"])
def shade_backward(
    position, normal, tangent, sign, bump, albedo, specular, roughness, occlusion, image, scene,
    grad_diffuse, grad_specular, grad_normal,
    g_position, g_smooth, g_tangent, g_bump, g_albedo, g_specular, g_roughness, g_occlusion, sums,
    count, row, directional, lights,
    BUMPY: tl.constexpr, VEILED: tl.constexpr, SPECULAR: tl.constexpr, WITH_LIGHT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Per point the gradients [N,...] and, WITH_LIGHT, sums [blocks,images,row] of those
    of `scene` over the points of each program."""
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    own = tl.program_id(1)
    mask = p < count
    mask = mask & (tl.load(image + p, mask=mask, other=-1) == own)
    at = own * row
    sums += (tl.program_id(0).to(tl.int64) * tl.num_programs(1) + own) * row
    px, py, pz = load_vector(position, p, mask)
    sx, sy, sz = load_vector(normal, p, mask)
    sx, sy, sz, inverse_s = unit(sx, sy, sz)
    nx, ny, nz = sx, sy, sz
    if BUMPY:
        nx, ny, nz, inverse_n, ux, uy, uz, inverse_t, tangent_along = bump_normal(
            sx, sy, sz, tangent, sign, bump, p, mask
        )
    ex = tl.load(scene + at + EYE)
    ey = tl.load(scene + at + EYE + 1)
    ez = tl.load(scene + at + EYE + 2)
    vx, vy, vz, inverse_v = unit(ex - px, ey - py, ez - pz)
    n_v = nx * vx + ny * vy + nz * vz
    nv = tl.maximum(n_v, MIN_COSINE)
    told = tl.load(roughness + p, mask=mask, other=1.0).to(tl.float64)
    rough = tl.maximum(told, MIN_ROUGHNESS)
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

    # what comes in, times the albedo where that is a factor
    gs_r, gs_g, gs_b = load_vector(grad_specular, p, mask)
    out_r, out_g, out_b = load_vector(grad_diffuse, p, mask)
    a_r, a_g, a_b = load_vector(albedo, p, mask)
    gd_r, gd_g, gd_b = out_r * a_r, out_g * a_g, out_b * a_b
    g_nx, g_ny, g_nz = load_vector(grad_normal, p, mask)

    # the sky
    sky = at + SKY
    d_r, gb_r, g_seen, g_r, h_r, one_r, two_r = _ambient_backward(
        scene, sky, nx, ny, nz, rx, ry, rz, first, second, seen, f_r, scale, bias, gd_r, gs_r
    )
    d_g, gb_g, more, g_g, h_g, one_g, two_g = _ambient_backward(
        scene,
        sky + 1,
        nx,
        ny,
        nz,
        rx,
        ry,
        rz,
        first,
        second,
        seen,
        f_g,
        scale,
        bias,
        gd_g,
        gs_g,
    )
    g_seen += more
    d_b, gb_b, more, g_b, h_b, one_b, two_b = _ambient_backward(
        scene,
        sky + 2,
        nx,
        ny,
        nz,
        rx,
        ry,
        rz,
        first,
        second,
        seen,
        f_b,
        scale,
        bias,
        gd_b,
        gs_b,
    )
    g_seen += more
    gf_r, gf_g, gf_b = gb_r * scale, gb_g * scale, gb_b * scale
    g_scale = gb_r * f_r + gb_g * f_g + gb_b * f_b
    g_bias = gb_r + gb_g + gb_b
    g_first = h_r * one_r + h_g * one_g + h_b * one_b
    g_second = h_r * two_r + h_g * two_g + h_b * two_b
    r = clamped
    slope_1 = -r * (2.0 * P0 + r * (3.0 * P1 + r * (4.0 * P2 + 5.0 * r * P3)))
    slope_2 = -r * (2.0 * Q0 + r * (3.0 * Q1 + r * (4.0 * Q2 + 5.0 * r * Q3)))
    g_rough = g_first * slope_1 + g_second * slope_2
    # the split sum
    x = nv
    c1, c2 = S10 + r * (S11 + r * S12), S20 + r * (S21 + r * S22)
    c3 = S30 + r * (S31 + r * S32)
    miss = 1.0 - x
    cube = miss * miss * miss
    b1 = B10 + r * (B11 + r * B12)
    bias_0 = b1 * x + (B00 + r * (B01 + r * B02))
    bias_r = (B11 + 2.0 * r * B12) * x + (B01 + 2.0 * r * B02)
    g_nv = (
        g_scale * (c1 + x * (2.0 * c2 + 3.0 * x * c3)) + g_bias * (b1 * miss - 4.0 * bias_0) * cube
    )
    scale_r = (
        S01
        + 2.0 * r * S02
        + x * (S11 + 2.0 * r * S12 + x * (S21 + 2.0 * r * S22 + x * (S31 + 2.0 * r * S32)))
    )
    g_rough += g_scale * scale_r + g_bias * bias_r * cube * miss
    g_rough = tl.where(told <= 1.0, g_rough, 0.0)
    if WITH_LIGHT:
        _add_up_sky(
            sums, SKY, mask, g_r, h_r, COSINE_1, COSINE_2,
            nx, ny, nz, rx, ry, rz, first, second,
        )  # fmt: skip
        _add_up_sky(
            sums, SKY + 1, mask, g_g, h_g, COSINE_1, COSINE_2,
            nx, ny, nz, rx, ry, rz, first, second,
        )  # fmt: skip
        _add_up_sky(
            sums, SKY + 2, mask, g_b, h_b, COSINE_1, COSINE_2,
            nx, ny, nz, rx, ry, rz, first, second,
        )  # fmt: skip
    # the directions at which the bases are taken
    gx, gy, gz = _basis_slope(scene, sky, nx, ny, nz, g_r * COSINE_1, g_r * COSINE_2)
    g_nx, g_ny, g_nz = g_nx + gx, g_ny + gy, g_nz + gz
    gx, gy, gz = _basis_slope(scene, sky + 1, nx, ny, nz, g_g * COSINE_1, g_g * COSINE_2)
    g_nx, g_ny, g_nz = g_nx + gx, g_ny + gy, g_nz + gz
    gx, gy, gz = _basis_slope(scene, sky + 2, nx, ny, nz, g_b * COSINE_1, g_b * COSINE_2)
    g_nx, g_ny, g_nz = g_nx + gx, g_ny + gy, g_nz + gz
    ax, ay, az = _basis_slope(scene, sky, rx, ry, rz, h_r * first, h_r * second)
    bx, by, bz = _basis_slope(scene, sky + 1, rx, ry, rz, h_g * first, h_g * second)
    cx, cy, cz = _basis_slope(scene, sky + 2, rx, ry, rz, h_b * first, h_b * second)
    gx, gy, gz = ax + bx + cx, ay + by + cy, az + bz + cz
    g_n_v = 2.0 * (gx * nx + gy * ny + gz * nz)
    g_nx, g_ny, g_nz = g_nx + t * gx, g_ny + t * gy, g_nz + t * gz
    g_vx, g_vy, g_vz = -gx, -gy, -gz
    g_gv, g_a2 = nx * 0.0, nx * 0.0
    g_px, g_py, g_pz = nx * 0.0, nx * 0.0, nx * 0.0

    for k in range(0, lights):
        is_point = k >= directional
        place = LIGHTS + 6 * k
        lx, ly, lz, cr, cg, cb, inverse_l = load_light(scene, at + place, is_point, px, py, pz)
        raw = nx * lx + ny * ly + nz * lz
        nl = tl.maximum(raw, 0.0)
        length = tl.sqrt(tl.maximum(2.0 + 2.0 * (vx * lx + vy * ly + vz * lz), TINY))
        inverse = 1.0 / length
        nh = (n_v + nl) * inverse
        f = nh * nh * (a2 - 1.0) + 1.0
        gl = tl.sqrt(nl * nl * (1.0 - a2) + a2)
        over_gl, over_f, over_den = 1.0 / gl, 1.0 / f, 1.0 / (nl * gv + nv * gl)
        d, v = a2 * over_f * over_f, 0.5 * over_den
        base = d * v * nl
        far = 1.0 - 0.5 * length
        p4 = far * far * far * far
        p5 = p4 * far
        d_r, d_g, d_b = d_r + cr * nl, d_g + cg * nl, d_b + cb * nl
        k_r, k_g, k_b = f_r * (1.0 - p5) + p5, f_g * (1.0 - p5) + p5, f_b * (1.0 - p5) + p5
        gc_r = gd_r * nl + gs_r * base * k_r
        gc_g = gd_g * nl + gs_g * base * k_g
        gc_b = gd_b * nl + gs_b * base * k_b
        w_r, w_g, w_b = gs_r * cr, gs_g * cg, gs_b * cb
        g_base = w_r * k_r + w_g * k_g + w_b * k_b
        g_p5 = base * (w_r * (1.0 - f_r) + w_g * (1.0 - f_g) + w_b * (1.0 - f_b))
        kept = base * (1.0 - p5)
        gf_r, gf_g, gf_b = gf_r + w_r * kept, gf_g + w_g * kept, gf_b + w_b * kept
        g_nl = gd_r * cr + gd_g * cg + gd_b * cb
        g_den = -g_base * base * over_den
        g_nl += g_base * d * v + g_den * (gv + nv * nl * (1.0 - a2) * over_gl)
        g_d = g_base * v * nl
        # d = a2 / f^2: its slope is 1 / f^2 in a2 and -2 d / f in f
        g_f = -2.0 * g_d * d * over_f
        g_a2 += g_d * over_f * over_f + g_f * nh * nh + 0.5 * g_den * nv * (1.0 - nl * nl) * over_gl
        g_half = g_f * 2.0 * nh * (a2 - 1.0) * inverse
        g_v_l = (-g_half * nh - 2.5 * g_p5 * p4) * inverse
        g_nl = tl.where(raw > 0.0, g_nl + g_half, 0.0)
        g_n_v += g_half
        g_nv += g_den * gl
        g_gv += g_den * nl
        g_nx, g_ny, g_nz = g_nx + g_nl * lx, g_ny + g_nl * ly, g_nz + g_nl * lz
        g_vx, g_vy, g_vz = g_vx + g_v_l * lx, g_vy + g_v_l * ly, g_vz + g_v_l * lz
        gx, gy, gz = g_nl * nx + g_v_l * vx, g_nl * ny + g_v_l * vy, g_nl * nz + g_v_l * vz
        # of a point light: its direction is normalised, its color falls with the distance squared
        along = lx * gx + ly * gy + lz * gz + 2.0 * (gc_r * cr + gc_g * cg + gc_b * cb)
        along = tl.where(is_point, along, 0.0)
        gx, gy, gz = gx - lx * along, gy - ly * along, gz - lz * along
        gx, gy, gz = gx * inverse_l, gy * inverse_l, gz * inverse_l
        g_px = tl.where(is_point, g_px - gx, g_px)
        g_py = tl.where(is_point, g_py - gy, g_py)
        g_pz = tl.where(is_point, g_pz - gz, g_pz)
        if WITH_LIGHT:
            fade = inverse_l * inverse_l
            _add_up(sums, place, mask, gx)
            _add_up(sums, place + 1, mask, gy)
            _add_up(sums, place + 2, mask, gz)
            _add_up(sums, place + 3, mask, gc_r * fade)
            _add_up(sums, place + 4, mask, gc_g * fade)
            _add_up(sums, place + 5, mask, gc_b * fade)

    # N.V, gv, a2 and the view
    g_nv += g_gv * nv * (1.0 - a2) / gv
    g_a2 += g_gv * (1.0 - nv * nv) / (2.0 * gv)
    g_n_v += tl.where(n_v > MIN_COSINE, g_nv, 0.0)
    g_rough += g_a2 * 4.0 * rough * rough * rough
    g_vx, g_vy, g_vz = g_vx + g_n_v * nx, g_vy + g_n_v * ny, g_vz + g_n_v * nz
    gx, gy, gz = _tangential(vx, vy, vz, g_vx, g_vy, g_vz, inverse_v)
    if WITH_LIGHT:
        _add_up(sums, EYE, mask, gx)
        _add_up(sums, EYE + 1, mask, gy)
        _add_up(sums, EYE + 2, mask, gz)
    store_vector(g_position, p, g_px - gx, g_py - gy, g_pz - gz, mask)
    g_nx, g_ny, g_nz = g_nx + g_n_v * vx, g_ny + g_n_v * vy, g_nz + g_n_v * vz

    # from the shading normal to the map, the tangent and the smooth normal
    if BUMPY:
        gx, gy, gz = _tangential(nx, ny, nz, g_nx, g_ny, g_nz, inverse_n)
        a, b, c = load_vector(bump, p, mask)
        hand = tl.load(sign + p, mask=mask, other=0.0).to(tl.float64)
        q = hand * b
        bx, by, bz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
        store_vector(
            g_bump,
            p,
            gx * ux + gy * uy + gz * uz,
            hand * (gx * bx + gy * by + gz * bz),
            gx * sx + gy * sy + gz * sz,
            mask,
        )
        gtx = a * gx + q * (gy * sz - gz * sy)
        gty = a * gy + q * (gz * sx - gx * sz)
        gtz = a * gz + q * (gx * sy - gy * sx)
        g_nx = c * gx + q * (uy * gz - uz * gy)
        g_ny = c * gy + q * (uz * gx - ux * gz)
        g_nz = c * gz + q * (ux * gy - uy * gx)
        gtx, gty, gtz = _tangential(ux, uy, uz, gtx, gty, gtz, inverse_t)
        along = gtx * sx + gty * sy + gtz * sz
        store_vector(g_tangent, p, gtx - along * sx, gty - along * sy, gtz - along * sz, mask)
        tx, ty, tz = load_vector(tangent, p, mask)
        g_nx = g_nx - tangent_along * gtx - along * tx
        g_ny = g_ny - tangent_along * gty - along * ty
        g_nz = g_nz - tangent_along * gtz - along * tz
    g_nx, g_ny, g_nz = _tangential(sx, sy, sz, g_nx, g_ny, g_nz, inverse_s)
    store_vector(g_smooth, p, g_nx, g_ny, g_nz, mask)
    store_vector(g_albedo, p, out_r * d_r, out_g * d_g, out_b * d_b, mask)
    tl.store(g_roughness + p, tl.where(told > MIN_ROUGHNESS, g_rough, 0.0), mask=mask)
    if VEILED:
        tl.store(g_occlusion + p, g_seen, mask=mask)
    if SPECULAR == 1:
        tl.store(g_specular + p, gf_r + gf_g + gf_b, mask=mask)
    else:
        store_vector(g_specular, p, gf_r, gf_g, gf_b, mask)
