"""The trivial_augment augmenter: that of resnet, then one random operation of random strength.

TrivialAugment Wide, Müller and Hutter, 2021 (arXiv:2103.10158), which has nothing to tune. On other
images, `policy="trivial_augment"` goes with any augmenter: `cifar.build(policy="trivial_augment")`.
"""

from __future__ import annotations

from typing import Any

from lambda_fast.augmenter import resnet
from lambda_fast.augmenter.spec import AugmentSpec


def build(**fields: Any) -> AugmentSpec:
    """The augmenter.

    Args:
        fields: of `AugmentSpec`, instead of the augmenter's own.
    """
    return resnet.build(**({"policy": "trivial_augment"} | fields))
