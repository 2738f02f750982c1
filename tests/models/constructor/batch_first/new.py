# expect: MDL712 silent
# Which axis is the batch.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


def model():
    return Net()


def inputs():
    return (torch.randn(2, 5, 16),)
