"""The cifar augmenter: a random crop of the padded image, and a flip.

As He et al., 2015 (arXiv:1512.03385, 4.2), but padded by the mirrored image instead of zeros.
"""

from __future__ import annotations

from typing import Any

from lambda_fast.augmenter.spec import AugmentSpec


def build(**fields: Any) -> AugmentSpec:
    """The augmenter.

    Args:
        fields: of `AugmentSpec`, instead of the augmenter's own.
    """
    own = {"pad": 4, "border": "reflect", "crop": "random", "flip": 0.5, "normalize": "image"}
    return AugmentSpec(**(own | fields))
