"""Decoding: every kind of file as Pillow has it, and bad ones told apart from their neighbours."""

import numpy as np
import pytest
from PIL import Image

from lambda_fast.inputter.dali_decoder import Decoder
from lambda_fast.inputter.encoded_files import BadImage
from tests.image_files import decoded, encoded, photo

IMAGE = photo(0, 41, 57)


def exif(orientation):
    found = Image.Exif()
    found[0x112] = orientation
    return found


def palette():
    return Image.fromarray(IMAGE).quantize(64)


KINDS = {
    "jpeg": encoded(IMAGE),
    "jpeg 4:4:4": encoded(IMAGE, subsampling=0),
    "progressive": encoded(IMAGE, progressive=True),
    "grey": encoded(Image.fromarray(IMAGE).convert("L")),
    "cmyk": encoded(Image.fromarray(IMAGE).convert("CMYK")),
    "palette": encoded(palette(), "PNG"),
    "png": encoded(IMAGE, "PNG"),
    "transparent": encoded(Image.fromarray(IMAGE).convert("RGBA"), "PNG"),
    "one bit": encoded(Image.fromarray(IMAGE).convert("1"), "PNG"),
    "bmp": encoded(IMAGE, "BMP"),
    "tiff": encoded(IMAGE, "TIFF", compression="tiff_lzw"),
    "webp": encoded(IMAGE, "WEBP", lossless=True),
    "ppm": encoded(IMAGE, "PPM"),
} | {f"exif {turn}": encoded(IMAGE, exif=exif(turn)) for turn in range(1, 9)}


def array(content):
    return np.frombuffer(content, np.uint8)


@pytest.fixture(scope="module")
def decoder():
    return Decoder(threads=2, batch_size=len(KINDS))


def whole(decoder, contents):
    files = [array(content) for content in contents]
    sizes = decoder.sizes(files)
    windows = np.array([(0, 0, *size) for size in sizes], np.int32)
    return decoder.decode(files, windows)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_pillows(decoder, kind):
    (found,) = whole(decoder, [KINDS[kind]])
    assert found.dtype == np.uint8
    assert np.array_equal(found, decoded(KINDS[kind]))


def test_sixteen_bits_become_the_upper_eight(decoder):
    wide = np.arange(41 * 57, dtype=np.uint16).reshape(41, 57) * 27
    (found,) = whole(decoder, [encoded(Image.fromarray(wide), "PNG")])
    assert np.abs(found[..., 0] - wide / 257.0).max() <= 1.0


def test_a_window_holds_the_pixels_of_the_whole(decoder):
    random = np.random.default_rng(0)
    contents = [encoded(photo(i, 60 + i, 91), quality=70 + i) for i in range(12)]
    files = [array(content) for content in contents]
    for _ in range(5):
        windows = []
        for height, width in decoder.sizes(files):
            rows, columns = random.integers(1, height + 1), random.integers(1, width + 1)
            y, x = random.integers(0, height - rows + 1), random.integers(0, width - columns + 1)
            windows.append((y, x, rows, columns))
        parts = decoder.decode(files, np.array(windows, np.int32))
        for content, (y, x, rows, columns), part in zip(contents, windows, parts, strict=True):
            assert np.array_equal(part, decoded(content)[y : y + rows, x : x + columns])


def test_a_bad_image_leaves_its_neighbours_alone(decoder):
    good, cut = KINDS["jpeg"], KINDS["jpeg"][:-400]
    files = [array(good), array(cut), array(KINDS["png"]), array(b"<html>"), array(good)]
    sizes = decoder.sizes(files)
    assert isinstance(sizes[3], BadImage)
    assert sizes[:3] == [(41, 57)] * 3
    files.pop(3)
    windows = np.array([(0, 0, 41, 57)] * 4, np.int32)
    for _ in range(2):  # and again: the pipeline that failed was replaced
        found = decoder.decode(files, windows)
        assert isinstance(found[1], BadImage)
        assert found[1].reason.startswith("cannot be decoded")
        for place in (0, 2, 3):
            assert np.array_equal(found[place], decoded(files[place].tobytes()))


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = encoded(Image.new("1", (30000, 20000)), "PNG")
    (size,) = Decoder(threads=1, batch_size=1).sizes([array(bomb)])
    assert "20000 x 30000 pixels, more than the 268,435,456" in size.reason
