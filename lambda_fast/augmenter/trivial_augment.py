"""The trivial_augment augmenter: that of resnet, then one random operation of random strength.

TrivialAugment Wide, Müller and Hutter, 2021 (arXiv:2103.10158), which has nothing to tune. On other
images, `policy="trivial_augment"` goes with any augmenter: `cifar.build(policy="trivial_augment")`.
"""

import functools

from lambda_fast.augmenter import resnet

build = functools.partial(resnet.build, policy="trivial_augment")
