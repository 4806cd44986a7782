"""Numba kernels of means over windows of a map."""

from __future__ import annotations

from fitme.render.backends.cpu.compile import compiled


def _window_sums(chunk, start, end, image, step, up, aside, out):
    """Rows start..end of all P*H of image [P,H,W*step], whose neighbours are `step` numbers apart:
    out gets the mean of what lies `up` rows and `aside` neighbours around each, and in the image.
    Added row by row, then along the row, as torch's average pooling does."""
    height, length = image.shape[1], image.shape[2]
    last = length // step - 1
    for row in range(start, end):
        plane, y = row // height, row % height
        top, bottom = max(y - up, 0), min(y + up, height - 1)
        whole = out[plane, y]
        for i in range(length):
            whole[i] = 0
        for other in range(top, bottom + 1):
            for away in range(-aside, aside + 1):
                shift = away * step
                first, many = max(0, -shift), length - abs(shift)
                to, of = whole[first:], image[plane, other, first + shift :]
                for i in range(many):
                    to[i] += of[i]
        for x in range(last + 1):
            wide = min(x + aside, last) - max(x - aside, 0) + 1
            count = out.dtype.type((bottom - top + 1) * wide)
            for channel in range(step):
                whole[x * step + channel] /= count


# Sums in their order: no fast mathematics.
window_sums = compiled(_window_sums, nogil=True, error_model="numpy")
