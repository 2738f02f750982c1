# expect: nothing
# Other letters and spaces in a pattern of einops.
import torch
from einops import rearrange
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(12, 8)

    def forward(self, x):
        return self.fc(rearrange(x, "n d (a  p1) (e p2) -> n (a e)  (p1 p2 d)", p1=2, p2=2)).mean(1)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 3, 8, 8),)
