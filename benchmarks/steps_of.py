"""Steps of a tf.data pipeline that tunes itself."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_STARTED: list[Iterator[Any]] = []


def steps_of(dataset: tf.data.Dataset) -> Iterator[Any]:
    """An iterator that lasts as long as the process.

    To end one with AUTOTUNE means to wait for its next round of tuning, which can take a minute.
    """
    _STARTED.append(iter(dataset))
    return _STARTED[-1]
