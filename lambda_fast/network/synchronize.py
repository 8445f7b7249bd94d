"""synchronize: lets a network's batch normalisation see the images of all ranks."""

import keras

from lambda_fast.config import ConfigError
from lambda_fast.network.layers import BatchNormalization


def synchronize(model: keras.Model) -> None:
    """Turns on `synchronized` in all layers of `lambda_fast.network.layers.BatchNormalization`.

    Raises:
        ConfigError: names Keras' own layers, which know nothing of these ranks.
    """
    layers = list(model._flatten_layers(include_self=False))
    foreign = [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
    if foreign:
        raise ConfigError(
            "[modeler.sync_batch_norm] expected the network to normalise by "
            "lambda_fast.network.layers.BatchNormalization, found keras.layers.BatchNormalization: "
            f"{', '.join(each.name for each in foreign)}. Use ours there (same variables, same "
            "values), or set modeler.sync_batch_norm=false"
        )
    for layer in layers:
        if isinstance(layer, BatchNormalization):
            layer.synchronized = True
