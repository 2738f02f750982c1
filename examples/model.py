"""A small image classifier, as it is trained, loaded and fine-tuned by the scripts beside it."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.score(x))


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        # Trouble: the trained weights were trained with nn.ReLU(). They load, and the model computes something else.
        self.activation = nn.SiLU()
        self.attention_module = Attention(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention_module(self.activation(self.norm(self.conv(x))))


class Classifier(nn.Module):
    def __init__(self, classes: int, widths: tuple[int, ...] = (3, 16, 32, 64)) -> None:
        super().__init__()
        # A plain list on its way into a ModuleList is no trouble: it is registered before anyone asks.
        blocks = []
        for inputs, outputs in zip(widths, widths[1:]):
            blocks.append(Block(inputs, outputs))
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(widths[-1], classes)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        # Numbers and names hold no weights.
        self.widths = list(widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x - self.mean
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=(2, 3)))
