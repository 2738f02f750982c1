# expect: MDL715 silent
# Values of a buffer that no file holds.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("mean", torch.tensor([0.5, 0.45, 0.3, 0.2, 0.5, 0.4, 0.3, 0.2]), persistent=False)

    def forward(self, x):
        return self.fc(x - self.mean)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
