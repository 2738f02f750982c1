# expect: nothing
# An argument of the forward that has no effect unless given.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x, return_hidden=False):
        h = self.act(self.up(x))
        if return_hidden:
            return x + self.down(h), h
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
