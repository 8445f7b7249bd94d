"""Runs a training step again with checks, and names the first tensor that is not finite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lambda_fast.inputter import Batch


@dataclass(frozen=True)
class BadTensor:
    """A tensor that is not finite, where all before it are.

    Attributes:
        name: a variable, the images, a layer's output, the loss or a gradient.
        nan: how many of its values are NaN.
        infinite: how many are infinite.
        size: of how many; with `modeler.accumulate`, of those of a part of the batch.
        places: of the images in the batch whose part of it is bad; none where it has no such parts.
    """

    name: str
    nan: int
    infinite: int
    size: int
    places: tuple[int, ...] = ()


def first_bad_tensor(modeler: Any, batch: Batch) -> BadTensor | None:
    """Looks in the order of computation: variables, images, layers, loss; gradients backwards.

    Each rank looks at its own images, and like the step at no more of them at once than
    `modeler.accumulate` has in memory. The variables are the same afterwards.

    Args:
        modeler: in train mode, with the variables that the step began with.
        batch: of the step.
    """
    variables = modeler.variables()
    for name, variable in variables.items():  # the same on all ranks
        if variable.dtype in ("float32", "float64"):
            found = _found(f"variable {name}", _counts(variable.value, -1))
            if found is not None:
                return found
    kept = {name: variable.value.numpy() for name, variable in variables.items()}
    try:
        return _in_step(modeler, batch)
    finally:
        for name, value in kept.items():  # layers keep statistics, for example
            variables[name].assign(value)


def _in_step(modeler: Any, batch: Batch) -> BadTensor | None:
    names: list[str] = []
    inputs = tf.function(modeler.training_inputs, jit_compile=True)
    images, labels = inputs(batch.images, batch.labels, batch.sample_ids, batch.epoch)

    @tf.function(jit_compile=True)
    def run(images: tf.Tensor, labels: tf.Tensor) -> list[list[tf.Tensor]]:
        names.clear()
        counts = []
        for name, tensor in _tensors(modeler, images, labels):
            names.append(name)
            counts.append(_counts(tensor, int(images.shape[0])))
        return counts

    whole = int(images.shape[0])
    found = _found("the augmented images", _counts(images, whole))
    size = whole // modeler.config.modeler.accumulate
    for first in range(0, whole, size):
        # All ranks run all parts, whatever they have found: layers may meet in sums over ranks.
        results = run(images[first : first + size], labels[first : first + size])
        for name, counts in zip(names, results, strict=True):
            found = found or _found(name, counts, first)
    return found


def _tensors(modeler: Any, images: tf.Tensor, labels: tf.Tensor) -> Iterator[tuple[str, tf.Tensor]]:
    """What a step computes of images that are in memory together, by name, in this order."""
    layers = _layers(modeler.model)
    watched = keras.Model(modeler.model.inputs, [output for _, output in layers])
    outputs = watched(images, training=True)
    for (name, _), output in zip(layers, outputs, strict=True):
        yield f"the output of layer {name}", output
    step = modeler.objective(images, labels)
    yield "the loss", step["loss"]
    pairs = zip(modeler.learning, step["grads"], strict=True)
    for variable, grad in reversed(list(pairs)):
        yield f"the gradient of {variable.path}", grad


def _layers(model: keras.Model) -> list[tuple[str, Any]]:
    """The first output of layers and single operations, in the order of computation.

    A second one is a layer's input (`Conv2D(keep_input=True)`), which is another's output.
    """
    found = []
    for each in getattr(model, "operations", model.layers):
        try:
            outputs = keras.tree.flatten(each.output)
        except (AttributeError, ValueError):  # called more than once, or never
            continue
        if outputs and not isinstance(each, keras.layers.InputLayer):
            found.append((each.name, outputs[0]))
    return found


def _counts(tensor: tf.Tensor, batch: int) -> list[tf.Tensor]:
    """NaNs, infinities, values, and whether each image's part is bad: bool [batch] or [0]."""
    bad = tf.logical_not(tf.math.is_finite(tensor))
    nan = tf.math.count_nonzero(tf.math.is_nan(tensor))
    rows = tf.zeros([0], tf.bool)
    if tensor.shape.rank > 1 and tensor.shape[0] == batch:
        rows = tf.reduce_any(bad, axis=list(range(1, tensor.shape.rank)))
    return [nan, tf.math.count_nonzero(bad) - nan, tf.size(tensor, tf.int64), rows]


def _found(name: str, counts: list[tf.Tensor], first: int = 0) -> BadTensor | None:
    """What `_counts` says of images from place `first` on, if it is bad."""
    nan, infinite, size, rows = (count.numpy() for count in counts)
    if nan + infinite == 0:
        return None
    places = tuple(int(place) for place in first + np.flatnonzero(rows))
    return BadTensor(name, int(nan), int(infinite), int(size), places)
