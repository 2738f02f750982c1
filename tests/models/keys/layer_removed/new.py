# expect: MDL701 breaking
# A layer is gone.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()

    def forward(self, x):
        h = self.act(self.up(x))
        return h


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
