# expect: MDL715 silent
# A mask in a buffer that no file holds reaches one further.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, dim=8, length=16):
        super().__init__()
        self.fc = nn.Linear(dim, dim)
        self.register_buffer(
            "mask", torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=2), persistent=False
        )

    def forward(self, x):
        n = x.shape[1]
        scores = (x @ self.fc(x).transpose(1, 2)).masked_fill(self.mask[:n, :n], -1e4)
        return scores.softmax(dim=-1) @ x


def model():
    return Net()


def inputs():
    return (torch.randn(2, 5, 8),)
