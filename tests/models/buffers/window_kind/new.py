# expect: MDL715 silent
# Another window of a short-time Fourier transform.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, size=16):
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hamming_window(size), persistent=False)
        self.fc = nn.Linear(size // 2 + 1, 4)

    def forward(self, x):
        frames = x.unfold(-1, self.size, self.size // 2) * self.window
        return self.fc(torch.fft.rfft(frames).abs())


def model():
    return Net()


def inputs():
    return (torch.randn(2, 64),)
