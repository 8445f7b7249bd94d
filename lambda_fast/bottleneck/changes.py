"""What to change about a bound: settings of the run at hand, the most promising first."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lambda_fast.bottleneck import COLLECTIVE, COMPUTE, GAP, HANDOVER, INPUT, Split
from lambda_fast.config import Config

FILES = "image_classification_csv_inputter"
ON_THE_WAY = ("random_resized", "random_scaled")  # crops that the inputter makes, not the step

# How often callbacks that read the device or write do so.
_EVERY = {
    "train_summary": "save_summary_steps",
    "train_loss": "log_every_n_iter",
    "train_accuracy": "log_every_n_iter",
    "train_speed": "log_every_n_iter",
    "train_metrics": "log_every_n_iter",
    "train_progress": "log_every_n_iter",
}


@dataclass(frozen=True)
class Device:
    """What a rank computes on.

    Attributes:
        cores: that the process may use.
        fast_bfloat16: whether it is faster in bfloat16.
        gpus: that the machine has.
    """

    cores: int
    fast_bfloat16: bool
    gpus: int = 0


def here() -> Device:
    """The device of this process."""
    import tensorflow as tf

    from lambda_fast.modeler.first_network import chosen_precision

    gpus = len(tf.config.list_physical_devices("GPU"))
    cores = len(os.sched_getaffinity(0))
    fast = gpus > 0 or chosen_precision("auto") == "bfloat16"
    return Device(cores, fast, gpus)


def changes(bound: str, split: Split, config: Config, device: Device) -> list[str]:
    """Settings that help, each with its reason.

    Args:
        bound: the stage.
        split: of the slowest rank.
        config: the run.
        device: that it computes on.
    """
    found = {
        INPUT: _of_input,
        HANDOVER: _of_handover,
        COMPUTE: _of_compute,
        COLLECTIVE: _of_collective,
        GAP: _of_gap,
    }[bound]
    return found(split, config, device)


def _of_input(split: Split, config: Config, device: Device) -> list[str]:
    inputter, found = config.inputter, []
    if inputter.name != FILES:
        return ["another inputter: this one prepares too little while the steps run"]
    if inputter.cache == "none" and not device.gpus:
        found.append(
            "--set inputter.cache=memory decodes each image once, if all of them fit in memory"
        )
    if 0 < inputter.threads < device.cores:
        found.append(
            f"--set inputter.threads={device.cores}, one for each core, instead of "
            f"{inputter.threads}"
        )
    return [*found, "smaller files: of about the size that the network sees, they decode faster"]


def _of_handover(split: Split, config: Config, device: Device) -> list[str]:
    inputter, whole = config.inputter, config.augmenter.crop not in ON_THE_WAY
    if inputter.name == FILES and inputter.cache == "none" and whole:
        return ["--set inputter.cache=memory keeps the images where the step runs"]
    return [_twice_the_batch(config, "hands over half as often")]


def _of_compute(split: Split, config: Config, device: Device) -> list[str]:
    found = []
    if config.modeler.precision == "float32" and device.fast_bfloat16:
        found.append("--set modeler.precision=bfloat16, which this device is faster at")
    if device.gpus:
        found.append(_twice_the_batch(config, "keeps the GPU busier, if its memory suffices"))
    if device.gpus > config.gpu_count:
        found.append(f"--set gpu_count={device.gpus} uses all GPUs of this machine")
    return found or ["no setting: a faster or one more device, or a smaller network"]


def _of_collective(split: Split, config: Config, device: Device) -> list[str]:
    found = []
    if config.runner.wire == "float32":
        found.append("--set runner.wire=bfloat16 sends half as many bytes, and rounds gradients")
    found.append(_twice_the_batch(config, "sends half as many gradients an image"))
    if config.runner.buckets == 1 and device.gpus:
        found.append("--set runner.buckets=4 sends the last layers' while the first are computed")
    return found


def _of_gap(split: Split, config: Config, device: Device) -> list[str]:
    found = []
    if split.callbacks:
        name = max(split.callbacks, key=split.callbacks.__getitem__)
        seconds = split.callbacks[name]
        if seconds > split.stages[GAP] / 4:
            field = _EVERY.get(name)
            every = getattr(config.callback, field) if field else 0
            found.append(
                f"{name} takes {seconds * 1e3:.1f} ms a step: "
                + (
                    f"--set callback.{field}={10 * every} instead of {every}"
                    if field
                    else "let it do less, or not after each step"
                )
            )
    return [*found, _twice_the_batch(config, "has half as many gaps an image")]


def _twice_the_batch(config: Config, reason: str) -> str:
    now = config.batch_size_per_gpu
    return f"--set batch_size_per_gpu={2 * now} instead of {now}: {reason}"
