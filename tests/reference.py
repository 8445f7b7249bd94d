"""The augmenter and the epoch's order, slow and plain, from the definition in csrc/README.md."""

import functools
import math

import ml_dtypes
import numpy as np
import policy_reference

DEFAULTS = {
    "height": 0, "width": 0, "pad": 0, "border": "zero", "crop": "center",
    "area": (0.08, 1.0), "aspect": (0.75, 4.0 / 3.0), "short_side": (256.0, 512.0), "flip": 0.0,
    "alternate_flip": False, "policy": "none", "policy_ops": 2, "policy_magnitude": 9,
    "brightness": 0.0,
    "contrast": (1.0, 1.0), "saturation": (1.0, 1.0), "normalize": "none",
    "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "cutout": 0,
}  # fmt: skip
LUMA = (0.299, 0.587, 0.114)
MASK32 = 2**32 - 1


def philox(counter, key):
    """One block of Philox-4x32-10 (Salmon et al., 2011): four 32-bit words from four and two."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c0, c1, c2, c3


def words(value):
    """The low and the high 32 bits of an int64, negative ones as two's complement."""
    return value & MASK32, (value >> 32) & MASK32


def dice(sample_id, seed, epoch, index):
    """The four words of block `index` of one sample."""
    return philox((*words(sample_id), epoch & MASK32, index), words(seed))


def between(word, bounds):
    """A word as a number in [low, high), in steps of 2^-24 of the range."""
    low, high = bounds
    return low + (high - low) * ((word >> 8) / 2**24)


def below(word, n):
    """A word as an integer in [0, n)."""
    return (word * n) >> 32


def total(terms):
    """The sum in the order given, each addition rounded (Python's own sum carries a correction)."""
    result = 0.0
    for term in terms:
        result += term
    return result


def box(y, x, height, width):
    """A rectangle of pixels, as `_core.draw` tells it."""
    return {"y": int(y), "x": int(x), "height": height, "width": width}


def portable_exp(x):
    """exp(x) from products and sums alone: a Taylor polynomial at x / 32, squared five times."""
    y = x / 32.0
    result = 1.0
    for k in range(12, 0, -1):
        result = 1.0 + result * y / k
    for _ in range(5):
        result = result * result
    return result


def filled(spec):
    """The spec with its defaults, each real number rounded to float32 and held as a double."""
    unknown = set(spec) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    full = {**DEFAULTS, **spec}
    for name in ("flip", "brightness"):
        full[name] = float(np.float32(full[name]))
    for name in ("area", "aspect", "short_side", "contrast", "saturation", "mean", "std"):
        full[name] = tuple(float(np.float32(value)) for value in full[name])
    return full


