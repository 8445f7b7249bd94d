"""The rand_augment augmenter: that of resnet, then two random operations of one strength.

Cubuk et al., 2019 (arXiv:1909.13719), with torchvision's operations and strengths. On other images,
`policy="rand_augment"` goes with any augmenter: `cifar.build(policy="rand_augment")`.
"""

from __future__ import annotations

from typing import Any

from lambda_fast.augmenter import resnet
from lambda_fast.augmenter.spec import AugmentSpec


def build(**fields: Any) -> AugmentSpec:
    """The augmenter.

    Args:
        fields: of `AugmentSpec`, instead of the augmenter's own: `policy_ops` and
            `policy_magnitude`, for example.
    """
    own = {"policy": "rand_augment", "policy_ops": 2, "policy_magnitude": 9}
    return resnet.build(**(own | fields))
