import torch
from torch import nn


def model():
    return nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)


def inputs():
    return (torch.randn(2, 5, 16),)
