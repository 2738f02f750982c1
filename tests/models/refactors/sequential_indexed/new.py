# expect: nothing
# The entries of a Sequential are called by their index.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        return self.net[2](self.net[1](self.net[0](x)))


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
