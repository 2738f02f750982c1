# expect: nothing
# The entries of a Sequential are called one by one.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))

    def forward(self, x):
        for layer in self.net:
            x = layer(x)
        return x


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
