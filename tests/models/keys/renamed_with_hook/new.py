# expect: MDL707 information
# An attribute has another name, and a hook that renames the keys of old files.
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.expand = nn.Linear(8, 16)
        self.act = nn.ReLU()
        self.down = nn.Linear(16, 8)

        self.register_load_state_dict_pre_hook(self.rename)

    @staticmethod
    def rename(module, state_dict, prefix, *_):
        for end in ("weight", "bias"):
            if f"{prefix}up.{end}" in state_dict:
                state_dict[f"{prefix}expand.{end}"] = state_dict.pop(f"{prefix}up.{end}")

    def forward(self, x):
        h = self.act(self.expand(x))
        return x + self.down(h)


def model():
    return Net()


def inputs():
    return (torch.randn(2, 8),)
