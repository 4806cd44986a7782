"""Numba kernels that go from the rasterized image to the list of N visible points and back to
an image: interpolation of all attributes at once. Arrays as in `kernels_raster`."""

from __future__ import annotations

from fitme.render.backends.cpu.compile import kernel


@kernel
def covered(chunk, start, end, rast, counts):
    """How many pixels of each row start..end show something; rast [rows,W,4]."""
    for row in range(start, end):
        n = 0
        for x in range(rast.shape[1]):
            if rast[row, x, 3] > 0:
                n += 1
        counts[row] = n


@kernel
def list_covered(chunk, start, end, rast, offsets, pixels):
    """Their indices, in order; row r's begin at offsets[r]."""
    width = rast.shape[1]
    for row in range(start, end):
        n = offsets[row]
        for x in range(width):
            if rast[row, x, 3] > 0:
                pixels[n] = row * width + x
                n += 1


@kernel
def gather(
    chunk,
    start,
    end,
    pixels,
    plane,
    rast,
    rast_db,
    tri,
    uv_tri,
    vertices,
    uvs,
    position,
    normal,
    tangent,
    occlusion,
    uv,
    out_position,
    out_normal,
    out_tangent,
    out_occlusion,
    out_uv,
    out_da,
    face,
):
    """Attributes at points start..end. position, normal [B*V,3], tangent [B*U,3], uv [U,2],
    occlusion [V,1] or [B*V,1]; tangent and occlusion may have length 0 for "none"."""
    bumpy, veiled, one_image = tangent.shape[0] > 0, occlusion.shape[0] > 0, vertices == len(normal)
    one_veil = vertices == len(occlusion)
    for p in range(start, end):
        pixel = pixels[p]
        image = 0 if one_image else pixel // plane
        u, v = rast[pixel, 0], rast[pixel, 1]
        t = int(rast[pixel, 3]) - 1
        face[p] = t
        i0, i1, i2 = tri[t, 0], tri[t, 1], tri[t, 2]
        if veiled:
            base = 0 if one_veil else image * vertices
            a0, a1, a2 = occlusion[i0 + base, 0], occlusion[i1 + base, 0], occlusion[i2 + base, 0]
            out_occlusion[p, 0] = a2 + u * (a0 - a2) + v * (a1 - a2)
        base = image * vertices
        i0, i1, i2 = i0 + base, i1 + base, i2 + base
        for c in range(3):
            a2 = position[i2, c]
            out_position[p, c] = a2 + u * (position[i0, c] - a2) + v * (position[i1, c] - a2)
        for c in range(3):
            a2 = normal[i2, c]
            out_normal[p, c] = a2 + u * (normal[i0, c] - a2) + v * (normal[i1, c] - a2)
        i0, i1, i2 = uv_tri[t, 0], uv_tri[t, 1], uv_tri[t, 2]
        for c in range(2):
            a2 = uv[i2, c]
            du, dv = uv[i0, c] - a2, uv[i1, c] - a2
            out_uv[p, c] = a2 + u * du + v * dv
            out_da[p, 2 * c] = du * rast_db[pixel, 0] + dv * rast_db[pixel, 2]
            out_da[p, 2 * c + 1] = du * rast_db[pixel, 1] + dv * rast_db[pixel, 3]
        if bumpy:
            base = image * uvs
            i0, i1, i2 = i0 + base, i1 + base, i2 + base
            for c in range(3):
                a2 = tangent[i2, c]
                out_tangent[p, c] = a2 + u * (tangent[i0, c] - a2) + v * (tangent[i1, c] - a2)


@kernel
def gather_backward(
    chunk,
    start,
    end,
    pixels,
    plane,
    rast,
    tri,
    uv_tri,
    vertices,
    uvs,
    position,
    normal,
    tangent,
    occlusion,
    uv,
    grad_position,
    grad_normal,
    grad_tangent,
    grad_occlusion,
    grad_uv,
    total_position,
    total_normal,
    total_tangent,
    total_occlusion,
    grad_rast,
):
    """total_* [chunks,...] collect the attributes' gradients, grad_rast [P,4] (zeros) that of
    u and v."""
    bumpy, veiled, one_image = tangent.shape[0] > 0, occlusion.shape[0] > 0, vertices == len(normal)
    one_veil = vertices == len(occlusion)
    for p in range(start, end):
        pixel = pixels[p]
        image = 0 if one_image else pixel // plane
        u, v = rast[pixel, 0], rast[pixel, 1]
        t = int(rast[pixel, 3]) - 1
        i0, i1, i2 = tri[t, 0], tri[t, 1], tri[t, 2]
        gu, gv = grad_rast[pixel, 0], grad_rast[pixel, 1]
        if veiled:
            base = 0 if one_veil else image * vertices
            g, a2 = grad_occlusion[p, 0], occlusion[i2 + base, 0]
            gu += g * (occlusion[i0 + base, 0] - a2)
            gv += g * (occlusion[i1 + base, 0] - a2)
            total_occlusion[chunk, i0 + base, 0] += g * u
            total_occlusion[chunk, i1 + base, 0] += g * v
            total_occlusion[chunk, i2 + base, 0] += g - g * u - g * v
        base = image * vertices
        i0, i1, i2 = i0 + base, i1 + base, i2 + base
        for c in range(3):
            g, a2 = grad_position[p, c], position[i2, c]
            gu += g * (position[i0, c] - a2)
            gv += g * (position[i1, c] - a2)
            first, second = g * u, g * v
            total_position[chunk, i0, c] += first
            total_position[chunk, i1, c] += second
            total_position[chunk, i2, c] += g - first - second
        for c in range(3):
            g, a2 = grad_normal[p, c], normal[i2, c]
            gu += g * (normal[i0, c] - a2)
            gv += g * (normal[i1, c] - a2)
            first, second = g * u, g * v
            total_normal[chunk, i0, c] += first
            total_normal[chunk, i1, c] += second
            total_normal[chunk, i2, c] += g - first - second
        i0, i1, i2 = uv_tri[t, 0], uv_tri[t, 1], uv_tri[t, 2]
        for c in range(2):
            g = grad_uv[p, c]
            gu += g * (uv[i0, c] - uv[i2, c])
            gv += g * (uv[i1, c] - uv[i2, c])
        if bumpy:
            base = image * uvs
            i0, i1, i2 = i0 + base, i1 + base, i2 + base
            for c in range(3):
                g, a2 = grad_tangent[p, c], tangent[i2, c]
                gu += g * (tangent[i0, c] - a2)
                gv += g * (tangent[i1, c] - a2)
                first, second = g * u, g * v
                total_tangent[chunk, i0, c] += first
                total_tangent[chunk, i1, c] += second
                total_tangent[chunk, i2, c] += g - first - second
        grad_rast[pixel, 0], grad_rast[pixel, 1] = gu, gv


@kernel
def place(chunk, start, end, pixels, diffuse, specular, color, alpha):
    """color[pixel] = diffuse + specular, alpha[pixel] = 1."""
    for p in range(start, end):
        pixel = pixels[p]
        for c in range(3):
            color[pixel, c] = diffuse[p, c] + specular[p, c]
        alpha[pixel, 0] = 1


@kernel
def pick(chunk, start, end, pixels, grad, out):
    """out [N,3] = grad[pixels]."""
    for p in range(start, end):
        for c in range(3):
            out[p, c] = grad[pixels[p], c]
