"""The vgg augmenter: a random crop at a random scale, a flip, the mean colour taken away.

Simonyan and Zisserman, 2014 (arXiv:1409.1556, 3.1): the image's short side becomes 256 to 512
pixels, of which the crop shows 224 x 224. For evaluation, `inputter.resize=256` and the middle 224
pixels.
"""

import functools

from lambda_fast.augmenter.spec import AugmentSpec

# Of ImageNet's training images, as the published VGG weights expect it.
MEAN_RGB = (123.68, 116.779, 103.939)

build = functools.partial(
    AugmentSpec,
    height=224,
    width=224,
    crop="random_scaled",
    short_side=(256.0, 512.0),
    flip=0.5,
    normalize="channels",
    mean=MEAN_RGB,
)
