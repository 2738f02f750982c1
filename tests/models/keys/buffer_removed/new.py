# expect: MDL701 breaking
# A buffer is gone; its values are written in the forward.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return self.fc(x - 0.35)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
