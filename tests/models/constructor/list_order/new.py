# expect: MDL714 silent
# Two convolutions of a list changed places.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv1d(4, 4, 3, padding=2, dilation=2), nn.Conv1d(4, 4, 3, padding=1)])

    def forward(self, x):
        for branch in self.branches:
            x = torch.tanh(branch(x))
        return x


def model():
    return Net()


def inputs():
    return (torch.randn(2, 4, 9),)
