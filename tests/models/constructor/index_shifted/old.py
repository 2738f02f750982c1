import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.Tanh(), nn.Linear(8, 2))


def inputs():
    return (torch.randn(2, 8),)
