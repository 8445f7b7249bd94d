"""The cifar augmenter: a random crop of the padded image, and a flip.

As He et al., 2015 (arXiv:1512.03385, 4.2), but padded by the mirrored image instead of zeros.
"""

import functools

from lambda_fast.augmenter.spec import AugmentSpec

build = functools.partial(
    AugmentSpec, pad=4, border="reflect", crop="random", flip=0.5, normalize="image"
)
