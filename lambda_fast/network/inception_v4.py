"""Inception-v4 (Szegedy et al., 2016, arXiv:1602.07261, figures 3 to 9).

A stem, four blocks A, seven B and three C with reductions between them; every convolution is
followed by normalisation and ReLU. 42,679,816 trainable parameters for 1000 classes. Made for
299 x 299 pixels; from 75 x 75 on.

Without the paper's dropout, whose draws would belong to the batch and not to the sample.
"""

from __future__ import annotations

from typing import Any

import keras

from lambda_fast.network.layers import BatchNormalization, Conv2D, MaxPooling2D
from lambda_fast.network.sizes import require_sides

Tensor = keras.KerasTensor
BLOCKS = {"a": 4, "b": 7, "c": 3}
SMALLEST = 75

ROW, COLUMN = (1, 7), (7, 1)
SHORT_ROW, SHORT_COLUMN = (1, 3), (3, 1)


def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network.

    Args:
        num_classes: of the logits.
        image_shape: (height, width, channels); 299 x 299 in the paper.

    Returns:
        A model from [batch, height, width, channels] to logits [batch, num_classes].

    Raises:
        ConfigError: the images are too small for the reductions.
    """
    require_sides("inception_v4", image_shape, SMALLEST)
    image = keras.Input(image_shape, name="image")
    x = _stem(image)
    for number in range(BLOCKS["a"]):
        x = _block_a(x, f"a{number + 1}")
    x = _reduction_a(x, "reduction_a")
    for number in range(BLOCKS["b"]):
        x = _block_b(x, f"b{number + 1}")
    x = _reduction_b(x, "reduction_b")
    for number in range(BLOCKS["c"]):
        x = _block_c(x, f"c{number + 1}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(image, logits, name="inception_v4")


def _stem(x: Tensor) -> Tensor:
    x = _halved(x, "stem_1", 32)
    x = _convolved(x, "stem_2", 32, 3, padding="valid")
    x = _convolved(x, "stem_3", 64, 3)
    x = _joined("stem_4", _pooled(x, "stem_4"), _halved(x, "stem_4", 96))
    short = _chain(x, "stem_5_short", (64, 1))
    long = _chain(x, "stem_5_long", (64, 1), (64, ROW), (64, COLUMN))
    short = _convolved(short, "stem_5_short_last", 96, 3, padding="valid")
    long = _convolved(long, "stem_5_long_last", 96, 3, padding="valid")
    x = _joined("stem_5", short, long)
    return _joined("stem_6", _halved(x, "stem_6", 192), _pooled(x, "stem_6"))


def _block_a(x: Tensor, name: str) -> Tensor:
    return _joined(
        name,
        _chain(x, f"{name}_1", (96, 1)),
        _chain(x, f"{name}_2", (64, 1), (96, 3)),
        _chain(x, f"{name}_3", (64, 1), (96, 3), (96, 3)),
        _chain(_averaged(x, name), f"{name}_4", (96, 1)),
    )


def _reduction_a(x: Tensor, name: str) -> Tensor:
    long = _chain(x, f"{name}_2", (192, 1), (224, 3))
    return _joined(
        name, _halved(x, f"{name}_1", 384), _halved(long, f"{name}_2", 256), _pooled(x, name)
    )


def _block_b(x: Tensor, name: str) -> Tensor:
    long = ((192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW))
    return _joined(
        name,
        _chain(x, f"{name}_1", (384, 1)),
        _chain(x, f"{name}_2", (192, 1), (224, ROW), (256, COLUMN)),
        _chain(x, f"{name}_3", *long),
        _chain(_averaged(x, name), f"{name}_4", (128, 1)),
    )


def _reduction_b(x: Tensor, name: str) -> Tensor:
    short = _chain(x, f"{name}_1", (192, 1))
    long = _chain(x, f"{name}_2", (256, 1), (256, ROW), (320, COLUMN))
    return _joined(
        name, _halved(short, f"{name}_1", 192), _halved(long, f"{name}_2", 320), _pooled(x, name)
    )


def _block_c(x: Tensor, name: str) -> Tensor:
    middle = _chain(x, f"{name}_2", (384, 1))
    long = _chain(x, f"{name}_3", (384, 1), (448, SHORT_COLUMN), (512, SHORT_ROW))
    return _joined(
        name,
        _chain(x, f"{name}_1", (256, 1)),
        _chain(middle, f"{name}_2_row", (256, SHORT_ROW)),
        _chain(middle, f"{name}_2_column", (256, SHORT_COLUMN)),
        _chain(long, f"{name}_3_row", (256, SHORT_ROW)),
        _chain(long, f"{name}_3_column", (256, SHORT_COLUMN)),
        _chain(_averaged(x, name), f"{name}_4", (256, 1)),
    )


def _chain(x: Tensor, name: str, *convolutions: tuple[int, Any]) -> Tensor:
    """One (filters, kernel size) after the other; the map keeps its size."""
    for number, (filters, size) in enumerate(convolutions, 1):
        x = _convolved(x, f"{name}_{number}", filters, size)
    return x


def _halved(x: Tensor, name: str, filters: int) -> Tensor:
    return _convolved(x, f"{name}_half", filters, 3, strides=2, padding="valid")


def _convolved(x: Tensor, name: str, filters: int, size: Any, **options: Any) -> Tensor:
    x = Conv2D(filters, size, name=f"{name}_conv", **options)(x)
    return BatchNormalization(relu=True, epsilon=1e-3, name=f"{name}_norm")(x)


def _pooled(x: Tensor, name: str) -> Tensor:
    return MaxPooling2D(3, strides=2, name=f"{name}_pool")(x)


def _averaged(x: Tensor, name: str) -> Tensor:
    return keras.layers.AveragePooling2D(3, strides=1, padding="same", name=f"{name}_mean")(x)


def _joined(name: str, *branches: Tensor) -> Tensor:
    return keras.layers.Concatenate(name=name)(list(branches))
