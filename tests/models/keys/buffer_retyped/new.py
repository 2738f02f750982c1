# expect: MDL704 silent
# A buffer of another dtype.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3, 0.2, 0.5, 0.4, 0.3, 0.2], dtype=torch.float64).half())

    def forward(self, x):
        return self.fc(x - self.mean.to(x.dtype))


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
