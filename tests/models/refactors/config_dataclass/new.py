# expect: nothing
# Arguments became a configuration.
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Config:
    dim: int = 16
    heads: int = 4


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        dim, heads = config.dim, config.heads
        self.config = config
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (t.view(b, n, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        scores = torch.matmul(q, k.transpose(-2, -1)) * self.scale
        weights = scores.softmax(dim=-1)
        y = torch.matmul(weights, v).transpose(1, 2).reshape(b, n, d)
        return x + self.out(y)


def model():
    return Attention(Config())


def inputs():
    return (torch.randn(2, 5, 16),)
