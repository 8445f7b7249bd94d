"""The inception augmenter: a distorted crop, a flip, distorted colours, values from -1 to 1.

Szegedy et al., 2014 (arXiv:1409.4842, 6) and the preprocessing published with the networks: a
window of 8 to 100 % of the area whose sides are up to 4 : 3 apart; brightness by up to 32 pixel
values, contrast and saturation by factors of 0.5 to 1.5, hues by up to 72 degrees. For evaluation,
`inputter.resize=342` shows the middle 87.5 %.
"""

import functools

from lambda_fast.augmenter.spec import AugmentSpec

_HALF = (127.5, 127.5, 127.5)

build = functools.partial(
    AugmentSpec,
    height=299,
    width=299,
    crop="random_resized",
    area=(0.08, 1.0),
    aspect=(0.75, 4.0 / 3.0),
    flip=0.5,
    brightness=32.0,
    contrast=(0.5, 1.5),
    saturation=(0.5, 1.5),
    hue=72.0,
    normalize="channels",
    mean=_HALF,
    std=_HALF,
)
