"""Models whose state dict is not just their parameters and buffers by name. Built here for real, and by the tracer."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune


class Renames(nn.Module):
    """A hook renames on saving, another one on loading."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(2, 3)
        self._register_state_dict_hook(self._save)
        self._register_load_state_dict_pre_hook(self._load)

    @staticmethod
    def _save(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
        state[prefix + "l.weight"] = state.pop(prefix + "lin.weight")

    @staticmethod
    def _load(state: dict[str, Any], prefix: str, *_: Any) -> None:
        if prefix + "l.weight" in state:
            state[prefix + "lin.weight"] = state.pop(prefix + "l.weight")


class Unsaved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.arange(4))
        self.register_buffer("unsaved", torch.zeros(2, dtype=torch.bfloat16), persistent=False)
        self.register_buffer("none", None)
        self.register_parameter("nothing", None)
        self.bare = nn.Linear(2, 2, bias=False)
        self.norm = nn.BatchNorm1d(2, affine=False)


class Extra(nn.Module):
    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.lin = nn.Linear(2, 2)
        self.value = {"steps": 3} if value is None else value

    def get_extra_state(self) -> Any:
        return self.value

    def set_extra_state(self, state: Any) -> None:
        self.value = state


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 3)
        self.head = nn.Linear(3, 7, bias=False)
        self.head.weight = self.embed.weight
        self.first = nn.Linear(3, 3)
        self.second = self.first
        weight = torch.randn(4, 4)
        self.a = nn.Parameter(weight)
        self.b = nn.Parameter(weight.t())
        shared = nn.Parameter(torch.ones(2))
        self.inner = nn.ModuleList([nn.ParameterList([shared]), nn.ParameterDict({"x": shared})])
        table = torch.arange(6.0).view(2, 3)
        self.register_buffer("cos", table[0])
        self.register_buffer("sin", table[1])
        self.register_buffer("none_shared", torch.empty(0))
        self.register_buffer("none_shared_too", torch.empty(0))


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(2, 2).half()
        self.brain = nn.Linear(2, 2).to(torch.bfloat16)
        self.wide = nn.Parameter(torch.zeros(3, dtype=torch.float64))
        self.imaginary = nn.Parameter(torch.zeros(3, dtype=torch.complex64))
        self.whole = nn.Parameter(torch.zeros(3, dtype=torch.int8), requires_grad=False)
        self.flag = nn.Parameter(torch.tensor(True), requires_grad=False)
        self.on_cpu = nn.Parameter(torch.zeros(5, device="cpu"))
        self.legacy = nn.Parameter(torch.Tensor(2, 2))
        self.typed = nn.Parameter(torch.FloatTensor(2).fill_(0.5))


class Parametrized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = parametrizations.weight_norm(nn.Linear(3, 3))
        self.old_weight = nn.utils.weight_norm(nn.Conv1d(3, 4, 2))
        self.spectral = parametrizations.spectral_norm(nn.Linear(3, 5))
        self.old_spectral = nn.utils.spectral_norm(nn.Linear(3, 5))
        self.pruned = prune.random_unstructured(nn.Linear(3, 3), "weight", amount=2)


class Orthogonal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = parametrizations.orthogonal(nn.Linear(3, 3))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)
        self.attention = nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
        self.copy = copy.deepcopy(self.encoder)


class Shadowed(nn.Module):
    """Its own list has the name of a method of every module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.last = nn.Linear(3, 2)
        self.modules = [self.first, self.last]  # type: ignore[assignment,method-assign]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for each in self.modules:
            x = each(x)
        return x


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.LazyLinear(3)
        self.norm = nn.LazyBatchNorm1d()


class Overrides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(2, 2)
        self.teacher = nn.Linear(2, 2)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        state = super().state_dict(*args, **kwargs)
        return {key: value for key, value in state.items() if "teacher" not in key} | {"epoch": 3}

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        teacher = {f"teacher.{name}": value for name, value in self.teacher.state_dict().items()}
        return super().load_state_dict({**teacher, **{k: v for k, v in state.items() if k != "epoch"}}, strict)


class ReadsSchedule(nn.Module):
    """Drop rates out of a tensor, as old vision models have them."""

    def __init__(self) -> None:
        super().__init__()
        rates = [each.item() for each in torch.linspace(0, 0.5, 3)]
        widths = torch.arange(2, 5).tolist()
        layers = [nn.Sequential(nn.Linear(w, w), nn.Dropout(rates[at])) for at, w in enumerate(widths)]
        self.layers = nn.ModuleList(layers)


class ReadsWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.register_buffer("scale", torch.tensor(float(self.lin.weight.abs().max() * 0 + 2)))


class MixesDevices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.table = nn.Parameter(self.lin.weight.detach() + torch.arange(3.0, device="cpu"))


def leaks_default_dtype() -> nn.Module:
    torch.set_default_dtype(torch.float64)
    try:
        return nn.Linear(2, 2)
    finally:
        torch.set_default_dtype(torch.float32)


def compiled() -> nn.Module:
    return torch.compile(nn.Sequential(nn.Linear(2, 2)))  # type: ignore[return-value]


def parallel() -> nn.Module:
    return nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))


def tensor_extra() -> nn.Module:
    return Extra(torch.ones(2))


def without_keys() -> nn.Module:
    return nn.ReLU()


def meta_already() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(2, 2)


def own_device_context() -> nn.Module:
    with torch.device("cpu"):
        return nn.Linear(2, 2)


ALL = (
    "Renames Unsaved Extra Tied Mixed Parametrized Orthogonal Recurrent Shadowed Lazy Overrides ReadsSchedule "
    "ReadsWeights MixesDevices leaks_default_dtype compiled parallel scripted tensor_extra without_keys meta_already "
    "own_device_context"
).split()
