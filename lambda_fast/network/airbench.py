"""The airbench94 network for small photographs (Jordan, 2024, arXiv:2404.00498).

Fixed 2 x 2 filters whiten the image; three blocks of two 3 x 3 convolutions with 64, 256 and 256
channels follow, each halving the image; the classes are read from the greatest value of each
channel. 1,971,328 trainable parameters for ten classes. For images of 9 x 9 pixels or more; made
for 32 x 32.

Against the paper, the whitening has no bias: its gradient would cost a tenth of the step.
"""

from __future__ import annotations

import keras
import numpy as np

from lambda_fast.network.layers import BatchNormalization, Conv2D, MaxPooling2D
from lambda_fast.network.sizes import require_sides

WIDTHS = (64, 256, 256)
WHITENED = 2  # side of the patches that are whitened
WHITENING_FLOOR = 5e-4  # added to the variances, so that directions without any stay small
SMALLEST = 9


def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network.

    Args:
        num_classes: of the logits.
        image_shape: (height, width, channels).

    Returns:
        A model from [batch, height, width, channels] to logits [batch, num_classes].

    Raises:
        ConfigError: the images are too small to be halved three times.
    """
    require_sides("airbench", image_shape, SMALLEST)
    image = keras.Input(image_shape, name="image")
    # Each direction of the patches and its opposite, because the activation cuts off one side.
    filters = 2 * image_shape[2] * WHITENED**2
    x = Conv2D(filters, WHITENED, padding="valid", trainable=False, name="whitening")(image)
    x = _activation(x, "whitening")
    for number, width in enumerate(WIDTHS, 1):
        x = _convolution(x, width, f"block{number}_1")
        x = MaxPooling2D(2, name=f"block{number}_pool")(x)
        x = _normalised(x, f"block{number}_1")
        x = _normalised(_convolution(x, width, f"block{number}_2"), f"block{number}_2")
    x = keras.layers.GlobalMaxPooling2D(name="pool")(x)
    small = keras.initializers.RandomNormal(stddev=1.0 / WIDTHS[-1])
    logits = keras.layers.Dense(
        num_classes, use_bias=False, kernel_initializer=small, name="logits"
    )(x)
    return keras.Model(image, logits, name="airbench")


def first_weights(model: keras.Model, images: np.ndarray) -> None:
    """Sets the whitening's filters: the eigenvectors of the images' patches, at unit variance.

    Args:
        model: of `net`.
        images: float32 [some, height, width, channels], as the network sees them in evaluation.
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, (WHITENED, WHITENED), axis=(1, 2))
    rows = np.moveaxis(windows, 3, -1).reshape(-1, WHITENED**2 * images.shape[-1])
    variances, directions = np.linalg.eigh(rows.T.astype(np.float64) @ rows / len(rows))
    filters = directions / np.sqrt(variances + WHITENING_FLOOR)
    shape = (WHITENED, WHITENED, images.shape[-1], -1)
    kernel = np.concatenate([filters, -filters], axis=1).reshape(shape)
    model.get_layer("whitening").set_weights([kernel])


@keras.saving.register_keras_serializable("lambda_fast")
def gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """The sigmoid's approximation of GELU (Hendrycks and Gimpel, 2016, arXiv:1606.08415).

    Half the time of the error function's, forward and back.
    """
    return x * keras.ops.sigmoid(1.702 * x)


class _NearIdentity(keras.initializers.Initializer):
    """A random kernel whose first filters pass the channels through unchanged."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
        uniform = keras.initializers.VarianceScaling(1.0 / 3.0, "fan_in", "uniform")
        kernel = np.array(uniform(shape, dtype="float32"))
        height, width, channels, filters = shape
        passed = min(channels, filters)
        kernel[..., :passed] = 0.0
        kernel[height // 2, width // 2, range(passed), range(passed)] = 1.0
        return keras.ops.convert_to_tensor(kernel, dtype)


def _convolution(x: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    return Conv2D(width, 3, kernel_initializer=_NearIdentity(), name=f"{name}_conv")(x)


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return _activation(BatchNormalization(scale=False, momentum=0.6, name=f"{name}_norm")(x), name)


def _activation(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.Activation(gelu, name=f"{name}_gelu")(x)
