"""The first step of the cifar10 recipe as a program of PyTorch, eager.

Started as `keras_program.py` is. A batch is augmented as a whole, in this process: workers would
only make the start longer.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.peers.torch_network import resnet32


def main() -> None:
    data, out, recipe = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.manual_seed(recipe["seed"])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with np.load(data / "train.npz") as train:
        images = torch.from_numpy(train["images"]).permute(0, 3, 1, 2)  # channels-last
        labels = torch.from_numpy(train["labels"]).long()
    network = resnet32()
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe["learning_rate"],
        momentum=0.9,
        nesterov=True,
        weight_decay=recipe["weight_decay"],
    )
    ids = torch.randperm(len(images))[: recipe["batch"]]
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe["precision"] == "bfloat16"):
        logits = network(_augmented(images[ids], recipe))
    smoothing = recipe["label_smoothing"]
    loss = functional.cross_entropy(logits.float(), labels[ids], label_smoothing=smoothing)
    loss.backward()
    optimizer.step()
    found = {"loss": loss.item(), "first": time.monotonic()}
    found["parameters"] = sum(value.numel() for value in network.parameters())
    (out / "clock.json").write_text(json.dumps(found))


def _augmented(images: torch.Tensor, recipe: dict[str, Any]) -> torch.Tensor:
    """uint8 [batch, 3, 32, 32] to float32, channels-last: pad by mirroring, crop, flip, scale."""
    mean, std = (torch.tensor(recipe[name]).view(3, 1, 1) for name in ("mean", "std"))
    padded = functional.pad(images.float(), (4, 4, 4, 4), mode="reflect")
    count, size = len(images), images.shape[-1]
    rows = torch.randint(9, (count, 1)) + torch.arange(size)
    columns = torch.randint(9, (count, 1)) + torch.arange(size)
    columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    which = torch.arange(count)[:, None, None]
    cropped = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return (cropped.permute(0, 3, 1, 2) - mean) / std


if __name__ == "__main__":
    main()
