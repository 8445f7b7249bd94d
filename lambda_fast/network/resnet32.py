"""ResNet-32 for CIFAR (He et al., 2015, arXiv:1512.03385, section 4.2).

Three stages of five residual blocks with 16, 32 and 64 channels, and shortcuts without parameters
(option A: strided identity, new channels zero): 464,154 trainable parameters.
"""

import keras
from keras import layers, ops

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
    x = layers.ReLU(name="stem_relu")(_normalisation(x, "stem"))
    for stage, channels in enumerate(STAGE_CHANNELS):
        for block in range(BLOCKS_PER_STAGE):
            stride = 2 if stage > 0 and block == 0 else 1
            x = _block(x, channels, stride, f"stage{stage + 1}_block{block + 1}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    logits = layers.Dense(num_classes, name="logits")(x)
    return keras.Model(image, logits, name="resnet32")


def _block(x: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
    shortcut = x
    if stride != 1 or x.shape[-1] != channels:
        grown = channels - x.shape[-1]
        shortcut = ops.pad(
            x[:, ::stride, ::stride, :],
            [[0, 0], [0, 0], [0, 0], [grown // 2, grown - grown // 2]],
        )
    x = _normalisation(_convolution(x, channels, stride, f"{name}_1"), f"{name}_1")
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _normalisation(_convolution(x, channels, 1, f"{name}_2"), f"{name}_2")
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, shortcut]))


def _convolution(x: keras.KerasTensor, channels: int, stride: int, name: str) -> keras.KerasTensor:
    if stride > 1:
        # One pixel on each side, so that windows are centred where the shortcut takes its pixels;
        # "same" would pad even sizes on the right alone.
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.Conv2D(
        channels,
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def _normalisation(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
