"""Models that are recorded, to see what it costs. Imported in the project interpreter."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


class Bottleneck(nn.Module):
    def __init__(self, width: int, inner: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, 4 * inner, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * inner)
        self.downsample: nn.Module | None = None
        if stride != 1 or width != 4 * inner:
            self.downsample = nn.Sequential(
                nn.Conv2d(width, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet-50: 320 keys."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        width = 64
        for i, (depth, inner) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=False)):
            blocks = []
            for j in range(depth):
                blocks.append(Bottleneck(width, inner, 2 if i and not j else 1))
                width = 4 * inner
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
        y: Tensor = self.fc(x.mean((2, 3)))
        return y


def resnet50() -> nn.Module:
    return ResNet()


class Expert(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, inner, bias=False)
        self.up = nn.Linear(dim, inner, bias=False)
        self.down = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return y


class Mixture(nn.Module):
    def __init__(self, dim: int, inner: int, experts: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, bias=False)
        self.router = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(Expert(dim, inner) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        weights = self.router(y).softmax(-1)
        for i, expert in enumerate(self.experts):
            x = x + weights[..., i, None] * expert(y)
        return x


def experts() -> nn.Module:
    """A mixture of experts: 48 layers of 128, 18,528 keys."""
    return nn.Sequential(*(Mixture(2048, 768, 128) for _ in range(48)))


def llama() -> nn.Module:
    """Llama 70B: 723 keys."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=128256,
    )
    model: nn.Module = LlamaForCausalLM(config)
    return model


def imported() -> nn.Module:
    """What the import of transformers and of its Llama costs alone."""
    from transformers import LlamaForCausalLM

    assert LlamaForCausalLM
    return nn.Identity()


def timm_model(name: str) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(name, pretrained=False)
    return model


def transformers_model(name: str) -> nn.Module:
    from transformers import CONFIG_MAPPING, AutoModel

    model: Any = AutoModel.from_config(CONFIG_MAPPING[name]())
    assert isinstance(model, nn.Module)
    return model
