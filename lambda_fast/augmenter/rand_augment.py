"""The rand_augment augmenter: that of resnet, then two random operations of one strength.

Cubuk et al., 2019 (arXiv:1909.13719), with torchvision's operations and strengths. On other images,
`policy="rand_augment"` goes with any augmenter: `cifar.build(policy="rand_augment")`.
"""

import functools

from lambda_fast.augmenter import resnet

build = functools.partial(resnet.build, policy="rand_augment", policy_ops=2, policy_magnitude=9)
