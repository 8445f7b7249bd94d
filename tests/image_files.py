"""Small image files for tests: photographs in the sense that neighbouring pixels are alike."""

import csv
import io

import numpy as np
from PIL import Image


def photo(index, height=48, width=64):
    """uint8 [height, width, 3]: smooth noise, another for each index."""
    random = np.random.default_rng(index)
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + random.integers(-9, 10, smooth.shape), 0, 255).astype(np.uint8)


def encoded(image, kind="JPEG", **options):
    """The bytes of an image file. Takes an array or a Pillow image."""
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(
        buffer, kind, **options
    )
    return buffer.getvalue()


def decoded(content):
    """uint8 [height, width, 3] as Pillow has it, upright."""
    from PIL import ImageOps

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def write_csv(file, rows):
    """A CSV of path,label. Returns its path as a string."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return str(file)


def photo_set(folder, count, classes=3, sizes=((48, 64), (61, 40), (90, 90)), kind="PNG"):
    """`count` files and their CSV; image i has label i % classes. Returns the CSV's path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(count):
        name = f"{index:05}.{kind.lower()}"
        (folder / name).write_bytes(encoded(photo(index, *sizes[index % len(sizes)]), kind))
        rows.append((name, index % classes))
    return write_csv(folder / "images.csv", rows)
