"""The image classification modeler: one XLA program from uint8 images to updated variables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lambda_fast import assembly, checkpoint_fit, native
from lambda_fast.augmenter.augment import augment
from lambda_fast.augmenter.spec import AugmentSpec
from lambda_fast.build import first_weights_of
from lambda_fast.config import Config, ConfigError
from lambda_fast.inputter import Batch, Inputter, Mode
from lambda_fast.modeler import pretrained
from lambda_fast.modeler.accumulation import accumulated
from lambda_fast.modeler.averages import Averages, to_evaluate
from lambda_fast.modeler.evaluated import evaluated
from lambda_fast.modeler.first_network import chosen_precision, network_of
from lambda_fast.modeler.freezing import freeze
from lambda_fast.modeler.mixing import mixed, mixes
from lambda_fast.modeler.nonfinite_guard import NonfiniteGuard
from lambda_fast.modeler.objective import cross_entropy, labels_of, targets_of
from lambda_fast.modeler.over_ranks import means_over_ranks
from lambda_fast.modeler.schedule import Schedule
from lambda_fast.modeler.update import Update
from lambda_fast.modeler.views import logits_of
from lambda_fast.network.synchronize import synchronize


class ImageClassificationModeler:
    """Owns the network and the optimizer, and compiles one program for its mode.

    Args:
        config: the run. Its `modeler.precision` may be `auto`.
        inputter: gives shapes, classes and the length of an epoch.
        mode: train, eval or infer.
        model: a network to share; none: the recipe's, with fresh weights.
        first_weights: whether to call `set_first_weights` in train mode; a runner does so itself,
            where nothing will be restored.

    Attributes:
        config: the run, with the precision that `auto` means here.
        model: the Keras network; logits out.
        learning: the variables that the step updates, in train mode.
        split: these, the frozen ones and the rest, in train mode.
        optimizer: the Keras optimizer, in train mode; its `iterations` is the step.
        averages: the running means of the network's variables, in train mode with `modeler.ema`.
        averaged: whether the network holds such means, in the other modes.
    """

    def __init__(
        self,
        config: Config,
        inputter: Inputter,
        mode: Mode,
        model: keras.Model | None = None,
        first_weights: bool = True,
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise ConfigError(
                f"[modeler] expected Keras on TensorFlow, found {keras.backend.backend()}. "
                "Unset KERAS_BACKEND, or set it to tensorflow"
            )
        native.ops()  # refuses what does not fit before anything is traced
        precision = chosen_precision(config.modeler.precision)
        config = dataclasses.replace(
            config, modeler=dataclasses.replace(config.modeler, precision=precision)
        )
        self.config = config
        self.mode = mode
        whole = config.augmenter if mode == "train" else config.augmenter.without_dice()
        self.spec = inputter.spec or whole
        shape = _augmented_shape(self.spec, inputter.image_shape)
        if mode == "train":  # and what could be trained but not evaluated
            _augmented_shape(self.spec.without_dice(), inputter.image_shape)
        self.model = model or network_of(config, len(inputter.class_names), shape)
        if config.modeler.sync_batch_norm:
            synchronize(self.model)
        self._data_facts = {"samples": inputter.samples} | inputter.facts
        self._concrete = None
        self.averages = None
        self.averaged = False
        if mode == "train":
            modeler = config.modeler
            steps = inputter.steps_per_epoch
            self.schedule = Schedule(
                config=modeler, steps_per_epoch=steps, total_steps=config.epochs * steps
            )
            self.split = freeze(self.model, modeler)
            self.learning = self.split.learning
            if modeler.ema > 0:
                twin = network_of(config, len(inputter.class_names), shape)
                self.averages = Averages(self.model, twin, modeler.ema)
            self._update = Update(modeler, self.model, self.learning, self.averages)
            self.optimizer = self._update.optimizer
            # Above 0 where this rank wants to stop; the step tells all ranks of it.
            self.stop = tf.Variable(0.0, trainable=False, name="stop")
            frozen = set(map(id, self.split.frozen))
            changing = [each for each in self.variables().values() if id(each) not in frozen]
            self.guard = NonfiniteGuard(changing, self.optimizer.iterations, modeler.on_nonfinite)
            if first_weights:
                self.set_first_weights(inputter)

    def set_first_weights(self, inputter: Inputter) -> None:
        """Lets the network's module choose first weights by images, where it wants to.

        They are those of the first step, without dice.
        """
        choose = first_weights_of(self.config.modeler.network)
        if choose is None:
            return
        batch, spec = inputter.batch(0, 0), self.spec.without_dice()
        images = augment(batch.images, batch.sample_ids, self.config.seed, batch.epoch, spec)
        choose(self.model, images.numpy())
        if self.averages is not None:
            self.averages.start()

    def for_mode(self, mode: Mode, inputter: Inputter) -> ImageClassificationModeler:
        """A modeler of another mode that shares the network, or that of the averages."""
        model = self.averages.model if self.averages else self.model
        modeler = ImageClassificationModeler(self.config, inputter, mode, model)
        modeler.averaged = self.averages is not None
        return modeler

    def model_fn(
        self, images: tf.Tensor, labels: tf.Tensor | None, mask: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        """The contract of the glossary, by mode.

        Args:
            images: augmented, float32 or bfloat16 [batch, height, width, channels].
            labels: int32 [batch], or float32 [batch, classes] targets of mixed images; none in
                infer.
            mask: float32 [batch], 1 for images that count; eval alone.

        Returns:
            train: `loss`, `accuracy`, `learning_rate` (float32 scalars) and `grads`, a list.
            eval: `loss`, `accuracy` and, with more than five classes, `top_5_accuracy`: sums over
                the images that count; `classes` int32 [batch].
            infer: `classes` int32 [batch], `probabilities` float32 [batch, classes].
        """
        if self.mode == "train":
            return self._train_outputs(images, labels)
        logits = logits_of(self.model, images, self.config.modeler.test_time_augmentation)
        if self.mode == "infer":
            classes = tf.argmax(logits, axis=-1, output_type=tf.int32)
            return {"classes": classes, "probabilities": tf.nn.softmax(logits)}
        return evaluated(logits, labels, mask)

    def _train_outputs(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, Any]:
        count = self.config.modeler.accumulate
        if count > 1:
            outputs = accumulated(self.objective, count, images, labels, self.learning)
        else:
            outputs = self.objective(images, labels)
        return outputs | {"learning_rate": self.schedule(self.optimizer.iterations.value)}

    def objective(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, Any]:
        """`loss`, `accuracy` and `grads` of images that are in memory together."""
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(images, training=True), tf.float32)
            targets = targets_of(labels, logits.shape[-1], self.config.modeler)
            loss = cross_entropy(logits, targets)
            # A network may bring penalties of its own; they steer the update and are not reported.
            objective = tf.add_n([loss, *self.model.losses])
        grads = tape.gradient(objective, [variable.value for variable in self.learning])
        correct = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), labels_of(labels))
        accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
        return {"loss": loss, "accuracy": accuracy, "grads": grads}

    def reduce(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The means over all ranks; in a world of one, what was given.

        Besides the gradients, loss and accuracy these are the statistics that layers keep, which
        each rank has moved by its own images: after the step all ranks have the same. `stop` is
        above 0 if any rank wants to stop.

        Args:
            outputs: `loss`, `accuracy`, `grads` as `model_fn` returns them, and others.
        """
        if self.config.gpu_count == 1:
            return outputs
        scalars = {name: outputs[name] for name in ("loss", "accuracy")}
        scalars["stop"] = tf.identity(self.stop)
        moved = [variable for variable in self.split.moving if variable.dtype == "float32"]
        others = [*scalars.values(), *(each.value for each in moved)]
        grads, others = means_over_ranks(outputs["grads"], others, self.config.runner)
        for variable, mean in zip(moved, others[len(scalars) :], strict=True):
            variable.assign(mean)
        return outputs | dict(zip(scalars, others, strict=False)) | {"grads": grads}

    def apply(self, grads: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the variables and counts the step.

        Returns:
            What it found on its way: `gradient_norm` where gradients are clipped.
        """
        return self._update.apply(grads, learning_rate)

    @tf.function(jit_compile=True)
    def _train_program(
        self, images: tf.Tensor, labels: tf.Tensor, sample_ids: tf.Tensor, epoch: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        before = self.guard.before()
        inputs = self.training_inputs(images, labels, sample_ids, epoch)
        outputs = self.reduce(self.model_fn(*inputs, None))
        grads = outputs.pop("grads")
        found = self.apply(grads, outputs["learning_rate"])
        self.guard.settle(before, outputs["loss"], [*grads, *found.values()])
        return outputs | found

    def training_inputs(
        self, images: tf.Tensor, labels: tf.Tensor, sample_ids: tf.Tensor, epoch: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """A step's images and labels as `model_fn` takes them in train mode."""
        config, augmented = self.config, self._augment(images, sample_ids, epoch)
        if not mixes(config.modeler):
            return augmented, labels
        classes = self.model.output_shape[-1]
        return mixed(augmented, labels, classes, sample_ids, epoch, config.seed, config.modeler)

    @tf.function(jit_compile=True)
    def _forward_program(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        sample_ids: tf.Tensor,
        epoch: tf.Tensor,
        count: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        mask = tf.cast(tf.range(tf.shape(images)[0]) < count, tf.float32)
        return self.model_fn(self._augment(images, sample_ids, epoch), labels, mask)

    def _augment(self, images: tf.Tensor, sample_ids: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        seed = tf.constant(self.config.seed, tf.int64)
        return augment(images, sample_ids, seed, epoch, self.spec, self.config.modeler.precision)

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One update.

        Returns:
            `loss`, `accuracy`, `learning_rate` as scalars on the device; with several ranks `stop`
            as well, and with clipping `gradient_norm`.
        """
        arguments = (batch.images, batch.labels, batch.sample_ids, batch.epoch)
        return self._call(self._train_program, arguments)

    def forward_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """`model_fn` without an update, in eval and infer mode."""
        count = tf.constant(batch.count, tf.int32)
        arguments = (batch.images, batch.labels, batch.sample_ids, batch.epoch, count)
        return self._call(self._forward_program, arguments)

    def _call(self, program: Any, arguments: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        """Calls the program of this modeler's one batch shape.

        Looking it up anew would hash the types of all its variables, half of Python's share of a
        step.
        """
        if self._concrete is None:
            self._concrete = program.get_concrete_function(*arguments)
        return self._concrete(*arguments)

    def train_program_hlo(self, batch: Batch, stage: str = "optimized_hlo") -> str:
        """The text of the compiled training step."""
        arguments = (batch.images, batch.labels, batch.sample_ids, batch.epoch)
        return self._train_program.experimental_get_compiler_ir(*arguments)(stage=stage)

    def step(self) -> int:
        """Updates done so far. Waits for the device."""
        return int(self.optimizer.iterations.numpy())

    def variables(self) -> dict[str, keras.Variable]:
        """All that a checkpoint holds, by a name that is the same in every process."""
        named = {f"model/{variable.path}": variable for variable in self.model.variables}
        if self.mode == "train":
            named |= {variable.path: variable for variable in self.optimizer.variables}
        if self.averages is not None:
            named |= self.averages.variables()
        return named

    def facts(self) -> dict[str, Any]:
        """What a run must share with a checkpoint to continue from it."""
        config = self.config
        return {
            "modeler.network": config.modeler.network,
            "modeler.trainable_vars": list(config.modeler.trainable_vars),
            "modeler.skip_trainable_vars": list(config.modeler.skip_trainable_vars),
            "seed": config.seed,
            # with what modeler.accumulate adds; named as earlier versions named it
            "batch_size_per_gpu * gpu_count": config.batch_size("train") * config.gpu_count,
            "modeler.optimizer": config.modeler.optimizer,
            "modeler.ema": "on" if config.modeler.ema > 0 else "off",
            **self._data_facts,
            **self.image_facts(),
        }

    def image_facts(self) -> dict[str, Any]:
        """What a network must share with a checkpoint to see the images that it learned from."""
        spec = self.config.augmenter
        names = ("height", "width", "normalize", "mean", "std")
        return {f"augmenter.{name}": _plain(getattr(spec, name)) for name in names}

    def load_pretrained(self, say: Callable[[str], None] = print) -> pretrained.Restored | None:
        """Sets the first weights from `modeler.pretrained_model`; without one, nothing.

        Args:
            say: is told of damaged checkpoints that are passed over.

        Raises:
            UserError: the weights are absent or do not fit; no variable has been set.
        """
        config = self.config.modeler
        if not config.pretrained_model:
            return None
        weights = pretrained.weights_of(config, self.model, say)
        restored = pretrained.restore(
            self.model, weights, config.skip_pretrained_var, self.split.frozen, self.image_facts()
        )
        if self.averages is not None:
            self.averages.start()
        return restored

    def restore(self, path: Path, values: Mapping[str, np.ndarray]) -> None:
        """Sets the variables from a checkpoint: all of its mode's, or none.

        In eval and infer, the running means where the checkpoint has them (`modeler.ema`).

        Raises:
            CheckpointError: the checkpoint belongs to another network.
        """
        variables = self.variables()
        if self.mode != "train":
            values, self.averaged = to_evaluate(values)
        shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
        checkpoint_fit.check_fits(path, values, shapes)
        for name, variable in variables.items():
            variable.assign(values[name])


def _plain(value: Any) -> Any:
    """As JSON brings it back."""
    return list(value) if isinstance(value, tuple) else value


def _augmented_shape(spec: AugmentSpec, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """What the augmenter makes of the inputter's images; refuses a spec that does not fit them."""
    try:
        native.core().draw(image_shape, 0, 0, 0, spec.fields())
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return spec.height or image_shape[0], spec.width or image_shape[1], image_shape[2]


@assembly.part
def build(config: Config, inputter: Inputter, mode: Mode) -> ImageClassificationModeler:
    """The modeler of a run, for a runner, which sets first weights where they are needed.

    Raises:
        ConfigError: an unknown network, or an augmentation that does not fit the images.
    """
    return ImageClassificationModeler(config, inputter, mode, first_weights=False)
