"""Numba kernels that shade strands and draw them as ribbons, front to back.

Lobes after S. Marschner et al., "Light Scattering from Human Hair Fibers", SIGGRAPH 2003: R is the
reflection at the surface (white, towards the root), TRT the one inside (coloured, towards the
tip), TT what goes through; the rest is J. Kajiya and T. Kay's diffuse term (SIGGRAPH 1989).
"""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel

# shifts and widths (standard deviations) of the lobes, radians; Marschner's table 1
SHIFT_R, WIDTH_R = -0.12, 0.13
SHIFT_TRT, WIDTH_TRT = 0.16, 0.24
SHIFT_TT, WIDTH_TT = 0.06, 0.16
# Radiance per white Lambertian's. R by 7 photos of dark hair: where it shines it is no whiter
STRENGTH_R, STRENGTH_TRT, STRENGTH_TT = 0.11, 0.35, 0.45
DIFFUSE = 0.75
# What light that has met other hairs adds, for white hair, whose head is as light as a white plate
AMONG_HAIRS = 0.5
GOES_ON = 0.55  # share of the light that meets a white hair and goes on, of the optical depth
JITTER = 0.05  # radians by which cuticles of hairs differ
OPAQUE = 0.01  # a pixel with less left to see through is done


@kernel
def refine(points, factor, out):
    """Catmull-Rom through points [N,K,3]: out [N,(K-1)*factor+1,3]."""
    count, many = points.shape[0], points.shape[1]
    for n in range(count):
        for k in range(many - 1):
            a, d = max(k - 1, 0), min(k + 2, many - 1)
            for f in range(factor):
                t = f / factor
                t2, t3 = t * t, t * t * t
                for c in range(3):
                    p0, p1 = points[n, a, c], points[n, k, c]
                    p2, p3 = points[n, k + 1, c], points[n, d, c]
                    value = 2 * p1 + (p2 - p0) * t
                    value += (2 * p0 - 5 * p1 + 4 * p2 - p3) * t2
                    value += (3 * p1 - p0 - 3 * p2 + p3) * t3
                    out[n, k * factor + f, c] = 0.5 * value
        for c in range(3):
            out[n, out.shape[1] - 1, c] = points[n, many - 1, c]


@kernel
def _cell(low, step, shape, point):
    """Index of the grid cell of a point [3], and the place in it; the nearest cell outside."""
    x = min(max((point[0] - low[0]) / step, 0.0), shape[0] - 1.001)
    y = min(max((point[1] - low[1]) / step, 0.0), shape[1] - 1.001)
    z = min(max((point[2] - low[2]) / step, 0.0), shape[2] - 1.001)
    i, j, k = int(x), int(y), int(z)
    return i, j, k, x - i, y - j, z - k


@kernel
def _mix(grid, i, j, k, u, v, w):
    """Trilinear value of grid [X,Y,Z]."""
    a = (1 - v) * ((1 - w) * grid[i, j, k] + w * grid[i, j, k + 1])
    a += v * ((1 - w) * grid[i, j + 1, k] + w * grid[i, j + 1, k + 1])
    b = (1 - v) * ((1 - w) * grid[i + 1, j, k] + w * grid[i + 1, j, k + 1])
    b += v * ((1 - w) * grid[i + 1, j + 1, k] + w * grid[i + 1, j + 1, k + 1])
    return (1 - u) * a + u * b


