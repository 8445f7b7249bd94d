"""Serving: a trained network and its preprocessing as programs of TensorFlow's own ops alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from lambda_fast.augmenter.plain import augmented, shown
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.augmenter.upright import orientation, upright
from lambda_fast.config import ConfigError
from lambda_fast.inputter.geometry import Geometry
from lambda_fast.modeler.views import Views, logits_of
from lambda_fast.network.layers import tensorflow_alone


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is to be served.

    Attributes:
        model: the network; logits out.
        spec: the augmenter without dice.
        geometry: which window of an image it shows.
        image_shape: (height, width, channels) of that window when it is resized.
        class_names: by label.
        views: of each image, whose logits are averaged.
    """

    model: keras.Model
    spec: AugmentSpec
    geometry: Geometry
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    views: Views = "none"

    def save(self, folder: Path) -> None:
        """Writes a SavedModel with two signatures.

        `encoded` (also `serving_default`): string [batch], JPEG, PNG, GIF or BMP files; JPEGs are
        turned upright as their EXIF says, others are taken as they are.
        `images`: uint8 [batch, height, width, channels], decoded, of any one size. Both give
        `classes` int32 [batch], `names` string [batch] and `probabilities` float32
        [batch, classes].
        """
        channels = self.image_shape[-1]
        archive = keras.export.ExportArchive()
        archive.track(self.model)
        encoded = tf.TensorSpec((None,), tf.string, "encoded")
        images = tf.TensorSpec((None, None, None, channels), tf.uint8, "images")
        with tensorflow_alone():
            archive.add_endpoint("encoded", self._of_encoded, [encoded])
            archive.add_endpoint("images", self._of_images, [images])
            archive.write_out(folder, verbose=False)

    def save_onnx(self, path: Path) -> None:
        """Writes an ONNX model from `images`, uint8 [batch, *image_shape], to classes and shares.

        Raises:
            ConfigError: tf2onnx is not there, or cannot convert the network.
        """
        tf2onnx = converter()
        images = tf.TensorSpec((None, *self.image_shape), tf.uint8, "images")

        @tf.function(input_signature=[images])
        def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._predicted(tf.cast(images, tf.float32))

        with tensorflow_alone():
            classify.get_concrete_function()
            try:
                tf2onnx.convert.from_function(
                    classify, input_signature=[images], opset=17, output_path=str(path)
                )
            except Exception as error:  # of many kinds, by the op that it does not know
                raise ConfigError(
                    f"[export] expected a network that tf2onnx can convert, found: {error}. "
                    "Export without --onnx"
                ) from error

    def _of_encoded(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(content: tf.Tensor) -> tf.Tensor:
            channels = self.image_shape[-1]
            image = tf.io.decode_image(content, channels=channels, expand_animations=False)
            image = upright(image, orientation(content))
            image = tf.ensure_shape(image, (None, None, channels))
            return shown(image[None], self.geometry, self.image_shape)[0]

        spec = tf.TensorSpec(self.image_shape, tf.float32)
        return self._named(tf.map_fn(one, encoded, fn_output_signature=spec))

    def _of_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._named(shown(images, self.geometry, self.image_shape))

    def _named(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = self._predicted(pixels)
        names = tf.gather(tf.constant(self.class_names), outputs["classes"])
        return outputs | {"names": names}

    def _predicted(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = logits_of(self.model, augmented(pixels, self.spec), self.views)
        classes = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return {"classes": classes, "probabilities": tf.nn.softmax(logits)}


def converter() -> Any:
    """The module tf2onnx.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise ConfigError(
            f"[export] expected tf2onnx for --onnx, found none: {error}. "
            "pip install 'lambda_fast[onnx]'"
        ) from error
    return tf2onnx
