"""Networks of `keras.applications` by their names there, with a head for the data's classes.

`MobileNet`, or with arguments `MobileNet(alpha=0.25)`: all but the head keep Keras' names, so that
its published weights fit.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from typing import Any

import keras
from keras.src.utils.naming import reset_uids  # public in no other place

from lambda_fast.config import ConfigError

OURS = ("include_top", "weights", "input_shape", "input_tensor", "classes", "pooling")


def parsed(name: str) -> tuple[str, dict[str, Any]]:
    """`MobileNet(alpha=0.25)` as the name and the arguments.

    Raises:
        ConfigError: it is not spelled like that.
    """
    try:
        node = ast.parse(name, mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            return node.func.id, {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    except (SyntaxError, ValueError):
        pass
    raise ConfigError(
        f"[network] expected a name, or one with arguments such as MobileNet(alpha=0.25); found "
        f"{name!r}"
    )


def net_of(name: str) -> Callable[[int, tuple[int, int, int]], keras.Model]:
    """The `net` of a model of `keras.applications`.

    Raises:
        ConfigError: there is no such model, or it takes no such argument.
    """
    make, arguments = _maker(name)

    def net(num_classes: int, image_shape: tuple[int, int, int]) -> keras.Model:
        """The network without its own head; the images' mean over the last map, then logits."""
        body = _body(make, arguments, image_shape, None)
        pooled = keras.layers.GlobalAveragePooling2D(name="pool")(body.output)
        # Keras' heads end in a softmax of their own; the loss wants logits.
        logits = keras.layers.Dense(num_classes, name="logits", dtype="float32")(pooled)
        return keras.Model(body.input, logits, name=body.name)

    net.network = name  # by which `build.name_of` finds it again
    return net


def trained_on_imagenet(name: str, image_shape: tuple[int, int, int]) -> keras.Model:
    """The body of a network with the weights that Keras fetches, once, and keeps.

    Raises:
        ConfigError: the name is none of `keras.applications`, which alone have such weights, or
            they cannot be had.
    """
    if not name[:1].isupper():
        raise ConfigError(
            "[pretrained] expected a network of keras.applications with pretrained_model=imagenet, "
            f"such as modeler.network=MobileNet; found {name!r}. Name a file of its weights instead"
        )
    make, arguments = _maker(name)
    if re.match(r"EfficientNetB\d", name):
        raise ConfigError(
            f"[pretrained] expected a network without layers of its own for imagenet, found "
            f"{name}: Keras scales its pixels only where it loads these weights. Take "
            "EfficientNetV2B0"
        )
    try:
        reset_uids()  # unnamed layers are called as in the network they are for
        return _body(make, arguments, image_shape, "imagenet")
    except Exception as error:  # Keras raises a bare one where the file cannot be fetched
        raise ConfigError(
            f"[pretrained] expected the ImageNet weights of {name} from Keras' download, found: "
            f"{' '.join(str(error).split())}. Fetch the file elsewhere and name it in "
            "modeler.pretrained_model"
        ) from error


def _maker(name: str) -> tuple[Callable[..., keras.Model], dict[str, Any]]:
    model, arguments = parsed(name)
    known = sorted(each for each in dir(keras.applications) if inspect.isfunction(_there(each)))
    if model not in known:
        raise ConfigError(
            f"[network] expected a model of keras.applications ({', '.join(known)}), found "
            f"{model!r}"
        )
    make = _there(model)
    takes = [each for each in inspect.signature(make).parameters if each not in OURS]
    if wrong := [each for each in arguments if each not in takes]:
        raise ConfigError(
            f"[network] expected arguments of {model} ({', '.join(takes)}), found {wrong[0]!r}"
        )
    return make, arguments


def _there(name: str) -> Any:
    return getattr(keras.applications, name)


def _body(
    make: Callable[..., keras.Model],
    arguments: dict[str, Any],
    image_shape: tuple[int, int, int],
    weights: str | None,
) -> keras.Model:
    return make(include_top=False, weights=weights, input_shape=image_shape, **arguments)
