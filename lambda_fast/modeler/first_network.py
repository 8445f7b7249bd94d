"""The network of a run as it is before the first step."""

from __future__ import annotations

import keras
from keras.src.utils.naming import reset_uids  # public in no other place

from lambda_fast.build import find
from lambda_fast.config import Config, ConfigError
from lambda_fast.network.layers import has_fast_bfloat16, has_native_kernels

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def chosen_precision(precision: str) -> str:
    """What `auto` means on this machine; float32 and bfloat16 mean themselves."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_native_kernels() and has_fast_bfloat16() else "float32"


def network_of(config: Config, num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
    """The network with its first weights, which the seed alone decides.

    Args:
        config: the run; its `modeler.precision` is not `auto`.
        num_classes: logits of an image.
        image_shape: (height, width, channels) of the augmented images.

    Raises:
        ConfigError: there is no such network, or it does not take such images.
    """
    net = find("network", config.modeler.network, "net")
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(POLICIES[config.modeler.precision])
        keras.utils.set_random_seed(config.seed % 2**32)
        reset_uids()  # unnamed layers are called alike whatever was built before
        return net(num_classes, image_shape)
    except ConfigError:
        raise
    except ValueError as error:  # a layer's, or a Keras network's, which is made for larger images
        raise ConfigError(
            f"[network] expected images that {config.modeler.network} takes, found "
            f"{image_shape}: {' '.join(str(error).split())}"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
