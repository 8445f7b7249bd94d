"""JPEGs without the rows above a window: the same pixels, from fewer bytes."""

import numpy as np
import pytest
from PIL import Image

from lambda_fast import native
from lambda_fast.inputter.dali_decoder import Decoder
from lambda_fast.inputter.encoded_files import BadImage
from tests.image_files import encoded, photo

INDEX_BYTES = 1 << 20


def blocks(height=160, width=120):
    """Black and white squares: the largest differences that there are, and no others."""
    squares = np.indices((height, width)).sum(axis=0) // 8 % 2 * 255
    return np.repeat(squares[..., None], 3, axis=2).astype(np.uint8)


def noise(height=150, width=110):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)


def grey(image, **options):
    return encoded(Image.fromarray(image).convert("L"), **options)


PHOTO = photo(0, 203, 157)
CUT = {
    "4:4:4": encoded(PHOTO, subsampling=0),
    "4:2:2": encoded(PHOTO, subsampling=1),
    "4:2:0": encoded(PHOTO, subsampling=2),
    "grey": grey(PHOTO),
    "own codes": encoded(PHOTO, subsampling=0, optimize=True),
    "own codes, 4:2:0": encoded(PHOTO, optimize=True),
    "own codes, grey": grey(PHOTO, optimize=True),
    "good": encoded(PHOTO, quality=92, optimize=True),
    "poor": encoded(PHOTO, quality=5, optimize=True),
    "noise": encoded(noise(), quality=95, subsampling=0, optimize=True),
    "noise, 4:2:0": encoded(noise(), quality=95, optimize=True),
    "with a comment": encoded(PHOTO, comment=b"\xff\xda no scan"),
}
MAYBE_CUT = {  # files whose codes may lack what an empty row takes, as small ones' do
    "very good": encoded(PHOTO, quality=98, optimize=True),
    "squares": encoded(blocks(), subsampling=0, optimize=True),
    "squares, 4:2:0": encoded(blocks(), optimize=True),
    "black": encoded(np.zeros((90, 64, 3), np.uint8), optimize=True),
    "narrow": encoded(photo(1, 160, 5), subsampling=0),
    "narrow, own codes": encoded(photo(1, 160, 17), optimize=True),
    "one block across": grey(photo(2, 99, 8), optimize=True),
}
exif = Image.Exif()
exif[0x112] = 3
UNTOUCHED = {
    "progressive": encoded(PHOTO, progressive=True),
    "restart markers": encoded(PHOTO, restart_marker_blocks=5),
    "exif": encoded(PHOTO, exif=exif),
    "cmyk": encoded(Image.fromarray(PHOTO).convert("CMYK")),
    "png": encoded(PHOTO, "PNG"),
    "no image": b"<html>" * 40,
    "empty": b"",
}


@pytest.fixture(scope="module")
def decoder():
    return Decoder(threads=2, batch_size=1100)


def skip(contents, ys, index=None, ids=None, threads=2):
    files = [np.frombuffer(content, np.uint8).copy() for content in contents]
    ids = np.zeros(len(files), np.int64) if ids is None else ids
    found = native.core().skip_jpeg_rows(files, np.array(ys, np.int32), threads, index, ids)
    return [file[begin:] for file, begin in zip(files, found[:, 0], strict=True)], found[:, 1]


