import torch
from torch import nn


def model():
    return nn.RNN(4, 6, batch_first=True)


def inputs():
    return (torch.randn(2, 5, 4),)
