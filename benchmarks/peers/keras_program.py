"""The cifar10 recipe as a program of Keras and tf.data: pipeline, network, fit, evaluate.

Started with a folder that holds the images, a folder for its note (`benchmarks/train_clock.py`),
and the recipe as JSON. `compile` decides about XLA, which it leaves off on CPUs, where this program
is slower with it. Checkpoints and summaries are written as often as lambda_fast writes them.
"""

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers import keras_resnet32

AUTOTUNE = tf.data.AUTOTUNE
CLASSES = 10


def main() -> None:
    data, out, recipe = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    keras.utils.set_random_seed(recipe["seed"])
    if recipe["precision"] == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    with np.load(data / "train.npz") as train:
        images, labels = train["images"], train["labels"]
    batches = _training(images, labels, recipe)
    model = keras_resnet32.net(CLASSES, images.shape[1:], l2=recipe["weight_decay"] / 2)
    steps = len(images) // recipe["batch"]
    warmup = round(recipe["warmup_epochs"] * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=recipe["epochs"] * steps - warmup,
        warmup_target=recipe["learning_rate"],
        warmup_steps=warmup,
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe["label_smoothing"]
        ),
        metrics=["accuracy"],
    )
    clock = Clock()
    saving = keras.callbacks.ModelCheckpoint(out / "checkpoint-{epoch}.keras")
    summaries = keras.callbacks.TensorBoard(out / "summaries", update_freq=100)
    model.fit(
        batches,
        epochs=recipe["epochs"],
        steps_per_epoch=recipe["max_step"],
        callbacks=[saving, summaries, clock],
        shuffle=False,  # tf.data does
        verbose=0,
    )
    found = clock.noted
    if recipe["evaluate"]:
        found["accuracy"] = model.evaluate(_test(data, recipe), verbose=0)[1]
    (out / "clock.json").write_text(json.dumps(found))


def _training(images: np.ndarray, labels: np.ndarray, recipe: dict[str, Any]) -> tf.data.Dataset:
    mean, std = (tf.constant(recipe[name], tf.float32) for name in ("mean", "std"))

    def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = tf.pad(image, [[4, 4], [4, 4], [0, 0]], "REFLECT")
        image = tf.image.random_flip_left_right(tf.image.random_crop(image, [32, 32, 3]))
        return (tf.cast(image, tf.float32) - mean) / std, tf.one_hot(label, CLASSES)

    samples = tf.data.Dataset.from_tensor_slices((images, labels)).cache()
    return (
        samples.shuffle(len(images))
        .map(augment, num_parallel_calls=AUTOTUNE, deterministic=False)
        .batch(recipe["batch"], drop_remainder=True)
        .prefetch(AUTOTUNE)
    )


def _test(data: Path, recipe: dict[str, Any]) -> tf.data.Dataset:
    with np.load(data / "eval.npz") as test:
        images = (test["images"] - np.float32(recipe["mean"])) / np.float32(recipe["std"])
        labels = keras.utils.to_categorical(test["labels"], CLASSES)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(recipe["batch"])


class Clock(keras.callbacks.Callback):
    """Notes when the first and the last step were done."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: dict[str, Any] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Reading the loss waits for the step."""
        if "first" not in self.noted:
            self.noted["loss"] = float(logs["loss"])
            self.noted["first"] = time.monotonic()
            self.noted["parameters"] = sum(
                math.prod(each.shape) for each in self.model.trainable_variables
            )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """The loss of the last epoch has been read."""
        self.noted["last"] = time.monotonic()


if __name__ == "__main__":
    main()
