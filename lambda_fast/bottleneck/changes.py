"""What to change about a bound: settings of the run at hand, the most promising first."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lambda_fast.bottleneck import COLLECTIVE, COMPUTE, GAP, HANDOVER, INPUT, Split
from lambda_fast.config import Config

FULL = 0.5  # share of a GPU's memory below which a batch of twice the size fits

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
        memory_share: of the GPU's memory that the run has taken; on a CPU none.
    """

    cores: int
    fast_bfloat16: bool
    gpus: int = 0
    memory_share: float | None = None


def here() -> Device:
    """The device of this process."""
    import tensorflow as tf

    from lambda_fast.modeler.first_network import chosen_precision

    gpus = len(tf.config.list_physical_devices("GPU"))
    share = None
    if gpus:
        info = tf.config.experimental.get_memory_info("GPU:0")
        share = info["peak"] / info["limit"] if info.get("limit") else None
    cores = len(os.sched_getaffinity(0))
    fast = gpus > 0 or chosen_precision("auto") == "bfloat16"
    return Device(cores, fast, gpus, share)


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
    if inputter.name == "image_classification_csv_inputter":
        if inputter.cache == "none":
            found.append(
                "--set inputter.cache=memory decodes each image once, if all of them fit in memory"
            )
        if 0 < inputter.threads < device.cores:
            found.append(
                f"--set inputter.threads={device.cores}, one for each core, instead of "
                f"{inputter.threads}"
            )
        if inputter.prefetch < 4:
            found.append(f"--set inputter.prefetch=4 instead of {inputter.prefetch}")
        found.append("files of the size that the network sees take less time to decode")
    return found or ["the inputter itself: it prepares nothing while the step runs"]


def _of_handover(split: Split, config: Config, device: Device) -> list[str]:
    inputter = config.inputter
    if inputter.name == "image_classification_csv_inputter" and inputter.cache == "none":
        return ["--set inputter.cache=memory keeps the images where the step runs"]
    return [_twice_the_batch(config, "hands over half as often")]


def _of_compute(split: Split, config: Config, device: Device) -> list[str]:
    found = []
    if config.modeler.precision == "float32" and device.fast_bfloat16:
        found.append("--set modeler.precision=bfloat16, which this device is faster at")
    if device.memory_share is not None and device.memory_share < FULL:
        reason = f"the GPU's memory was never more than {device.memory_share:.0%} full"
        found.append(_twice_the_batch(config, reason))
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
                + (f"--set callback.{field}={10 * every} instead of {every}" if field else "rarer")
            )
    return [*found, _twice_the_batch(config, "has half as many gaps an image")]


def _twice_the_batch(config: Config, reason: str) -> str:
    now = config.batch_size_per_gpu
    return f"--set batch_size_per_gpu={2 * now} instead of {now}: {reason}"
