"""The words for works and systems, and which of them the README's short table shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """A line of the short table.

    Attributes:
        words: that say what was done.
        variant: of the work.
        beside: the systems that are shown.
        ours: the system of ours that is.
    """

    words: str
    variant: str
    beside: tuple[str, ...]
    ours: str = "lambda_fast"


@dataclass(frozen=True)
class Work:
    """What tables and plots call a work.

    Attributes:
        title: of its table and plot.
        lines: of the short table.
    """

    title: str
    lines: tuple[Line, ...] = field(default=())


TF_DATA_AND_DALI = ("tf.data", "dali")
WORKS = {
    "augment_cifar": Work(
        "CIFAR augmentation",
        (
            Line("CIFAR augmentation, batch 128", "batch 128", TF_DATA_AND_DALI),
            Line("CIFAR augmentation, batch 1024", "batch 1024", TF_DATA_AND_DALI),
        ),
    ),
    "augment_imagenet": Work(
        "ImageNet augmentation",
        (Line("random resized crop to 224 and normalise", "batch 64", TF_DATA_AND_DALI),),
    ),
    "inputter_jpeg": Work(
        "Batches from JPEG files",
        (
            Line(
                "ready batches from JPEG files, random window resized to 224",
                "batch 64",
                TF_DATA_AND_DALI,
            ),
        ),
    ),
    "inputter_png": Work(
        "Batches from PNG files",
        (Line("ready batches from PNG files", "batch 16", TF_DATA_AND_DALI),),
    ),
    "inputter_cached": Work(
        "Batches of images kept in memory",
        (
            Line(
                "ready batches of images kept in memory, after the first epoch",
                "batch 64",
                ("tf.data_cached",),
                "lambda_fast_cached",
            ),
        ),
    ),
    "train_step_resnet32": Work(
        "Training step of ResNet32",
        (
            Line(
                "whole ResNet32 step, bfloat16, batch 128", "bfloat16", ("keras_fit", "torch_bf16")
            ),
            Line("whole ResNet32 step, float32, batch 128", "float32", ("keras_fit", "torch_fp32")),
        ),
    ),
    "train_step_resnet50": Work(
        "Training step of ResNet50",
        (
            Line(
                "whole ResNet50 step at 224, bfloat16, batch 16",
                "bfloat16, batch 16",
                ("keras_fit",),
            ),
            Line(
                "whole ResNet50 step at 224, float32, batch 16", "float32, batch 16", ("keras_fit",)
            ),
        ),
    ),
    "train_step_resnet32_ranks": Work(
        "Training step of ResNet32 on two ranks",
        (Line("ResNet32 step on 2 ranks of one thread, float32", "float32", ("one_rank",)),),
    ),
    "all_reduce": Work(
        "Sums among ranks",
        (
            Line(
                "sum of 16 MB among 2 ranks of one machine",
                "2 ranks, 16 MB",
                ("mpi_all_reduce", "tf_ring"),
            ),
        ),
    ),
    "bottleneck_report": Work("Steps that are split by stage"),
    "end_to_end": Work(
        "Training as a whole",
        (
            Line(
                "2 epochs of 6,400 CIFAR images by a whole program",
                "cifar10, 2 epochs of 6400 images",
                ("keras_fit",),
            ),
        ),
    ),
    "cold_start": Work(
        "From the start of the process to the first step's end",
        (
            Line(
                "first ResNet32 step, from a cold start",
                "resnet32 on cifar10",
                ("keras_fit", "torch"),
            ),
        ),
    ),
}
SYSTEMS = {
    "tf.data_cached": "tf.data with a cache",
    "tf.data_batched": "tf.data, batch by batch",
    "keras": "Keras layers",
    "dali": "DALI",
    "dali_antialiased": "DALI, antialiased",
    "dali_decode_alone": "DALI's decoding alone",
    "keras_fit": "Keras fit",
    "tf_function": "tf.function",
    "torch": "PyTorch",
    "torch_fp32": "PyTorch, float32",
    "torch_bf16": "PyTorch, bfloat16",
    "torch_fp32_compiled": "PyTorch, float32, compiled",
    "torch_bf16_compiled": "PyTorch, bfloat16, compiled",
    "onednn_alone": "oneDNN's primitives alone",
    "one_rank": "1 rank of two threads",
    "mpi_all_reduce": "MPI_Allreduce",
    "parameter_server": "parameter server",
    "not_measured": "without the split",
    "tf_ring": "TensorFlow's ring",
}


def title(work: str) -> str:
    """Of a work; one without words is called by its name."""
    return WORKS[work].title if work in WORKS else work


def called(system: str) -> str:
    """What a reader calls a system."""
    return SYSTEMS.get(system, system)
