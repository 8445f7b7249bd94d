"""The resnet augmenter: a window of random area and aspect, a flip, channels normalised.

As ResNets are trained on photographs since Goyal et al., 2017 (arXiv:1706.02677). For evaluation,
`inputter.resize=256` and the middle 224 pixels.
"""

import functools

from lambda_fast.augmenter.spec import AugmentSpec

# Of ImageNet's training images.
MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)

build = functools.partial(
    AugmentSpec,
    height=224,
    width=224,
    crop="random_resized",
    flip=0.5,
    normalize="channels",
    mean=MEAN_RGB,
    std=STD_RGB,
)
