# expect: MDL702 breaking
# The weight is made of two others.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.utils.parametrizations.weight_norm(nn.Linear(8, 16))
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
