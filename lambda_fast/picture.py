"""A picture of images in a grid, each with its class and, for predictions, a probability's bar."""

from __future__ import annotations

import contextlib
import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from lambda_fast.config import ConfigError
from lambda_fast.data.fetch import DataError

CELL = 224  # the side of the square into which an image is fitted
MARGIN = 20
CAPTION = 62  # pixels below it
MOST = 100  # images in one picture
PAPER, FRAME, INK, SOFT, TRACK, BAR = (
    "#ffffff",
    "#f1f3f5",
    "#1b1f24",
    "#6a737d",
    "#e4e7eb",
    "#2f6fde",
)
SHORTEST = 64  # a smaller image keeps its pixels visible when it is enlarged
OTHER_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arial.ttf")


@dataclass(frozen=True)
class Captioned:
    """One image of the picture.

    Attributes:
        path: of the image, or what else tells it from others.
        name: of the class.
        probability: of the class, 0..1; none for a label.
        image: uint8 [height, width, 3]; none: it is read from the path.
    """

    path: str
    name: str
    probability: float | None = None
    image: np.ndarray | None = None


def check_target(path: Path, flag: str = "--show") -> None:
    """Refuses, before any work is done, a file that a picture cannot be written to.

    Raises:
        ConfigError: its folder is not there, or its ending names no format that can be written.
    """
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        found = path.suffix or "none"
        raise ConfigError(f"[{flag}] expected a file that ends in .png or .jpg, found {found}")
    if not path.parent.is_dir() or path.is_dir():
        found = f"the folder {path}" if path.is_dir() else f"no folder {path.parent}"
        raise ConfigError(f"[{flag}] expected a file in a folder that is there, found {found}")


def draw(entries: Sequence[Captioned]) -> Image.Image:
    """Draws up to `MOST` images, row by row, in a grid that is a little wider than high.

    Raises:
        DataError: an image cannot be read.
    """
    columns = next(n for n in range(1, MOST + 1) if n * n * 0.75 >= len(entries) or n == 10)
    columns = min(columns, len(entries))
    rows = -(-len(entries) // columns)
    size = (
        MARGIN + columns * (CELL + MARGIN),
        MARGIN + rows * (CELL + CAPTION + MARGIN),
    )
    picture = Image.new("RGB", size, PAPER)
    for index, entry in enumerate(entries):
        row, column = divmod(index, columns)
        x = MARGIN + column * (CELL + MARGIN)
        y = MARGIN + row * (CELL + CAPTION + MARGIN)
        _draw_cell(picture, x, y, entry)
    return picture


def _draw_cell(picture: Image.Image, x: int, y: int, entry: Captioned) -> None:
    canvas = ImageDraw.Draw(picture)
    canvas.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill=FRAME)
    image = open_image(entry.path) if entry.image is None else Image.fromarray(entry.image)
    small = max(image.size) < SHORTEST
    how = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    image = ImageOps.contain(image, (CELL, CELL), how)
    picture.paste(image, (x + (CELL - image.width) // 2, y + (CELL - image.height) // 2))

    top = y + CELL
    if entry.probability is None:
        _write(canvas, (x, top + 21), fitted(entry.name, 16, CELL), 16, INK, "ls")
        _write(canvas, (x, top + 41), fitted(Path(entry.path).name, 12, CELL), 12, SOFT, "ls")
        return
    share = f"{entry.probability:.1%}"
    room = CELL - _width(share, 16) - 10
    _write(canvas, (x, top + 21), fitted(entry.name, 16, room), 16, INK, "ls")
    _write(canvas, (x + CELL, top + 21), share, 16, INK, "rs")
    canvas.rectangle((x, top + 29, x + CELL - 1, top + 33), fill=TRACK)
    filled = round(CELL * entry.probability)
    if filled:
        canvas.rectangle((x, top + 29, x + filled - 1, top + 33), fill=BAR)
    _write(canvas, (x, top + 51), fitted(Path(entry.path).name, 12, CELL), 12, SOFT, "ls")


def fitted(text: str, size: int, room: float) -> str:
    """The text, shortened in its middle to the room in pixels that it has."""
    text = " ".join(text.encode(errors="replace").decode().split())
    if _width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: (kept + 1) // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"
        if _width(short, size) <= room:
            return short
    return "…"


def _width(text: str, size: int) -> float:
    font, text = _font(text, size)
    return font.getlength(text)


def _write(
    canvas: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, ink: str, anchor: str
) -> None:
    font, text = _font(text, size)
    canvas.text(place, text, ink, font, anchor)


def _font(text: str, size: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """The font that has most of the text, and the text with its other letters replaced.

    The built-in font, the same on every machine, has little beyond ASCII.
    """
    fonts = _fonts(size) if not text.isascii() else _fonts(size)[:1]
    font = min(fonts, key=lambda font: sum(not _has(font, letter) for letter in text))
    return font, "".join(letter if _has(font, letter) else _plain(font, letter) for letter in text)


@functools.cache
def _fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    fonts = [ImageFont.load_default(size)]
    for name in OTHER_FONTS:
        with contextlib.suppress(OSError):  # not on this machine
            fonts.append(ImageFont.truetype(name, size))
    return fonts


@functools.lru_cache(10_000)
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    return letter.isascii() or bytes(font.getmask(letter)) != bytes(font.getmask("\U0010fffe"))


def _plain(font: ImageFont.FreeTypeFont, letter: str) -> str:
    """The letter without its accent, if that can be drawn."""
    base = unicodedata.normalize("NFD", letter)[0]
    return base if _has(font, base) else "?"


def open_image(path: str) -> Image.Image:
    """Decodes a file to RGB, turned upright as its EXIF says.

    Raises:
        DataError: it cannot be read or is no image.
    """
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, Image.UnidentifiedImageError):
            reason = "none, or of an unknown format"
        raise DataError(
            f"[{path}] expected an image, found: {reason}. Give another file, or repair it."
        ) from error
    if upright.mode.startswith("I"):  # 16 bits, which conversion alone would clip to white
        upright = Image.fromarray((np.asarray(upright) >> 8).clip(0, 255).astype(np.uint8))
    return upright.convert("RGB")
