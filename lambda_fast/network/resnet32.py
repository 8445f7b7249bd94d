"""ResNet-32 for CIFAR (He et al., 2015, arXiv:1512.03385, section 4.2).

Three stages of five residual blocks with 16, 32 and 64 channels, and shortcuts without parameters
(option A: strided identity, new channels zero): 464,154 trainable parameters.
"""

from typing import Any

import keras
from keras import ops

from lambda_fast.network.layers import BatchNormalization, Conv2D

BLOCKS_PER_STAGE = 5
STAGE_CHANNELS = (16, 32, 64)


def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network.

    Args:
        num_classes: of the logits.
        image_shape: (height, width, channels).

    Returns:
        A model from [batch, height, width, channels] to logits [batch, num_classes].
    """
    image = keras.Input(image_shape, name="image")
    x = _convolution(image, STAGE_CHANNELS[0], 1, "stem")
    x = BatchNormalization(relu=True, name="stem_norm")(x)
    for stage, channels in enumerate(STAGE_CHANNELS):
        for block in range(BLOCKS_PER_STAGE):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _block(x, channels, stride, f"stage{stage + 1}_block{block + 1}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(image, logits, name="resnet32")


def _block(x: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
    grown = channels - x.shape[-1]
    x, shortcut = _convolution(x, channels, stride, f"{name}_1", keep_input=True)
    if stride != 1 or grown:
        shortcut = ops.pad(
            shortcut[:, ::stride, ::stride, :],
            [[0, 0], [0, 0], [0, 0], [grown // 2, grown - grown // 2]],
        )
    x = BatchNormalization(relu=True, name=f"{name}_1_norm")(x)
    x = _convolution(x, channels, 1, f"{name}_2")
    return BatchNormalization(relu=True, name=f"{name}_2_norm")(x, shortcut)


def _convolution(
    x: keras.KerasTensor, channels: int, stride: int, name: str, **options: Any
) -> Any:
    # One pixel on each side, so that strided windows are centred where the shortcut takes its
    # pixels; "same" would pad even sizes on the right alone.
    return Conv2D(channels, 3, strides=stride, padding=1, name=f"{name}_conv", **options)(x)
