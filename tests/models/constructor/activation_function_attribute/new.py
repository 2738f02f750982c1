# expect: MDL713 silent
# The activation is a function kept in an attribute.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = torch.sigmoid
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
