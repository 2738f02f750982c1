# expect: MDL713 silent
# A class attribute of the base class.
import torch
from torch import nn


class Base(nn.Module):
    gain = 0.5


class Net(Base):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.gain * self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
