"""A modeler of a tiny network without batch normalisation, on the tiny data set."""

import dataclasses

import keras
import tiny_run

from lambda_fast.build import recipe
from lambda_fast.inputter.in_memory_inputter import InMemoryInputter
from lambda_fast.inputter.order import Order
from lambda_fast.modeler.image_classification_modeler import ImageClassificationModeler
from lambda_fast.network import resnet32


def net(num_classes, image_shape):
    """Two layers with names, so that variables are called the same in every test."""
    return keras.Sequential(
        [
            keras.Input(image_shape),
            keras.layers.Conv2D(4, 3, strides=4, activation="relu", name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(num_classes, name="logits", dtype="float32"),
        ],
        name="net",
    )


def tiny(monkeypatch, batch=16, **fields):
    """A modeler and its inputter, with fields of `modeler` set, in float32 at a constant rate."""
    monkeypatch.setattr(resnet32, "net", net)
    base = recipe("cifar10")
    plain = {"precision": "float32", "schedule": "constant", "warmup_epochs": 0.0}
    plain |= {"weight_decay": 0.0, "label_smoothing": 0.0, "learning_rate": 0.1}
    config = dataclasses.replace(
        base,
        batch_size_per_gpu=batch,
        modeler=dataclasses.replace(base.modeler, **plain | fields),
    )
    config.check()
    feed = inputter("train", config.batch_size("train"))
    return ImageClassificationModeler(config, feed, "train"), feed


def inputter(mode, batch):
    """Of the tiny data set."""
    data = tiny_run.tiny_load(mode)
    train = mode == "train"
    order = Order(
        samples=len(data.images), batch_size=batch, seed=0, shuffle=train, complete=not train
    )
    return InMemoryInputter(data.images, data.labels, data.class_names, order)
