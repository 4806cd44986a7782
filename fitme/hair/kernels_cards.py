"""Numba kernels of hair cards: clusters of strands, and strips of strands drawn into an atlas."""

from __future__ import annotations

import math

from fitme.render.backends.cpu.compile import kernel


@kernel
def nearest_centres(features, centres, owner):
    """For every row of features [N,F] the centre [C,F] that lies nearest, into owner [N], whose
    guess of it makes the search short."""
    for n in range(features.shape[0]):
        best = 0.0
        for f in range(features.shape[1]):
            away = features[n, f] - centres[owner[n], f]
            best += away * away
        for c in range(centres.shape[0]):
            total = 0.0
            for f in range(features.shape[1]):
                away = features[n, f] - centres[c, f]
                total += away * away
                if total >= best:
                    break
            if total < best:
                best = total
                owner[n] = c


@kernel
def sum_clusters(features, owner, sums, counts):
    """Add rows of features [N,F] to sums [C,F] by owner [N]; how many into counts [C]."""
    for n in range(features.shape[0]):
        c = owner[n]
        counts[c] += 1
        for f in range(features.shape[1]):
            sums[c, f] += features[n, f]


@kernel
def draw_strip(centre, half, start, end, depth, color, shade, out, height):
    """Draw strands that run along the columns of out [R,W,10], back to front in their order.

    centre [N,W] is the row a strand passes in each column, half [N] its half-width in pixels,
    start, end [N] its first and last column, depth [N] 0..1 (1: in front), color [N,K,3] linear
    from root to tip, shade [W] of all. Channels of out: colour times alpha (3), alpha, normal
    along, across and outward times alpha, slope of the flow times alpha, share of the length from
    root to tip times alpha, strand's number in 0..1 times alpha. `height` limits the rows.
    """
    count, width = centre.shape
    knots = color.shape[1] - 1
    for n in range(count):
        first, last = max(int(start[n]), 0), min(int(end[n]), width - 1)
        span = max(end[n] - start[n], 1.0)
        for x in range(first, last + 1):
            y = centre[n, x]
            a, b = max(x - 1, 0), min(x + 1, width - 1)
            slope = (centre[n, b] - centre[n, a]) / max(b - a, 1)
            steep = math.sqrt(1 + slope * slope)
            t = (x - start[n]) / span
            # thin at the root, and ever thinner towards the tip: there hair lets one see through
            thick = half[n] * min(1.0, 0.4 + 7.0 * t) * min(1.0, 0.15 + 1.7 * (1 - t))
            reach = (thick + 0.5) * steep
            low = max(math.floor(y - reach), 0)
            high = min(math.ceil(y + reach), height - 1)
            at = t * knots
            k = min(int(at), knots - 1)
            mix = at - k
            for row in range(low, high + 1):
                away = (row + 0.5 - y) / steep
                cover = min(max(thick + 0.5 - abs(away), 0.0), 1.0, 2 * thick)
                if cover <= 0:
                    continue
                side = min(max(away / (thick + 0.3), -0.95), 0.95)
                dark = shade[x] * (0.68 + 0.32 * depth[n]) * (1 - 0.22 * side * side)
                values = out[row, x]
                keep = 1 - cover
                for c in range(3):
                    shown = color[n, k, c] + mix * (color[n, k + 1, c] - color[n, k, c])
                    values[c] = values[c] * keep + cover * dark * shown
                values[3] = values[3] * keep + cover
                values[4] = values[4] * keep - cover * slope / steep * side
                values[5] = values[5] * keep + cover * side / steep
                values[6] = values[6] * keep + cover * math.sqrt(1 - side * side)
                values[7] = values[7] * keep + cover * slope
                values[8] = values[8] * keep + cover * x / (width - 1)
                values[9] = values[9] * keep + cover * (n + 0.5) / count
