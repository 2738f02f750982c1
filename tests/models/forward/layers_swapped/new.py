# expect: MDL713 silent
# Two layers of one shape are called in the other order.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 8)
        self.act = nn.ReLU()
        self.down = nn.Linear(8, 8)

    def forward(self, x):
        h = self.act(self.down(x))
        return x + self.up(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
