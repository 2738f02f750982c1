# expect: MDL713 silent
# Normalised over the batch.
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

    def forward(self, x):
        h = F.normalize(self.up(x), dim=0)
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
