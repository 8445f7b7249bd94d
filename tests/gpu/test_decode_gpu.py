"""DALI on a GPU decodes the windows that the host decodes, and no pixel leaves the device.

Needs a CUDA device, DALI and CuPy (and PyTorch, whose profiler tells of copies), no TensorFlow.
"""

from importlib.util import find_spec

import numpy as np
import pytest

from lambda_fast import native
from lambda_fast.augmenter.spec import AugmentSpec
from tests.image_files import encoded, photo

core = native.core()
SIZE = 96, 80
CROPS = AugmentSpec(height=SIZE[0], width=SIZE[1], crop="random_resized", flip=0.5)
LEFT = AugmentSpec(flip=0.5, contrast=(0.6, 1.4), mean=(124.0, 116.0, 104.0), normalize="channels")
COUNT = 24


def why_not():
    """Why these tests cannot run here; "" where they can."""
    missing = [name for name in ("cupy", "nvidia.dali") if not find_spec(name.split(".")[0])]
    if missing:
        return f"{' and '.join(missing)} not installed"
    import cupy

    try:
        import nvidia.dali  # noqa: F401

        return "" if cupy.cuda.runtime.getDeviceCount() > 0 else "no CUDA device"
    except (ImportError, cupy.cuda.runtime.CUDARuntimeError) as error:
        return str(error)


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def files():
    """Encoded photographs, int32 sizes."""
    images = [photo(i, 200 + 30 * (i % 5), 320 - 40 * (i % 4)) for i in range(COUNT)]
    kinds = [{"kind": "PNG"} if i % 6 == 5 else {"quality": 90} for i in range(COUNT)]
    contents = [encoded(image, **kind) for image, kind in zip(images, kinds, strict=True)]
    return (
        [np.frombuffer(content, np.uint8) for content in contents],
        np.array([image.shape[:2] for image in images], np.int32),
    )


def decoder(size=SIZE):
    from lambda_fast.inputter.device_decoder import DeviceDecoder

    return DeviceDecoder(size, True, COUNT, 4, 0)


def windows_of(sizes, epoch):
    return core.crop_windows(sizes, np.arange(COUNT), 3, epoch, CROPS.fields())


def augmented(images, epoch, stream):
    """The step's part on the device: from DALI's memory, on the given stream."""
    import cupy

    output = cupy.empty((COUNT, *SIZE, 3), cupy.float32)
    ids, seed, epoch = (cupy.asarray(np.array(v, np.int64)) for v in (np.arange(COUNT), 3, epoch))
    cupy.cuda.Device().synchronize()
    pointers = (array.data.ptr for array in (output, images, ids, seed, epoch))
    core.augment_device(*pointers, images.shape, LEFT.fields(), "float32", stream.ptr)
    return output


def test_the_windows_are_the_hosts(files):
    import cupy

    from lambda_fast.inputter.dali_decoder import Decoder

    contents, sizes = files
    on_host, on_device = Decoder(2, COUNT), decoder()
    for epoch in range(3):
        windows = windows_of(sizes, epoch)
        whole = [(0, 0, h, w) for _, _, h, w in windows]
        expected = np.empty((COUNT, *SIZE, 3), np.uint8)
        images = on_host.decode(contents, windows)
        core.resize(expected, images, np.array(whole, np.int32), True, 2)
        found = cupy.from_dlpack(on_device.decode(contents, windows)).get()
        difference = np.abs(found.astype(int) - expected)
        # A window one pixel off would differ by 6 in the mean: pixels here have noise of +-9.
        assert difference.mean() < 2, difference.mean()
        assert difference.reshape(COUNT, -1).mean(axis=1).max() < 3


def test_png_windows_without_a_resize_are_exact(files):
    import cupy

    image = photo(1, 60, 70)
    windows = np.array([[5, 7, 40, 50]] * COUNT, np.int32)
    content = [np.frombuffer(encoded(image, "PNG"), np.uint8)] * COUNT
    found = cupy.from_dlpack(decoder(None).decode(content, windows)).get()
    assert (found == image[5:45, 7:57]).all()


def test_memory_belongs_to_whoever_refers_to_it(files):
    import cupy

    contents, sizes = files
    on_device = decoder()
    arrays = [cupy.from_dlpack(on_device.decode(contents, windows_of(sizes, e))) for e in range(6)]
    kept = [array.get() for array in arrays]
    for epoch in range(6, 12):
        on_device.decode(contents, windows_of(sizes, epoch))
    for array, before in zip(arrays, kept, strict=True):
        assert (array.get() == before).all()
    again = cupy.from_dlpack(on_device.decode(contents, windows_of(sizes, 2))).get()
    assert (again == kept[2]).all(), "the same windows have other pixels"


def test_no_pixel_visits_the_host_between_decoder_and_step(files):
    import cupy

    torch = pytest.importorskip("torch")
    contents, sizes = files
    on_device, stream = decoder(), cupy.cuda.Stream(non_blocking=True)
    images = cupy.from_dlpack(on_device.decode(contents, windows_of(sizes, 0)))
    augmented(images, 0, stream)
    stream.synchronize()

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        memory = on_device.decode(contents, windows_of(sizes, 1))
        images = cupy.from_dlpack(memory)
        output = augmented(images, 1, stream)
        stream.synchronize()
    names = [event.name for event in profile.events()]
    assert any("augment" in name for name in names), names  # the profiler sees this work
    assert not [name for name in names if "DtoH" in name], names

    assert memory.__dlpack_device__()[0] == 2  # CUDA
    pixels = images.get()
    expected = core.augment(pixels, np.arange(COUNT), 3, 1, LEFT.fields(), "float32", 2)
    assert output.get().tobytes() == expected.tobytes()


def test_a_damaged_image_spoils_one_batch_alone(files):
    import cupy

    contents, sizes = files
    on_device, windows = decoder(), windows_of(sizes, 0)
    before = cupy.from_dlpack(on_device.decode(contents, windows)).get()
    damaged = [*contents[:3], np.frombuffer(b"no image at all", np.uint8), *contents[4:]]
    with pytest.raises(RuntimeError):
        on_device.decode(damaged, windows)
    assert (cupy.from_dlpack(on_device.decode(contents, windows)).get() == before).all()
