"""VGG-19 (Simonyan and Zisserman, 2014, arXiv:1409.1556, configuration E).

Sixteen 3 x 3 convolutions with bias and ReLU, a pooling after the 2nd, 4th, 8th, 12th and 16th,
then layers of 4096, 4096 and num_classes: 143,667,240 trainable parameters for 1000 classes at
224 x 224 pixels. Images whose last map is below 7 x 7, such as CIFAR's, have one layer behind the
map's mean instead: 20,029,514 for ten classes. From 32 x 32 on.

Without the paper's dropout, whose draws would belong to the batch and not to the sample.
"""

import keras

from lambda_fast.network.layers import Conv2D, MaxPooling2D
from lambda_fast.network.sizes import require_sides

STAGES = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)
HIDDEN = 4096
CLASSIC_MAP = 7
SMALLEST = 2 ** len(STAGES)


def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network.

    Args:
        num_classes: of the logits.
        image_shape: (height, width, channels); 224 x 224 in the paper.

    Returns:
        A model from [batch, height, width, channels] to logits [batch, num_classes].

    Raises:
        ConfigError: the images are too small to be halved five times.
    """
    require_sides("vgg19", image_shape, SMALLEST)
    x = image = keras.Input(image_shape, name="image")
    for stage, widths in enumerate(STAGES, 1):
        for number, width in enumerate(widths, 1):
            name = f"block{stage}_conv{number}"
            x = Conv2D(width, 3, use_bias=True, name=name)(x)
            x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        x = MaxPooling2D(2, name=f"block{stage}_pool")(x)
    if min(x.shape[1:3]) < CLASSIC_MAP:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = keras.layers.Flatten(name="flatten")(x)
        for name in ("fc1", "fc2"):
            x = keras.layers.Dense(
                HIDDEN, activation="relu", kernel_initializer="he_normal", name=name
            )(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(image, logits, name="vgg19")
