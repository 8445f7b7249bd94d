"""A training step in PyTorch: the same 464,154 parameters, channels-last, fp32 or bf16 autocast."""

import os
from itertools import cycle

import numpy as np
import pytest

from benchmarks.interleave import System

pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

import torch
from torch.nn import functional

from benchmarks.peers.torch_network import resnet32


def train(
    images: np.ndarray, labels: np.ndarray, precision: str, learning_rate: float, compiled: bool
) -> System:
    """Forward, backward and update, weight decay included.

    Args:
        images: float32 [batches, batch, 32, 32, 3], augmented beforehand.
        labels: int32 [batches, batch].
        precision: float32 or bfloat16.
        learning_rate: a constant.
        compiled: through torch.compile.
    """
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = resnet32()
    forward = torch.compile(network) if compiled else network
    optimizer = torch.optim.SGD(
        network.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    pixels = torch.from_numpy(images).permute(0, 1, 4, 2, 3)  # NHWC in memory: channels-last
    assert pixels[0].is_contiguous(memory_format=torch.channels_last)
    batches = cycle(list(zip(pixels, torch.from_numpy(labels).long(), strict=True)))

    def step() -> float:
        inputs, targets = next(batches)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = forward(inputs)
        loss = functional.cross_entropy(logits.float(), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    short = {"float32": "fp32", "bfloat16": "bf16"}[precision]
    return System(
        name=f"torch_{short}_compiled" if compiled else f"torch_{short}",
        step=step,
        images=images.shape[1],
        facts={
            "precision": precision,
            "how": "channels-last, torch.compile" if compiled else "channels-last",
            "parameters": sum(value.numel() for value in network.parameters()),
        },
    )
