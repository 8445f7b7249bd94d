"""The inception augmenter: a distorted crop, a flip, distorted colours, values from -1 to 1.

Szegedy et al., 2014 (arXiv:1409.4842, 6) and the preprocessing published with the networks: a
window of 8 to 100 % of the area whose sides are up to 4 : 3 apart; brightness by up to 32 pixel
values, contrast and saturation by factors of 0.5 to 1.5. The published code turns hues as well,
which this augmenter does not. For evaluation, `inputter.resize=342` shows the middle 87.5 %.
"""

from __future__ import annotations

from typing import Any

from lambda_fast.augmenter.spec import AugmentSpec

_HALF = (127.5, 127.5, 127.5)


def build(**fields: Any) -> AugmentSpec:
    """The augmenter.

    Args:
        fields: of `AugmentSpec`, instead of the augmenter's own.
    """
    own = {
        "height": 299,
        "width": 299,
        "crop": "random_resized",
        "area": (0.08, 1.0),
        "aspect": (0.75, 4.0 / 3.0),
        "flip": 0.5,
        "brightness": 32.0,
        "contrast": (0.5, 1.5),
        "saturation": (0.5, 1.5),
        "normalize": "channels",
        "mean": _HALF,
        "std": _HALF,
    }
    return AugmentSpec(**(own | fields))
