# expect: nothing
# A number moves from an attribute into a configuration that self keeps.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, gain=0.5):
        super().__init__()
        self.config = {"gain": gain}
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = self.act(self.up(x))
        return x + self.config["gain"] * self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
