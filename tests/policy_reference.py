"""Random policies, slow and plain, from the definition in csrc/README.md."""

import math

import numpy as np

OPS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness",
    "color", "contrast", "sharpness", "posterize", "solarize", "auto_contrast", "equalize",
)  # fmt: skip
SIGNED = OPS[1:10]
LAST = 30  # the highest level


def below(word, n):
    """A word as an integer in [0, n)."""
    return (word * n) >> 32


def draw(full, throw):
    """The operations of one sample, each with its level and sign."""
    if full["policy"] == "none":
        return []
    steps = []
    alone = full["policy"] == "trivial_augment"
    for step in range(1 if alone else full["policy_ops"]):
        word = throw(16 + step)
        op = OPS[below(word[0], len(OPS))]
        level = below(word[2], LAST + 1) if alone else full["policy_magnitude"]
        negative = op in SIGNED and below(word[1], 2) == 1
        steps.append({"op": op, "level": level, "negative": negative})
    return steps


def source(image, matrix):
    """The pixels that an inverse affine map points at, black outside; (xx, xy, x, yx, yy, y)."""
    xx, xy, x, yx, yy, y = matrix
    height, width, _ = image.shape

    def fixed(value):
        return math.floor(value * 65536.0 + 0.5)

    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    from_x = (fixed(x + xx * 0.5 + xy * 0.5) + fixed(xx) * columns + fixed(xy) * rows) >> 16
    from_y = (fixed(y + yx * 0.5 + yy * 0.5) + fixed(yx) * columns + fixed(yy) * rows) >> 16
    shown = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    pixels = image[np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)]
    return np.where(shown[..., None], pixels, 0)


def affine(image, op, share, sign, trivial):
    """Shears, shifts and turns; `share` is (level, highest level)."""
    level, last = share
    height, width, _ = image.shape
    shear = sign * ((0.99 if trivial else 0.3) * level / last)
    if op == "shear_x":
        return source(image, (1, shear, 0, 0, 1, 0))
    if op == "shear_y":
        return source(image, (1, 0, 0, shear, 1, 0))
    if op == "rotate":
        radians = (135.0 if trivial else 30.0) * level / last * math.pi / 180.0
        cosine, sine = (math.floor(f(radians) * 1e15 + 0.5) / 1e15 for f in (math.cos, math.sin))
        xx, xy, yx, yy = cosine, -sign * sine, sign * sine, cosine
        middle_x, middle_y = width / 2.0, height / 2.0
        x = -xx * middle_x - xy * middle_y + middle_x
        y = -yx * middle_x - yy * middle_y + middle_y
        return source(image, (xx, xy, x, yx, yy, y))
    side = width if op == "translate_x" else height
    pixels = 32 * level // last if trivial else 150 * side * level // (331 * last)
    x, y = (-sign * pixels, 0) if op == "translate_x" else (0, -sign * pixels)
    return source(image, (1, 0, x, 0, 1, y))


def grey(image):
    """Luma in 1/65536, rounded; int64[height, width, 1]."""
    if image.shape[2] == 1:
        return image
    return (image @ np.array([[19595], [38470], [7471]]) + 0x8000) >> 16


def blend(plain, image, factor):
    """plain + factor * (image - plain) in float32, cut off at 0 and 255, then truncated."""
    plain, step = plain.astype(np.float32), (image - plain).astype(np.float32)
    return np.clip(plain + np.float32(factor) * step, 0, 255).astype(np.int64)


def smooth(image):
    """3 x 3 means with the middle five times; the edge stays as it is."""
    result, (height, width, _) = image.copy(), image.shape
    if height > 2 and width > 2:
        total = 4 * image[1:-1, 1:-1]
        for y in range(3):
            for x in range(3):
                total = total + image[y : y + height - 2, x : x + width - 2]
        result[1:-1, 1:-1] = (2 * total + 13) // 26
    return result


def enhance(image, op, factor):
    """Brightness, colour, contrast and sharpness: away from or towards a plain image."""
    if op == "brightness":
        return blend(np.zeros_like(image), image, factor)
    if op == "color":
        return blend(np.broadcast_to(grey(image), image.shape), image, factor)
    if op == "sharpness":
        return blend(smooth(image), image, factor)
    n = image.shape[0] * image.shape[1]
    mean = (2 * int(grey(image).sum()) + n) // (2 * n)
    return blend(np.full_like(image, mean), image, factor)


def auto_contrast(channel):
    """Stretches one channel to 0..255."""
    low, high = int(channel.min()), int(channel.max())
    if high <= low:
        return channel
    scale = 255.0 / (high - low)
    return np.clip(channel * scale + -low * scale, 0, 255).astype(np.int64)


def equalize(channel):
    """Spreads one channel's histogram."""
    histogram = np.bincount(channel.ravel(), minlength=256)
    step = int(histogram.sum() - histogram[np.flatnonzero(histogram)[-1]]) // 255
    if step == 0:
        return channel
    before = np.cumsum(histogram) - histogram
    return np.minimum((step // 2 + before) // step, 255)[channel]


def apply(image, full, steps):
    """The image after its policy, int64[height, width, channels]."""
    trivial = full["policy"] == "trivial_augment"
    for step in steps:
        op, level, sign = step["op"], step["level"], -1 if step["negative"] else 1
        if op in ("shear_x", "shear_y", "translate_x", "translate_y", "rotate"):
            image = affine(image, op, (level, LAST), sign, trivial)
        elif op in ("brightness", "color", "contrast", "sharpness"):
            image = enhance(image, op, 1.0 + sign * ((0.99 if trivial else 0.9) * level / LAST))
        elif op == "posterize":
            bits = 8 - round((6 if trivial else 4) * level / LAST)
            image = image & (0xFF << (8 - bits))
        elif op == "solarize":
            image = np.where(image * LAST >= 255 * (LAST - level), 255 - image, image)
        elif op in ("auto_contrast", "equalize"):
            change = auto_contrast if op == "auto_contrast" else equalize
            image = np.stack([change(channel) for channel in np.moveaxis(image, 2, 0)], axis=2)
    return image
