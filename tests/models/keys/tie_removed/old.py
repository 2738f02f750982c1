import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, vocabulary=20, dim=8):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.mix = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        x = x + torch.tanh(self.mix(x))
        return self.head(x)


def model():
    return Net()


def inputs():
    return (torch.randint(0, 20, (2, 6)),)
