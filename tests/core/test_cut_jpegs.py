"""JPEGs without what lies above and beside a window: the same pixels, from fewer bytes."""

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
WIDE = photo(3, 120, 410)
WIDE_CUT = {  # enough MCUs in a row that columns are left out as well
    "4:4:4": encoded(WIDE, subsampling=0),
    "4:2:2": encoded(WIDE, subsampling=1),
    "4:2:0": encoded(WIDE, subsampling=2),
    "grey": grey(WIDE),
    "own codes": encoded(WIDE, subsampling=0, optimize=True),
    "own codes, 4:2:0": encoded(WIDE, optimize=True),
    "good": encoded(WIDE, quality=92, optimize=True),
    "poor": encoded(WIDE, quality=5, optimize=True),
    "noise": encoded(noise(100, 300), quality=95, subsampling=0, optimize=True),
    "noise, 4:2:0": encoded(noise(100, 300), quality=95, subsampling=2),
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


def cut(contents, windows, index=None, ids=None, threads=2):
    """The files that are left, and the pixels at their top and left that they lack [files, 2]."""
    files = [np.frombuffer(content, np.uint8).copy() for content in contents]
    ids = np.zeros(len(files), np.int64) if ids is None else ids
    found = native.core().cut_jpegs(files, windows, threads, index, ids)
    return [file[begin:] for file, begin in zip(files, found[:, 0], strict=True)], found[:, 1:]


def windows_of(content, ys):
    """One from each of these rows on, of any width."""
    height, width = native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[1:]
    random = np.random.default_rng(len(ys))
    xs = random.integers(0, width, len(ys))
    extents = [
        (y, x, random.integers(1, min(41, height - y + 1)), random.integers(1, width - x + 1))
        for y, x in zip(ys, xs, strict=True)
    ]
    return np.array(extents, np.int32)


def check_pixels(decoder, content, index=None, threads=2):
    """All windows' pixels are those of the whole file. Returns the windows and what was cut."""
    height = native.core().inspect_encoded_image(np.frombuffer(content, np.uint8))[1]
    windows = windows_of(content, np.random.default_rng(0).permutation(height))
    expected = decoder.decode([np.frombuffer(content, np.uint8)] * height, windows)
    shorter, lacks = cut([content] * height, windows, index, threads=threads)
    moved = windows.copy()
    moved[:, :2] -= lacks.astype(np.int32)
    found = decoder.decode(shorter, moved)
    for window, one, other in zip(windows, found, expected, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=f"window {window}")
    return windows, lacks, np.array([len(file) for file in shorter])


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("indexed", [False, True], ids=["walked", "indexed"])
def test_windows_show_the_same_pixels_of_fewer_rows(decoder, kind, indexed):
    index = native.core().PlaceIndex(1, INDEX_BYTES) if indexed else None
    for threads in (1, 3):  # the second time, an index knows the rows
        windows, lacks, lengths = check_pixels(decoder, CUT[kind], index, threads)
        tall = 16 if "4:2:0" in kind or kind in ("good", "poor", "with a comment") else 8
        ys, rows = windows[:, 0], lacks[:, 0]
        kept = ys - rows  # the window's place: within the second row of MCUs, or the third
        deep = ys >= 4 * tall
        assert (kept[deep] < (3 if tall == 16 else 2) * tall).all() and (kept >= 0).all()
        assert (rows % tall == 0).all() and (lengths[deep] < len(CUT[kind])).all()
        assert indexed or not lacks[:, 1].any()


@pytest.mark.parametrize("kind", WIDE_CUT)
def test_windows_show_the_same_pixels_of_fewer_columns(decoder, kind):
    content = WIDE_CUT[kind]
    index = native.core().PlaceIndex(1, INDEX_BYTES)
    before = None
    for threads in (1, 3):
        windows, lacks, lengths = check_pixels(decoder, content, index, threads)
        assert before is None or np.array_equal(lengths, before), (
            "an index that is full changes no file"
        )
        before = lengths
    broad = 16 if "4:2" in kind or kind in ("good", "poor") else 8
    xs, columns = windows[:, 1], lacks[:, 1]
    kept = xs - columns
    assert (columns % broad == 0).all() and (kept >= 0).all()
    right = xs >= 10 * broad
    assert right.sum() > 10 and (columns[right] > 0).mean() > 0.8
    assert (kept[columns > 0] < broad + 2).all()
    # A window in a corner of a file takes about its share of the bytes.
    small = np.array([[48, 160, 16, 64]], np.int32)
    assert len(cut([content], small, index)[0][0]) < 0.45 * len(content)


@pytest.mark.parametrize("width", [400, 401, 402, 403, 404, 405, 406])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2"])
def test_the_last_columns_are_smoothed_as_the_whole_file_is(decoder, width, subsampling):
    content = encoded(photo(4, 64, width), subsampling=subsampling)
    windows = np.array(
        [(y, x, 9, width - x) for y in (0, 20, 50) for x in range(width - 24, width)], np.int32
    )
    files = [np.frombuffer(content, np.uint8)] * len(windows)
    expected = decoder.decode(files, windows)
    index = native.core().PlaceIndex(1, INDEX_BYTES)
    for _ in range(2):
        lefts, lacks = cut([content] * len(windows), windows, index)
        moved = windows.copy()
        moved[:, :2] -= lacks.astype(np.int32)
        assert (lacks[:, 1] > 0).all()
        for one, other in zip(decoder.decode(lefts, moved), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def with_size(content, height, width):
    """The same file with another size in its header."""
    changed, at = bytearray(content), content.index(b"\xff\xc0") + 5
    changed[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(changed)


@pytest.mark.parametrize("size", [(65_535, 410), (120, 65_535)])
def test_what_no_decoder_takes_is_not_made_smaller(size):
    content = with_size(WIDE_CUT["grey"], *size)
    window = np.array([[100, 300, 9, 9]], np.int32)
    (left,), lacks = cut([content], window, native.core().PlaceIndex(1, INDEX_BYTES))
    assert not lacks.any() and left.tobytes() == content


def test_a_scan_that_ends_early_is_not_walked_on(decoder):
    # Its header promises 268 million pixels; zeros behind its end would decode to no end.
    content = with_size(WIDE_CUT["grey"], 16_384, 16_384)
    window = np.array([[16_000, 0, 9, 9]], np.int32)
    for index in (None, native.core().PlaceIndex(1, 40), native.core().PlaceIndex(1, INDEX_BYTES)):
        (left,), lacks = cut([content], window, index)
        assert not lacks.any() and left.tobytes() == content


def test_few_places_in_the_index_cut_rows_alone(decoder):
    _, lacks, _ = check_pixels(decoder, WIDE_CUT["4:4:4"], native.core().PlaceIndex(1, 400))
    assert lacks[:, 0].any() and not lacks[:, 1].any()


@pytest.mark.parametrize("kind", MAYBE_CUT)
def test_codes_that_lack_something_change_no_pixel(decoder, kind):
    index = native.core().PlaceIndex(1, INDEX_BYTES)
    for known in (None, index, index):
        check_pixels(decoder, MAYBE_CUT[kind], known)


@pytest.mark.parametrize("kind", UNTOUCHED)
def test_other_files_stay_as_they_are(kind):
    index = native.core().PlaceIndex(1, INDEX_BYTES)
    (left,), lacks = cut([UNTOUCHED[kind]], np.array([[100, 0, 9, 9]], np.int32), index)
    assert not lacks.any() and left.tobytes() == UNTOUCHED[kind]


def test_a_window_near_the_top_needs_the_whole_file():
    windows = np.array([[y, 0, 30, 157] for y in (0, 8, 15)], np.int32)
    lefts, lacks = cut([CUT["4:4:4"]] * 3, windows)
    assert not lacks.any() and all(left.tobytes() == CUT["4:4:4"] for left in lefts)


def test_an_index_of_no_memory_keeps_nothing(decoder):
    check_pixels(decoder, CUT["4:4:4"], native.core().PlaceIndex(1, 3))


def test_files_do_not_share_their_places_in_the_index(decoder):
    index = native.core().PlaceIndex(2, INDEX_BYTES)
    contents, windows = [CUT["4:4:4"], CUT["good"]], np.array([[100, 90, 20, 40]] * 2, np.int32)
    for _ in range(2):
        lefts, lacks = cut(contents, windows, index, np.array([0, 1]))
        for content, left, lack in zip(contents, lefts, lacks, strict=True):
            window = windows[:1].copy()
            (expected,) = decoder.decode([np.frombuffer(content, np.uint8)], window)
            window[:, :2] -= lack.astype(np.int32)
            (found,) = decoder.decode([left], window)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("other", ["own codes", "4:2:0", "noise"])
def test_a_file_that_changed_is_walked_over_anew(decoder, other):
    index = native.core().PlaceIndex(1, INDEX_BYTES)
    for files in (CUT, WIDE_CUT):
        check_pixels(decoder, files["4:4:4"], index)
        check_pixels(decoder, files[other], index)
        check_pixels(decoder, files["4:4:4"], index)


@pytest.mark.parametrize("other", ["brighter", "lower"])
def test_a_file_of_equal_length_is_told_from_the_one_before(decoder, other):
    index = native.core().PlaceIndex(1, INDEX_BYTES)
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


@pytest.mark.parametrize("indexed", [False, True], ids=["walked", "indexed"])
def test_damage_leaves_pixels_as_the_decoder_finds_them(decoder, indexed):
    """Whatever the damage: the codes make no sense and nothing is left out, or pixels are alike."""
    random = np.random.default_rng(5)
    files = WIDE_CUT if indexed else CUT
    contents = []
    for kind in ("4:4:4", "own codes, 4:2:0", "own codes"):
        begin = files[kind].rindex(b"\xff\xda") + 16
        for _ in range(60):
            damaged = bytearray(files[kind])
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
    y = 60 if indexed else 150
    windows = np.array([[y, 100, 40, 50]] * len(sound), np.int32)
    expected = decoder.decode([np.frombuffer(content, np.uint8) for content in sound], windows)
    index = native.core().PlaceIndex(len(sound), 1 << 24) if indexed else None
    for _ in range(2):
        lefts, lacks = cut(sound, windows, index, np.arange(len(sound)))
        moved = windows.copy()
        moved[:, :2] -= lacks.astype(np.int32)
        assert (lacks[:, 0] > 0).sum() > 0 and (lacks[:, 1] > 0).any() == indexed
        for found, other in zip(decoder.decode(lefts, moved), expected, strict=True):
            assert not isinstance(other, BadImage)
            np.testing.assert_array_equal(found, other)


def test_arguments_that_make_no_sense_are_refused():
    index, window = native.core().PlaceIndex(1, INDEX_BYTES), np.array([[100, 0, 9, 9]], np.int32)
    with pytest.raises(ValueError, match=r"\[cut_jpegs\] expected ids below 1; found 1"):
        cut([CUT["4:4:4"]], window, index, np.array([1]))
    with pytest.raises(ValueError, match="expected n files"):
        cut([CUT["4:4:4"]], np.repeat(window, 2, axis=0), index)
    with pytest.raises(ValueError, match="expected windows of a pixel"):
        cut([CUT["4:4:4"]], window - 1, index)
