# expect: nothing
# Axes are counted from the other end.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Linear(6, 4)
        self.right = nn.Linear(6, 4)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        a, b = self.left(x), self.right(x)
        return self.head(torch.cat((a, b), dim=1))


def model():
    return Net()


def inputs():
    return (torch.randn(2, 6),)
