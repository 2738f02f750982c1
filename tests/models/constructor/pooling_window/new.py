# expect: MDL712 silent
# A wider pooling window, the size kept.
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = self.pool(F.relu(self.conv(x)))
        return self.head(x)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 3, 12, 12),)
