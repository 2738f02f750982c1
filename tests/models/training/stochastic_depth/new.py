# expect: MDL713 training
# Blocks are skipped more often.
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, dim)
        self.rate = 0.5

    def forward(self, x):
        y = F.gelu(self.fc(self.norm(x)))
        if self.training:
            y = y * (torch.rand(x.shape[0], 1) >= self.rate) / (1 - self.rate)
        return x + y


class Net(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.blocks = nn.ModuleList(Block(8) for _ in range(depth))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 4),)
