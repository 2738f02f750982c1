"""Modules for formats that hold more than a state dict: whole modules, TorchScript, exported programs."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """Parameters, buffers of both kinds, a tie, a frozen parameter, a None."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=each % 2 == 0) for each in range(depth))
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, width, bias=False)
        if depth:
            self.head.weight = self.layers[0].weight
        self.register_buffer("scale", torch.ones(width, dtype=torch.float64))
        self.register_buffer("mask", torch.ones(width, dtype=torch.bool), persistent=False)
        self.register_buffer("nothing", None)
        self.frozen = nn.Parameter(torch.zeros(width), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(self.norm(x)) * self.scale.float() + self.frozen
