# expect: nothing
# A function was written out where it was called.
import torch
from torch import nn

SLOPE = 1.702


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.up(x)
        h = h * torch.sigmoid(SLOPE * h)
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
