"""ResNet32 in PyTorch, channels-last: the network of lambda_fast/network/resnet32.py."""

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