@kernel
def shade(n, k, points, albedo, tone, eye, lights, depths, low, step, ambient, low_a, step_a, out):
    """Radiance of point k of strand n towards the eye [3] into out [N,K,3].

    points, albedo [N,K,3]; lights [L,6] are unit directions and colours; depths [L,X,Y,Z] optical
    depth towards each on a grid; ambient [3,X,Y,Z] what a white hair shows of all other light.
    """
    a, b = max(k - 1, 0), min(k + 1, points.shape[1] - 1)
    tx = points[n, b, 0] - points[n, a, 0]
    ty = points[n, b, 1] - points[n, a, 1]
    tz = points[n, b, 2] - points[n, a, 2]
    size = math.sqrt(tx * tx + ty * ty + tz * tz) + 1e-12
    tx, ty, tz = tx / size, ty / size, tz / size
    vx, vy, vz = eye[0] - points[n, k, 0], eye[1] - points[n, k, 1], eye[2] - points[n, k, 2]
    size = math.sqrt(vx * vx + vy * vy + vz * vz) + 1e-12
    vx, vy, vz = vx / size, vy / size, vz / size
    along_v = min(max(tx * vx + ty * vy + tz * vz, -1.0), 1.0)
    theta_v = math.asin(along_v) + 2 * JITTER * tone[n]
    sine_v = math.sqrt(max(1e-6, 1 - along_v * along_v))
    i, j, m, u, v, w = _cell(low_a, step_a, ambient.shape[1:], points[n, k])
    for c in range(3):
        own = albedo[n, k, c]
        out[n, k, c] = own * (1 + AMONG_HAIRS * own) * _mix(ambient[c], i, j, m, u, v, w)
    i, j, m, u, v, w = _cell(low, step, depths.shape[1:], points[n, k])
    for l in range(lights.shape[0]):
        lx, ly, lz = lights[l, 0], lights[l, 1], lights[l, 2]
        tau = _mix(depths[l], i, j, m, u, v, w)
        if tau > 14:
            continue
        along_l = min(max(tx * lx + ty * ly + tz * lz, -1.0), 1.0)
        sine = math.sqrt(1 - along_l * along_l)
        theta = 0.5 * (math.asin(along_l) + theta_v)
        # azimuth between light and eye around the hair
        cosine = (lx * vx + ly * vy + lz * vz) - along_l * along_v
        cosine = min(max(cosine / (sine * sine_v + 1e-6), -1.0), 1.0)
        spec = STRENGTH_R * math.exp(-0.5 * ((theta - SHIFT_R) / WIDTH_R) ** 2)
        spec *= math.sqrt(0.5 * (1 + cosine))
        inner = STRENGTH_TRT * math.exp(-0.5 * ((theta - SHIFT_TRT) / WIDTH_TRT) ** 2)
        inner *= 0.25 + 0.75 * max(cosine, 0.0) ** 2
        through = STRENGTH_TT * math.exp(-0.5 * ((theta - SHIFT_TT) / WIDTH_TT) ** 2)
        through *= max(-cosine, 0.0) ** 4
        for c in range(3):
            own = albedo[n, k, c]
            root = math.sqrt(own)
            # light in fair hair goes on after many scatterings
            passed = math.exp(-tau * (1 - GOES_ON * root)) * sine * lights[l, 3 + c]
            value = own * (DIFFUSE + inner * math.sqrt(root) + through * root) + spec
            out[n, k, c] += passed * value