def windows_of(content, ys):
    height, width = native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[1:]
    extents = [(y, width // 5, min(20, height - y), width - width // 5) for y in ys]
    return np.array(extents, np.int32)


def check_pixels(decoder, content, index=None, threads=2):
    """All windows' pixels are those of the whole file. Returns the rows that each left out."""
    height = native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[1]
    ys = np.random.default_rng(0).permutation(height)
    windows = windows_of(content, ys)
    expected = decoder.decode([np.frombuffer(content, np.uint8)] * height, windows)
    shorter, rows = skip([content] * height, ys, index, threads=threads)
    windows[:, 0] -= rows.astype(np.int32)
    for y, one, other in zip(ys, decoder.decode(shorter, windows), expected, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=f"window at row {y}")
    return ys, rows, [len(file) for file in shorter]


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("indexed", [False, True], ids=["walked", "indexed"])
def test_windows_show_the_same_pixels_of_fewer_rows(decoder, kind, indexed):
    index = native.core().RowIndex(1, INDEX_BYTES) if indexed else None
    for threads in (1, 3):  # the second time, an index knows the rows
        ys, rows, lengths = check_pixels(decoder, CUT[kind], index, threads)
        tall = 16 if "4:2:0" in kind or kind in ("good", "poor", "with a comment") else 8
        kept = ys - rows  # the window's place: within the second row of MCUs, or the third
        deep = ys >= 4 * tall
        assert (kept[deep] < (3 if tall == 16 else 2) * tall).all() and (kept >= 0).all()
        assert (rows % tall == 0).all() and (np.array(lengths)[deep] < len(CUT[kind])).all()


@pytest.mark.parametrize("kind", MAYBE_CUT)
def test_codes_that_lack_something_change_no_pixel(decoder, kind):
    check_pixels(decoder, MAYBE_CUT[kind])


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_other_files_stay_as_they_are(kind):
    (left,), (rows,) = skip([UNTOUCHED[kind]], [100])
    assert rows == 0 and left.tobytes() == UNTOUCHED[kind]


def test_a_window_near_the_top_needs_the_whole_file():
    lefts, rows = skip([CUT["4:4:4"]] * 3, [0, 8, 15])
    assert not rows.any() and all(left.tobytes() == CUT["4:4:4"] for left in lefts)


def test_an_index_of_no_memory_keeps_nothing(decoder):
    check_pixels(decoder, CUT["4:4:4"], native.core().RowIndex(1, 3))


def test_files_do_not_share_their_places_in_the_index(decoder):
    index = native.core().RowIndex(2, INDEX_BYTES)
    contents, ys = [CUT["4:4:4"], CUT["good"]], [100, 100]
    for _ in range(2):
        lefts, rows = skip(contents, ys, index, np.array([0, 1]))
        for content, left, row in zip(contents, lefts, rows, strict=True):
            window = windows_of(content, [100])
            (expected,) = decoder.decode([np.frombuffer(content, np.uint8)], window)
            window[:, 0] -= row
            (found,) = decoder.decode([left], window)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("other", ["own codes", "4:2:0", "noise"])
def test_a_file_that_changed_is_walked_over_anew(decoder, other):
    index = native.core().RowIndex(1, INDEX_BYTES)
    check_pixels(decoder, CUT["4:4:4"], index)
    check_pixels(decoder, CUT[other], index)


@pytest.mark.parametrize("other", ["brighter", "lower"])
def test_a_file_of_equal_length_is_told_from_the_one_before(decoder, other):
    index = native.core().RowIndex(1, INDEX_BYTES)
    if other == "brighter":  # its first code alone is another one
        before, after = (grey(np.full((160, 64, 3), value, np.uint8)) for value in (200, 210))
    else:  # as many rows as to change how far apart those are that an index keeps
        before = bytearray(grey(photo(0, 1040, 16)))
        at = before.index(b"\xff\xc0") + 5
        assert int.from_bytes(before[at : at + 2], "big") == 1040
        after = before.copy()
        after[at : at + 2] = (1032).to_bytes(2, "big")
    assert len(before) == len(after)
    for content in (before, after, before):
        check_pixels(decoder, bytes(content), index)


def test_damage_above_the_window_leaves_pixels_as_the_decoder_finds_them(decoder):
    """Whatever the damage: the codes make no sense and nothing is left out, or pixels are alike."""
    random = np.random.default_rng(5)
    contents = []
    for kind in ("4:4:4", "own codes, 4:2:0", "own codes, grey"):
        begin = CUT[kind].rindex(b"\xff\xda") + 16
        for _ in range(60):
            damaged = bytearray(CUT[kind])
            damaged[begin + int(random.integers(len(damaged) - begin - 400))] ^= 1 << int(
                random.integers(8)
            )
            contents.append(bytes(damaged))
    sound = [
        content
        for content in contents
        if native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[0] == ""
    ]
    assert len(sound) > 150
    windows = np.concatenate([windows_of(content, [150]) for content in sound])
    expected = decoder.decode([np.frombuffer(content, np.uint8) for content in sound], windows)
    lefts, rows = skip(sound, [150] * len(sound))
    windows[:, 0] -= rows.astype(np.int32)
    assert (rows > 0).sum() > 0
    for found, other in zip(decoder.decode(lefts, windows), expected, strict=True):
        assert not isinstance(other, BadImage)
        np.testing.assert_array_equal(found, other)


def test_ids_outside_of_the_index_are_refused():
    index = native.core().RowIndex(1, INDEX_BYTES)
    with pytest.raises(ValueError, match=r"\[skip_jpeg_rows\] expected ids below 1; found 1"):
        skip([CUT["4:4:4"]], [100], index, np.array([1]))
    with pytest.raises(ValueError, match="expected n files"):
        skip([CUT["4:4:4"]], [100, 101])
