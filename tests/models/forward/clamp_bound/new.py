# expect: MDL713 silent
# Values are cut off earlier.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.up(x).clamp(min=0, max=1)
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
