# expect: MDL707 breaking
# A layer with weights was put into a Sequential: the indices behind it move.
import torch
from torch import nn


def model():
    return nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))


def inputs():
    return (torch.randn(2, 8),)
