"""ResNet32 in PyTorch: the same 464,154 parameters, channels-last, fp32 or bf16 autocast."""

import os
from itertools import cycle

import numpy as np
import pytest

from benchmarks.interleave import System

pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[peers]'")

import torch
from torch import nn
from torch.nn import functional

STAGE_CHANNELS, BLOCKS = (16, 32, 64), 5


class Block(nn.Module):
    """A residual block with a shortcut without parameters (He et al., 2015, option A)."""

    def __init__(self, channels: int, grown: int, stride: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, (grown - channels) // 2
        self.first = nn.Conv2d(channels, grown, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(grown)
        self.second = nn.Conv2d(grown, grown, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(grown)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, height, width] to [batch, grown, height / stride, width / stride]."""
        y = functional.relu(self.first_norm(self.first(x)), inplace=True)
        y = self.second_norm(self.second(y))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
            x = functional.pad(x, (0, 0, 0, 0, self.padding, self.padding))
        return functional.relu(x + y)


def resnet32() -> nn.Module:
    """The network of lambda_fast/network/resnet32.py."""
    torch.manual_seed(0)
    channels = STAGE_CHANNELS[0]
    parts = [nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    for grown in STAGE_CHANNELS:
        for index in range(BLOCKS):
            stride = 2 if index == 0 and grown != STAGE_CHANNELS[0] else 1
            parts.append(Block(channels, grown, stride))
            channels = grown
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]
    network = nn.Sequential(*parts)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network.to(memory_format=torch.channels_last)


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
