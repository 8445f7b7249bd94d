"""Resizing with the triangle filter, slow and plain, from the definition in csrc/README.md."""

import numpy as np


def weights(source, output, antialias=True):
    """int64 [output, source]: each row sums to 2^14."""
    reach = 2 * (max(source, output) if antialias else output)
    centres = (2 * np.arange(output) + 1)[:, None] * source
    positions = (2 * np.arange(source) + 1)[None] * output
    heights = np.maximum(0, reach - np.abs(positions - centres)).astype(np.int64)
    sums = np.cumsum(heights, axis=1)
    total = sums[:, -1:]
    rounded = ((sums << 14) * 2 + total) // (2 * total)
    return np.diff(rounded, axis=1, prepend=0)


def resize(image, window, height, width, antialias=True):
    """uint8 [height, width, channels] from the window (y, x, height, width) of one image."""
    y, x, rows, columns = window
    part = image[y : y + rows, x : x + columns].astype(np.int64)
    down = (np.einsum("or,rcv->ocv", weights(rows, height, antialias), part) + 2**7) >> 8
    across = (np.einsum("pc,ocv->opv", weights(columns, width, antialias), down) + 2**19) >> 20
    return across.astype(np.uint8)
