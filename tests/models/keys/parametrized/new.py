# expect: MDL707 breaking
# The weight is computed from another, under another key.
import torch
from torch import nn


class Symmetric(nn.Module):
    def forward(self, weight):
        return weight.triu() + weight.triu(1).transpose(-1, -2)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 8)
        self.act = nn.ReLU()
        self.down = nn.Linear(8, 8)

        nn.utils.parametrize.register_parametrization(self.down, "weight", Symmetric())

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
