"""ResNet32 from Keras' own layers: the network that a Keras user would write."""

import keras
from keras import layers, ops

STAGE_CHANNELS, BLOCKS = (16, 32, 64), 5


def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network of lambda_fast/network/resnet32.py: the same variables in the same order."""
    image = keras.Input(image_shape)
    x = layers.ReLU()(_normalisation(_convolution(image, STAGE_CHANNELS[0], 1)))
    for stage, channels in enumerate(STAGE_CHANNELS):
        for block in range(BLOCKS):
            x = _block(x, channels, 2 if stage > 0 and block == 0 else 1)
    logits = layers.Dense(num_classes)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, logits)


def _block(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
    shortcut = x
    if stride != 1:
        grown = channels - x.shape[-1]
        pads = [[0, 0], [0, 0], [0, 0], [grown // 2, grown - grown // 2]]
        shortcut = ops.pad(x[:, ::stride, ::stride, :], pads)
    x = layers.ReLU()(_normalisation(_convolution(x, channels, stride)))
    x = _normalisation(_convolution(x, channels, 1))
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _convolution(x: keras.KerasTensor, channels: int, stride: int) -> keras.KerasTensor:
    padding = "same"
    if stride > 1:
        x, padding = layers.ZeroPadding2D(1)(x), "valid"
    return layers.Conv2D(
        channels,
        3,
        stride,
        padding,
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)


def _normalisation(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
