# expect: MDL713 silent
# The activation is looked up by a name that is another default.
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, activation="gelu"):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = getattr(F, activation)
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
