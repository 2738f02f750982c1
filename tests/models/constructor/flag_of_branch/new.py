# expect: MDL713 silent
# A flag that the constructor keeps chooses another branch.
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, dim, before=False):
        super().__init__()
        self.before = before
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, dim)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        if self.before:
            return x + self.drop(F.gelu(self.fc(self.norm(x))))
        return self.norm(x + self.drop(F.gelu(self.fc(x))))


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