def fallback_window(height, width, aspect):
    """The largest centred window whose aspect lies in the range."""
    low, high = aspect
    h, w = height, width
    if width / height < low:
        h = min(max(math.floor(width / low + 0.5), 1), height)
    elif width / height > high:
        w = min(max(math.floor(height * high + 0.5), 1), width)
    return box((height - h) // 2, (width - w) // 2, h, w)


def resized_window(full, height, width, throw):
    """The first of ten windows of random area and aspect that fits the image, else the fallback."""
    logs = tuple(float(np.float32(math.log(value))) for value in full["aspect"])
    for attempt in range(10):
        word = throw(2 + attempt)
        area = (float(height) * width) * between(word[0], full["area"])
        ratio = portable_exp(between(word[1], logs))
        w = math.floor(math.sqrt(area * ratio) + 0.5)
        h = math.floor(math.sqrt(area / ratio) + 0.5)
        if 1 <= w <= width and 1 <= h <= height:
            return box(below(word[2], height - h + 1), below(word[3], width - w + 1), h, w)
    return fallback_window(height, width, full["aspect"])


def scaled_window(full, height, width, throw):
    """What a crop shows of the image whose short side is resized to a random length."""
    word = throw(2)
    scale = min(height, width) / between(word[0], full["short_side"])
    h = min(max(math.floor((full["height"] or height) * scale + 0.5), 1), height)
    w = min(max(math.floor((full["width"] or width) * scale + 0.5), 1), width)
    return box(below(word[2], height - h + 1), below(word[3], width - w + 1), h, w)


def flipped(full, sample_id, seed, epoch):
    """Whether this epoch shows the sample mirrored."""
    once = full["alternate_flip"]
    word = dice(sample_id, seed, 0 if once else epoch, 0)[2]
    first = between(word, (0.0, 1.0)) < full["flip"]
    return first != (once and epoch % 2 == 1)


def draw(spec, shape, sample_id, seed, epoch):
    """All dice of one sample; the window counts from the unpadded image's corner."""
    full = filled(spec)
    (height, width, _), pad = shape, full["pad"]
    throw = functools.partial(dice, sample_id, seed, epoch)
    first, second = throw(0), throw(1)
    out_h, out_w = full["height"] or height, full["width"] or width
    spare_h, spare_w = height + 2 * pad - out_h, width + 2 * pad - out_w
    if full["crop"] == "random_resized":
        window = resized_window(full, height, width, throw)
    elif full["crop"] == "random_scaled":
        window = scaled_window(full, height, width, throw)
    elif full["crop"] == "random":
        y, x = below(first[0], spare_h + 1), below(first[1], spare_w + 1)
        window = box(y - pad, x - pad, out_h, out_w)
    else:
        window = box(spare_h // 2 - pad, spare_w // 2 - pad, out_h, out_w)
    top = below(second[2], out_h) - full["cutout"] // 2
    left = below(second[3], out_w) - full["cutout"] // 2
    bottom, right = min(top + full["cutout"], out_h), min(left + full["cutout"], out_w)
    top, left = max(top, 0), max(left, 0)
    return {
        "window": window,
        "flip": flipped(full, sample_id, seed, epoch),
        "cutout": box(top, left, bottom - top, right - left),
        "brightness": between(first[3], (-full["brightness"], full["brightness"])),
        "contrast": between(second[0], full["contrast"]),
        "saturation": between(second[1], full["saturation"]),
        "policy": policy_reference.draw(full, throw),
    }


def taps(n, m):
    """For each of m outputs along an axis of n inputs: both neighbours, and the second's weight."""
    i = np.arange(m, dtype=np.int64)
    p = np.clip(((2 * i + 1) * n * 128 + m // 2) // m - 128, 0, (n - 1) * 256)
    return p >> 8, np.minimum((p >> 8) + 1, n - 1), p & 255


def resize(window, height, width):
    """A window of int64 pixels resized bilinearly, with weights in 1/256 and half-pixel centres."""
    top, bottom, ty = taps(window.shape[0], height)
    left, right, tx = taps(window.shape[1], width)
    ty, tx = ty[:, None, None], tx[None, :, None]
    rows = window[top] * (256 - ty) + window[bottom] * ty
    return (rows[:, left] * (256 - tx) + rows[:, right] * tx + 2**15) >> 16


def geometry(image, full, thrown):
    """Pad, crop, resize, flip: the pixel values of the output as int64[height, width, channels]."""
    window, pad = thrown["window"], full["pad"]
    mode = {"zero": "constant", "reflect": "reflect"}[full["border"]]
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode=mode)
    rows = pad + window["y"] + np.arange(window["height"])
    columns = pad + window["x"] + np.arange(window["width"])
    pixels = padded[rows][:, columns].astype(np.int64)
    if full["crop"] in ("random_resized", "random_scaled"):
        pixels = resize(pixels, full["height"] or len(image), full["width"] or image.shape[1])
    return pixels[:, ::-1] if thrown["flip"] else pixels


def standardise(matrix, offset, x, m):
    """The colour transform followed by (o - mean) / max(std, 1 / sqrt(elements)) of its image."""
    channels, n = x.shape[2], x.shape[0] * x.shape[1]
    flat = x.reshape(n, channels)
    sums, products = flat.sum(axis=0), flat.T @ flat
    each = range(channels)
    cov = ((n * products - np.outer(sums, sums)).astype(np.float64) / n / n).tolist()
    means = [total([offset[c], *(matrix[c][d] * m[d] for d in each)]) for c in each]
    mean = total(means) / channels
    terms = []
    for c in each:
        terms += [matrix[c][d] * matrix[c][e] * cov[d][e] for d in each for e in each]
        terms.append((means[c] - mean) * (means[c] - mean))
    v = total(terms) / channels
    q = max(math.sqrt(max(v, 0.0)), 1.0 / math.sqrt(float(n * channels)))
    return [[value / q for value in row] for row in matrix], [(t - mean) / q for t in offset]


def colour_transform(full, thrown, x):
    """The affine map of one image's pixels, in doubles: (matrix[c][d], offset[c])."""
    channels, n = x.shape[2], x.shape[0] * x.shape[1]
    each = range(channels)
    b, f, s = thrown["brightness"], thrown["contrast"], thrown["saturation"]
    m = [0.0] * channels
    if full["contrast"] != (1.0, 1.0) or full["normalize"] == "image":
        m = [float(value) / n for value in x.sum(axis=(0, 1))]
    offset = [(1.0 - f) * m[c] + b for c in each]
    matrix = [[f if c == d else 0.0 for d in each] for c in each]
    if full["saturation"] != (1.0, 1.0):
        luma = total(LUMA[c] * offset[c] for c in each)
        offset = [s * offset[c] + (1.0 - s) * luma for c in each]
        matrix = [[f * ((s if c == d else 0.0) + (1.0 - s) * LUMA[d]) for d in each] for c in each]
    if full["normalize"] == "channels":
        matrix = [[value / full["std"][c] for value in matrix[c]] for c in each]
        offset = [(offset[c] - full["mean"][c]) / full["std"][c] for c in each]
    elif full["normalize"] == "image":
        matrix, offset = standardise(matrix, offset, x, m)
    return matrix, offset


def colour(full, thrown, x):
    """The pixels after their colour transform, float32; every product and sum is rounded."""
    matrix, offset = (np.float32(part) for part in colour_transform(full, thrown, x))
    x = x.astype(np.float32)
    if full["saturation"] == (1.0, 1.0):
        return np.diagonal(matrix) * x + offset
    mixed = matrix[:, 0] * x[..., 0:1] + matrix[:, 1] * x[..., 1:2]
    return mixed + matrix[:, 2] * x[..., 2:3] + offset


def augment(images, ids, seed, epoch, spec, dtype="float32"):
    """Augments uint8[n, h, w, c], each image by the dice of its id, to float32 or bfloat16."""
    full = filled(spec)
    out_size = full["height"] or images.shape[1], full["width"] or images.shape[2]
    output = np.empty((len(images), *out_size, images.shape[3]), np.float32)
    for image, sample_id, out in zip(images, ids, output, strict=True):
        thrown = draw(spec, image.shape, int(sample_id), seed, epoch)
        shown = policy_reference.apply(geometry(image, full, thrown), full, thrown["policy"])
        out[:] = colour(full, thrown, shown)
        y, x, h, w = thrown["cutout"].values()
        out[y : y + h, x : x + w] = 0.0
    return output.astype({"float32": np.float32, "bfloat16": ml_dtypes.bfloat16}[dtype])


def permuted(seed, epoch, size, position):
    """The id at one position: a Feistel permutation of 2h bits, walked until it is in the range."""
    h = next(h for h in range(1, 33) if size <= 2 ** (2 * h))
    while True:
        left, right = position >> h, position & (2**h - 1)
        for r in range(8):
            word = philox((right, 0, epoch & MASK32, 2**31 + r), words(seed))[0]
            left, right = right, left ^ (word & (2**h - 1))
        position = left << h | right
        if position < size:
            return position


def sample_order(seed, epoch, size):
    """The ids of an epoch in their order, int64[size]."""
    return np.array([permuted(seed, epoch, size, position) for position in range(size)], np.int64)
