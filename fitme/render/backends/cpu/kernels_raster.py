"""Numba kernels of the CPU rasterizer and interpolator. All arrays are C-contiguous.

`clip` is [B*V,4], `tri` [T,3], `rast` [B*H*W,4] = (u, v, z/w, triangle + 1) with the
barycentrics u, v of the triangle's first two corners, as nvdiffrast (Laine et al. 2020,
2011.03277) defines them. A chunk's sums go to its own slice, so no write ever races.
"""

from __future__ import annotations

import numpy as np

from fitme.render.backends.cpu.compile import kernel

MIN_W = 1e-6  # corners at or behind this depth drop the triangle


@kernel
def screen_rows(chunk, start, end, clip, tri, vertices, height, width, screen, rows):
    """Triangle start..end of all B*T: its corners on the screen, and the first and last pixel
    row it may cover (first > last: nothing)."""
    count = tri.shape[0]
    for item in range(start, end):
        base = (item // count) * vertices
        t = item % count
        rows[item, 0] = 1
        rows[item, 1] = 0
        low, high, left, right = 1e30, -1e30, 1e30, -1e30
        ok = True
        for corner in range(3):
            index = base + tri[t, corner]
            w = float(clip[index, 3])
            if not w > MIN_W:
                ok = False
                break
            x = (float(clip[index, 0]) / w * 0.5 + 0.5) * width - 0.5
            y = (float(clip[index, 1]) / w * 0.5 + 0.5) * height - 0.5
            screen[item, 3 * corner] = x
            screen[item, 3 * corner + 1] = y
            screen[item, 3 * corner + 2] = float(clip[index, 2]) / w
            low, high = min(low, y), max(high, y)
            left, right = min(left, x), max(right, x)
        if not ok or high < 0.0 or low > height - 1 or right < 0.0 or left > width - 1:
            continue
        rows[item, 0] = np.int32(np.ceil(max(low, 0.0)))
        rows[item, 1] = np.int32(np.floor(min(high, height - 1.0)))


@kernel
def raster_rows(chunk, start, end, screen, rows, triangles, height, width, depth, ids):
    """The z-buffer of image rows start..end of all B*H. Pixel centres are integers here. An
    edge that passes exactly through a centre counts as inside for both its triangles; depth,
    then the lower index, decides."""
    first = start
    while first < end:
        image = first // height
        last = min(end, (image + 1) * height)
        y0, y1 = first - image * height, last - image * height
        for item in range(image * triangles, (image + 1) * triangles):
            top, bottom = max(rows[item, 0], y0), min(rows[item, 1], y1 - 1)
            if top > bottom:
                continue
            ax, ay, az = screen[item, 0], screen[item, 1], screen[item, 2]
            bx, by, bz = screen[item, 3], screen[item, 4], screen[item, 5]
            cx, cy, cz = screen[item, 6], screen[item, 7], screen[item, 8]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if area == 0.0:
                continue
            x0 = int(np.ceil(max(min(ax, bx, cx), 0.0)))
            x1 = int(np.floor(min(max(ax, bx, cx), width - 1.0)))
            if x0 > x1:
                continue
            sign = 1.0 if area > 0.0 else -1.0
            inverse = 1.0 / area
            sax, say = sign * (by - cy), sign * (cx - bx)
            sbx, sby = sign * (cy - ay), sign * (ax - cx)
            scx, scy = sign * (ay - by), sign * (bx - ax)
            zx = sign * inverse * (sax * az + sbx * bz + scx * cz)
            for y in range(top, bottom + 1):
                ea = sax * (x0 - bx) + say * (y - by)
                eb = sbx * (x0 - cx) + sby * (y - cy)
                ec = scx * (x0 - ax) + scy * (y - ay)
                z0 = sign * inverse * (ea * az + eb * bz + ec * cz)
                row = (image * height + y) * width
                for step in range(x1 - x0 + 1):
                    if ea + step * sax >= 0.0 and eb + step * sbx >= 0.0 and ec + step * scx >= 0.0:
                        z = z0 + step * zx
                        pixel = row + x0 + step
                        if z < depth[pixel] and z >= -1.0 and z <= 1.0:
                            depth[pixel] = z
                            ids[pixel] = item
        first = last


@kernel
def barycentrics(chunk, start, end, ids, clip, tri, vertices, height, width, rast, rast_db):
    """Perspective-correct u, v (and their pixel derivatives) in image rows start..end: with
    q_i = (x_i - px w_i, y_i - py w_i), a_0 = q_1 x q_2 and so on, b_i = a_i / sum(a)."""
    sx, sy = 2.0 / width, 2.0 / height
    for row in range(start, end):
        image = row // height
        base, first = image * vertices, image * tri.shape[0]
        py = (row - image * height + 0.5) * sy - 1.0
        for x in range(width):
            pixel = row * width + x
            if ids[pixel] < 0:
                for k in range(4):
                    rast[pixel, k] = 0
                    rast_db[pixel, k] = 0
                continue
            t = ids[pixel] - first
            px = (x + 0.5) * sx - 1.0
            i0, i1, i2 = base + tri[t, 0], base + tri[t, 1], base + tri[t, 2]
            w0, w1, w2 = float(clip[i0, 3]), float(clip[i1, 3]), float(clip[i2, 3])
            x0, y0 = clip[i0, 0] - px * w0, clip[i0, 1] - py * w0
            x1, y1 = clip[i1, 0] - px * w1, clip[i1, 1] - py * w1
            x2, y2 = clip[i2, 0] - px * w2, clip[i2, 1] - py * w2
            a0 = x1 * y2 - y1 * x2
            a1 = x2 * y0 - y2 * x0
            a2 = x0 * y1 - y0 * x1
            scale = 1.0 / (a0 + a1 + a2)
            u, v = a0 * scale, a1 * scale
            rast[pixel, 0] = min(max(u, 0.0), 1.0)
            rast[pixel, 1] = min(max(v, 0.0), 1.0)
            rast[pixel, 2] = (u * clip[i0, 2] + v * clip[i1, 2] + (1.0 - u - v) * clip[i2, 2]) / (
                u * w0 + v * w1 + (1.0 - u - v) * w2
            )
            rast[pixel, 3] = t + 1
            d0x, d0y = w2 * y1 - w1 * y2, w1 * x2 - w2 * x1
            d1x, d1y = w0 * y2 - w2 * y0, w2 * x0 - w0 * x2
            d2x, d2y = w1 * y0 - w0 * y1, w0 * x1 - w1 * x0
            dx, dy = d0x + d1x + d2x, d0y + d1y + d2y
            rast_db[pixel, 0] = (d0x - u * dx) * scale * sx
            rast_db[pixel, 1] = (d0y - u * dy) * scale * sy
            rast_db[pixel, 2] = (d1x - v * dx) * scale * sx
            rast_db[pixel, 3] = (d1y - v * dy) * scale * sy


@kernel
def barycentrics_backward(
    chunk, start, end, grad, rast, clip, tri, vertices, height, width, grad_clip
):
    """d(u, v) of image rows start..end back to the corners' x, y, w; z/w carries no gradient."""
    sx, sy = 2.0 / width, 2.0 / height
    for row in range(start, end):
        image = row // height
        base = image * vertices
        py = (row - image * height + 0.5) * sy - 1.0
        for x in range(width):
            pixel = row * width + x
            if rast[pixel, 3] <= 0:
                continue
            gu, gv = float(grad[pixel, 0]), float(grad[pixel, 1])
            t = int(rast[pixel, 3]) - 1
            px = (x + 0.5) * sx - 1.0
            i0, i1, i2 = base + tri[t, 0], base + tri[t, 1], base + tri[t, 2]
            x0, y0 = clip[i0, 0] - px * clip[i0, 3], clip[i0, 1] - py * clip[i0, 3]
            x1, y1 = clip[i1, 0] - px * clip[i1, 3], clip[i1, 1] - py * clip[i1, 3]
            x2, y2 = clip[i2, 0] - px * clip[i2, 3], clip[i2, 1] - py * clip[i2, 3]
            a0 = x1 * y2 - y1 * x2
            a1 = x2 * y0 - y2 * x0
            a2 = x0 * y1 - y0 * x1
            scale = 1.0 / (a0 + a1 + a2)
            common = (gu * a0 + gv * a1) * scale
            g0, g1, g2 = (gu - common) * scale, (gv - common) * scale, -common * scale
            gx, gy = g2 * y1 - g1 * y2, g1 * x2 - g2 * x1
            grad_clip[chunk, i0, 0] += gx
            grad_clip[chunk, i0, 1] += gy
            grad_clip[chunk, i0, 3] -= px * gx + py * gy
            gx, gy = g0 * y2 - g2 * y0, g2 * x0 - g0 * x2
            grad_clip[chunk, i1, 0] += gx
            grad_clip[chunk, i1, 1] += gy
            grad_clip[chunk, i1, 3] -= px * gx + py * gy
            gx, gy = g1 * y0 - g0 * y1, g0 * x1 - g1 * x0
            grad_clip[chunk, i2, 0] += gx
            grad_clip[chunk, i2, 1] += gy
            grad_clip[chunk, i2, 3] -= px * gx + py * gy


@kernel
def interpolate(chunk, start, end, attr, stride, plane, rast, tri, rast_db, diff, out, out_da):
    """out [P,C]; the first `diff` channels also get d/dx, d/dy per pixel: out_da [P,2*diff].
    attr is [B*V,C] or, with stride 0, [V,C] for all images."""
    channels = attr.shape[1]
    for pixel in range(start, end):
        t = int(rast[pixel, 3]) - 1
        if t < 0:
            for c in range(channels):
                out[pixel, c] = 0
            for c in range(2 * diff):
                out_da[pixel, c] = 0
            continue
        base = (pixel // plane) * stride
        i0, i1, i2 = base + tri[t, 0], base + tri[t, 1], base + tri[t, 2]
        u, v = rast[pixel, 0], rast[pixel, 1]
        for c in range(channels):
            a2 = attr[i2, c]
            out[pixel, c] = a2 + u * (attr[i0, c] - a2) + v * (attr[i1, c] - a2)
        for c in range(diff):
            du, dv = attr[i0, c] - attr[i2, c], attr[i1, c] - attr[i2, c]
            out_da[pixel, 2 * c] = du * rast_db[pixel, 0] + dv * rast_db[pixel, 2]
            out_da[pixel, 2 * c + 1] = du * rast_db[pixel, 1] + dv * rast_db[pixel, 3]


@kernel
def interpolate_backward(
    chunk, start, end, grad, attr, stride, plane, rast, tri, with_attr, grad_attr, grad_rast
):
    """grad_rast [P,4] gets d/du, d/dv; grad_attr [chunks,B*V,C] only if with_attr."""
    channels = attr.shape[1]
    for pixel in range(start, end):
        grad_rast[pixel, 2] = 0
        grad_rast[pixel, 3] = 0
        t = int(rast[pixel, 3]) - 1
        if t < 0:
            grad_rast[pixel, 0] = 0
            grad_rast[pixel, 1] = 0
            continue
        base = (pixel // plane) * stride
        i0, i1, i2 = base + tri[t, 0], base + tri[t, 1], base + tri[t, 2]
        u, v = rast[pixel, 0], rast[pixel, 1]
        gu, gv = grad[pixel, 0] * 0, grad[pixel, 0] * 0
        for c in range(channels):
            g = grad[pixel, c]
            a2 = attr[i2, c]
            gu += g * (attr[i0, c] - a2)
            gv += g * (attr[i1, c] - a2)
            if with_attr:
                gu0, gv0 = g * u, g * v
                grad_attr[chunk, i0, c] += gu0
                grad_attr[chunk, i1, c] += gv0
                grad_attr[chunk, i2, c] += g - gu0 - gv0
        grad_rast[pixel, 0] = gu
        grad_rast[pixel, 1] = gv
