# expect: nothing
# A part of the class became its base class.
import torch
from torch import nn


class Base(nn.Module):
    def forward(self, x):
        return x + self.down(self.act(self.up(x)))


class Net(Base):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
