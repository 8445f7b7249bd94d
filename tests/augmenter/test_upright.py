"""Exported networks see a turned JPEG as the inputter does."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lambda_fast.augmenter.upright import orientation, upright
from lambda_fast.inputter.dali_decoder import Decoder
from tests.image_files import encoded, photo

IMAGE = photo(0, 41, 57)
COMMENT = b"\xff\xfe\x00\x06Exif"  # a segment before, which is none of Exif


def turned(turn, endian):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = "a maker, so that the orientation is not the first entry"
    exif[0x0112] = turn
    content = encoded(IMAGE, exif=exif, quality=95, subsampling=0)
    assert (b"MM\0*" if endian == ">" else b"II*\0") in content
    return content[:2] + COMMENT + content[2:]


@tf.function
def seen(content):
    return upright(tf.io.decode_jpeg(content), orientation(content))


@pytest.mark.parametrize("endian", "<>")
def test_all_orientations_are_as_the_inputter_has_them(endian):
    files = [turned(turn, endian) for turn in range(1, 9)]
    decoder = Decoder(1, len(files))
    arrays = [np.frombuffer(content, np.uint8) for content in files]
    windows = np.array([(0, 0, *size) for size in decoder.sizes(arrays)], np.int32)
    for number, inputted in enumerate(decoder.decode(arrays, windows)):
        found = seen(tf.constant(files[number])).numpy()
        assert found.shape == inputted.shape
        # Two decoders differ by rounding; an image that lies otherwise by tens.
        assert np.abs(found.astype(int) - inputted).mean() < 2, number + 1


WHOLE = turned(6, "<")


@pytest.mark.parametrize(
    "content",
    {
        "nothing": b"",
        "no Exif": encoded(IMAGE),
        "another kind": encoded(IMAGE, "PNG"),
        "no such orientation": turned(9, "<"),
        "cut off in the segment": WHOLE[: WHOLE.index(b"II*\0") + 14],
        "a table behind the end": WHOLE.replace(b"II*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff"),
        "a segment of no length": b"\xff\xd8\xff\xe0\0\0" + WHOLE[2:],
    }.values(),
)
def test_where_nothing_is_said_nothing_is_turned(content):
    assert int(orientation(tf.constant(content))) == 1
