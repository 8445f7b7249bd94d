"""ResNet32 from Keras' own layers: the network that a Keras user would write."""

import keras
from keras import layers, ops

STAGE_CHANNELS, BLOCKS = (16, 32, 64), 5
Decay = keras.regularizers.Regularizer | None


def net(num_classes: int, image_shape: tuple[int, int, int], l2: float = 0.0) -> keras.Model:
    """The network of lambda_fast/network/resnet32.py: the same variables in the same order.

    Args:
        num_classes: of the logits.
        image_shape: (height, width, channels).
        l2: times the squares of kernels, added to the loss.
    """
    decay = keras.regularizers.L2(l2) if l2 > 0 else None
    image = keras.Input(image_shape)
    x = layers.ReLU()(_normalisation(_convolution(image, STAGE_CHANNELS[0], 1, decay)))
    for stage, channels in enumerate(STAGE_CHANNELS):
        for block in range(BLOCKS):
            x = _block(x, channels, 2 if stage > 0 and block == 0 else 1, decay)
    pooled = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(num_classes, kernel_regularizer=decay)(pooled)
    return keras.Model(image, logits)


def _block(x: keras.KerasTensor, channels: int, stride: int, decay: Decay) -> keras.KerasTensor:
    shortcut = x
    if stride != 1:
        grown = channels - x.shape[-1]
        pads = [[0, 0], [0, 0], [0, 0], [grown // 2, grown - grown // 2]]
        shortcut = ops.pad(x[:, ::stride, ::stride, :], pads)
    x = layers.ReLU()(_normalisation(_convolution(x, channels, stride, decay)))
    x = _normalisation(_convolution(x, channels, 1, decay))
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _convolution(
    x: keras.KerasTensor, channels: int, stride: int, decay: Decay
) -> keras.KerasTensor:
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
        kernel_regularizer=decay,
    )(x)


def _normalisation(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
