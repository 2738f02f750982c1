# expect: MDL713 training
# A dropout function in the forward.
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
        h = self.act(self.up(x))
        return x + F.dropout(self.down(h), 0.2, self.training)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
