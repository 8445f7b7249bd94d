"""What the network is shown, made visible: augmented images as pixels, with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.inputter import Batch
from lambda_fast.picture import Captioned

LEAST_SHARE = 0.01  # of a mixed label that is still named


def shown(modeler: Any, inputter: Any, batch: Batch, most: int) -> list[Captioned]:
    """The first images of a training batch as the step gives them to the network.

    Args:
        modeler: in train mode.
        inputter: whose batch it is.
        batch: of any step.
        most: images at most.
    """
    arguments = (batch.images, batch.labels, batch.sample_ids, batch.epoch)
    images, labels = modeler.training_inputs(*arguments)
    pixels = as_pixels(np.asarray(images[:most], np.float32), modeler.spec)
    names = [_name(label, inputter.class_names) for label in labels[:most].numpy()]
    ids = batch.sample_ids[:most].numpy()
    paths = [inputter.paths[i] if inputter.paths is not None else f"id {i}" for i in ids]
    triples = zip(pixels, names, paths, strict=True)
    return [Captioned(path, name, image=image) for image, name, path in triples]


def as_pixels(images: np.ndarray, spec: AugmentSpec) -> np.ndarray:
    """Takes the normalisation back.

    Args:
        images: float32 [batch, height, width, channels], augmented by the spec.
        spec: where it standardises each image by itself, pixel values are lost, and each image
            is stretched from black to white.

    Returns:
        uint8 [batch, height, width, 3].
    """
    if spec.normalize == "channels":
        channels = images.shape[-1]
        images = images * np.float32(spec.std[:channels]) + np.float32(spec.mean[:channels])
    elif spec.normalize == "image":
        low = images.min(axis=(1, 2, 3), keepdims=True)
        span = images.max(axis=(1, 2, 3), keepdims=True) - low
        images = (images - low) * (255 / np.maximum(span, 1e-6))
    pixels = np.clip(np.rint(np.nan_to_num(images)), 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _name(label: np.ndarray, class_names: Sequence[str]) -> str:
    """Of a label, or of the shares of several classes."""
    if label.ndim == 0:
        return class_names[int(label)]
    best = [int(index) for index in np.argsort(-label, kind="stable") if label[index] > LEAST_SHARE]
    return " + ".join(f"{label[index]:.2f} {class_names[index]}" for index in best)