@kernel
def place(points, half_width, factor, matrix, intrinsics, least, nodes, key, near, far):
    """Nodes [N*K,5] = x, y in pixels, z in metres, drawn half-width in pixels, opacity; and the
    sort key [N*(K-1)] of each segment (0xFFFF: behind the camera). half_width [N,K0] is sampled
    every `factor` points."""
    count, many = points.shape[0], points.shape[1]
    scale = 65000.0 / max(far - near, 1e-6)
    focal = 0.5 * (intrinsics[0, 0] + intrinsics[1, 1])
    for n in range(count):
        for k in range(many):
            px, py, pz = points[n, k, 0], points[n, k, 1], points[n, k, 2]
            cx = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
            cy = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
            cz = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
            i = n * many + k
            nodes[i, 2] = cz
            z = max(cz, 0.02)
            nodes[i, 0] = (intrinsics[0, 0] * cx + intrinsics[0, 1] * cy) / z + intrinsics[0, 2]
            nodes[i, 1] = intrinsics[1, 1] * cy / z + intrinsics[1, 2]
            low = min(k // factor, half_width.shape[1] - 2)
            t = k / factor - low
            half = (half_width[n, low] * (1 - t) + half_width[n, low + 1] * t) * focal / z
            nodes[i, 3] = max(half, least)
            nodes[i, 4] = min(1.0, half / least)
        for k in range(many - 1):
            i = n * many + k
            z = 0.5 * (nodes[i, 2] + nodes[i + 1, 2])
            s = n * (many - 1) + k
            if min(nodes[i, 2], nodes[i + 1, 2]) < 0.05:
                key[s] = 65535
            else:
                key[s] = int(min(max((z - near) * scale, 0.0), 65000.0))


@kernel
def ribbons(
    order, key, many, factor, nodes, points, albedo, tone, eye, lights, depths, low, step,
    ambient, low_a, step_a, depth, bias, opacity, color, shaded, image, left, found,
):  # fmt: skip
    """Draw segments in `order` (near ones first) into image [H,W,3] (premultiplied), left [H,W]
    (share of what lies behind that is still seen; 1 at first) and found [H,W] (depth at which
    half is covered; inf at first). Points that something is seen of are shaded into color
    [N,K,3], every `factor`th node, and marked in shaded [N,K]; the arguments up to step_a are
    those of `shade`. depth [H,W] of what is drawn already: hair counts up to `bias` metres behind
    it."""
    height, width = depth.shape
    last_color = color.shape[1] - 2
    for o in range(order.shape[0]):
        s = order[o]
        if key[s] == 65535:
            break
        n, k = s // (many - 1), s % (many - 1)
        i = n * many + k
        x0, y0, z0 = nodes[i, 0], nodes[i, 1], nodes[i, 2]
        x1, y1, z1 = nodes[i + 1, 0], nodes[i + 1, 1], nodes[i + 1, 2]
        dx, dy = x1 - x0, y1 - y0
        steep = abs(dy) > abs(dx)
        if steep:
            x0, y0, x1, y1, dx, dy = y0, x0, y1, x1, dy, dx
        if abs(dx) < 1e-9:
            continue
        limit_a, limit_b = (height, width) if steep else (width, height)
        slope = dy / dx
        # distances across the ribbon are shorter than along the pixel column
        across = 1.0 / math.sqrt(1 + slope * slope)
        near, far = min(x0, x1), max(x0, x1)
        first = max(math.ceil(near - 0.5), 0)
        last = min(math.ceil(far - 0.5), limit_a)  # half open: joints are drawn once
        if first >= last:
            continue
        c0 = min(k // factor, last_color)
        base = k / factor - c0
        ready = False
        for a in range(first, last):
            t = (a + 0.5 - x0) / dx
            centre = y0 + t * dy
            half = nodes[i, 3] + t * (nodes[i + 1, 3] - nodes[i, 3])
            opaque = (nodes[i, 4] + t * (nodes[i + 1, 4] - nodes[i, 4])) * opacity
            z = z0 + t * (z1 - z0)
            reach = (half + 0.5) / across
            start = max(math.ceil(centre - reach - 0.5), 0)
            end = min(math.floor(centre + reach - 0.5) + 1, limit_b)
            u = base + t / factor
            for b in range(start, end):
                row, column = (a, b) if steep else (b, a)
                seen = left[row, column]
                if seen < OPAQUE or z > depth[row, column] + bias:
                    continue
                away = abs(b + 0.5 - centre) * across
                cover = min(min(half + 0.5 - away, 1.0), 2 * half)
                if cover <= 0:
                    continue
                if not ready:
                    ready = True
                    for e in range(c0, c0 + 2):
                        if not shaded[n, e]:
                            shaded[n, e] = True
                            shade(
                                n, e, points, albedo, tone, eye, lights, depths, low, step,
                                ambient, low_a, step_a, color,
                            )  # fmt: skip
                alpha = cover * opaque
                share = seen * alpha
                for c in range(3):
                    shown = color[n, c0, c] + u * (color[n, c0 + 1, c] - color[n, c0, c])
                    image[row, column, c] += share * shown
                seen -= share
                left[row, column] = seen
                if seen < 0.5 and found[row, column] > z:
                    found[row, column] = z
