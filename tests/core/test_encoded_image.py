"""The structure of encoded images: sound files pass, damage is named."""

import numpy as np
import pytest
from PIL import Image

from lambda_fast import native
from tests.image_files import encoded, photo

JPEG = encoded(photo(1), exif=b"", quality=90)


def fault(content):
    return native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[0]


def size(content):
    return native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[1:]


def thumbnailed():
    """A JPEG whose EXIF part holds a whole small JPEG."""
    small = encoded(photo(2, 16, 16))
    segment = b"Exif\0\0" + small
    return JPEG[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + JPEG[2:]


@pytest.mark.parametrize(
    "content",
    [
        JPEG,
        encoded(photo(1), progressive=True),
        encoded(photo(1), restart_marker_blocks=1),
        encoded(Image.fromarray(photo(1)).convert("CMYK")),
        thumbnailed(),
        JPEG + b"trailing bytes",
        JPEG[:2] + b"\xff" + JPEG[2:],
        encoded(photo(1), "PNG"),
        encoded(photo(1), "BMP"),
        encoded(photo(1), "TIFF"),
        encoded(photo(1), "WEBP"),
        encoded(photo(1), "PPM"),
    ],
)
def test_sound_files_have_no_fault(content):
    assert fault(content) == ""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "thumbnail"])
def test_a_file_cut_anywhere_is_truncated(kind):
    content = {"JPEG": JPEG, "PNG": encoded(photo(1), "PNG"), "thumbnail": thumbnailed()}[kind]
    for length in {*range(12, len(content), 97), len(content) - 1, len(content) - 2}:
        assert "is truncated" in fault(content[:length]), length


def test_damage_within_the_image_data_is_named():
    middle = JPEG.rindex(b"\xff\xda") + 200
    assert "is damaged" in fault(JPEG[:middle] + b"\xff\xce\x07" + JPEG[middle + 3 :])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"<html><body>404</body></html>", "begins with '<html><body>'"),
        (b"\xff\xd8", "is no JPEG"),
        (encoded(photo(1), "GIF"), "is a GIF"),
        (JPEG[:2] + JPEG[JPEG.rindex(b"\xff\xda") :], "without a frame header"),
        (JPEG[:2] + b"\xff\xe1\0\1" + JPEG[2:], "a segment of 1 bytes"),
    ],
)
def test_what_is_no_image_is_named(content, expected):
    assert expected in fault(content)


def test_sizes_are_told_where_nothing_turns_the_image():
    for content in (JPEG, encoded(photo(1), progressive=True), encoded(photo(1), "PNG")):
        assert size(content) == (48, 64)
    turned = Image.Exif()
    turned[0x112] = 6
    for kind in ("JPEG", "PNG"):
        assert size(encoded(photo(1), kind, exif=turned)) == (0, 0)
    assert size(encoded(photo(1), "BMP")) == (0, 0)


def test_random_bytes_never_crash_it():
    random = np.random.default_rng(0)
    for _ in range(3000):
        content = bytearray(JPEG if random.random() < 0.5 else encoded(photo(1, 8, 8), "PNG"))
        for place in random.integers(0, len(content), 5):
            content[place] = random.integers(0, 256)
        fault(bytes(content[: random.integers(0, len(content) + 1)]))
