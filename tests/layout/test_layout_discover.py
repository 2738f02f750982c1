"""Classes that could be tracked, found by reading."""

from __future__ import annotations

from modelint.layout.discover import Candidate, candidates, model_name
from modelint.lint.triage import MAY_DEFINE

MODEL = b"""
from dataclasses import dataclass

import torch
from torch import nn

from .parts import Part, PartConfig


@dataclass
class Config:
    width: int = 3
    depth: int = 4


@dataclass
class Strict:
    width: int


class Block(nn.Module):
    def __init__(self, width=3):
        super().__init__()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()


class Configured(torch.nn.Module):
    def __init__(self, config: Config, *, depth: int = 3):
        super().__init__()


class Imported(torch.nn.Module):
    def __init__(self, config: "PartConfig"):
        super().__init__()


class Unconfigured(nn.Module):
    def __init__(self, config: Strict):
        super().__init__()


class Sized(nn.Module):
    def __init__(self, classes, *, width):
        super().__init__()


class Child(Sized):
    pass


class Elsewhere(Part):
    pass


class Unknown(somewhere.Base):
    pass


class _Private(nn.Module):
    pass
"""
PARTS = b"""
from torch import nn


class PartConfig:
    def __init__(self, width=3):
        self.width = width


class Part(nn.Module):
    pass
"""


def found(*files: tuple[str, bytes]) -> dict[str, Candidate]:
    return {each.name: each for each in candidates(files, ("/p", "/p/src"))}


def test_roots_and_what_they_need() -> None:
    all_of_them = found(("/p/src/pkg/model.py", MODEL), ("/p/src/pkg/parts.py", PARTS))
    needs = {name: (each.needs, each.config) for name, each in all_of_them.items()}
    assert needs == {
        "Net": ((), None),
        "Part": ((), None),
        "Elsewhere": ((), None),
        "Configured": (("config",), "pkg.model:Config"),
        "Imported": (("config",), "pkg.parts:PartConfig"),
        "Unconfigured": (("config",), None),
        "Sized": (("classes", "width"), None),
        "Child": (("classes", "width"), None),
    }
    assert all_of_them["Net"].factory == "pkg.model:Net"
    assert all_of_them["Net"].line == 26


MAKERS = b"""
import torch
from torch import nn
from .parts import Part


class Block(nn.Module):
    pass


class ResNet(nn.Module):
    def __init__(self, block, layers, classes=10):
        super().__init__()
        self.first = block()


class Part(nn.Module):
    def __init__(self, width):
        super().__init__()


class Whole(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.part = Part(width)


class Trainer:
    def __init__(self, classes):
        self.model = Trained(classes)


class Trained(nn.Module):
    def __init__(self, classes=2):
        super().__init__()


def resnet18(pretrained=False, *, progress=True, **kwargs):
    \"\"\"Eighteen layers.\"\"\"
    layers = [2, 2, 2, 2]
    model = ResNet(Block, layers, **kwargs)
    if pretrained:
        model.load_state_dict(torch.load("resnet18.pt"))
    return model


@register_model
def resnet34():
    return _resnet(Block, [3, 4, 6, 3])


def _resnet(block, layers):
    return ResNet(block, layers)


def renamed():
    return resnet34()


def sized(block):
    return ResNet(block, [2])


def a_part():
    return Part(3)


def main():
    model = ResNet(Block, [2])
    train(model)
    return model


def loaded():
    weights = torch.load("weights.pt")
    model = ResNet(Block, [2])
    return model


def tested():
    model = ResNet(Block, [2])


def endless():
    return endless()
"""


def test_functions_that_only_make_a_model_go_before_a_class_that_needs_arguments() -> None:
    found = candidates([("/p/net.py", MAKERS)], ("/p",))
    assert [(each.factory, each.needs) for each in found] == [
        ("net:Trained", ()),
        ("net:resnet18", ()),
        ("net:resnet34", ()),
        ("net:renamed", ()),
        ("net:Whole", ("width",)),
    ]


def test_files_without_a_module_name_and_without_sense() -> None:
    assert found(("/p/my-scripts/model.py", PARTS), ("/q/model.py", PARTS), ("/p/a.py", b"class (")) == {}
    assert found(("/p/pkg/__init__.py", PARTS))["Part"].factory == "pkg:Part"


def test_the_gate_over_bytes() -> None:
    assert MAY_DEFINE.search(MODEL)
    assert MAY_DEFINE.search(b"class A(pl.LightningModule, B):")
    assert not MAY_DEFINE.search(b"class A(nn.ModuleList): ...\n# class B(nn.Module)")


def test_names_of_models() -> None:
    assert model_name("VisionTransformer", []) == "vision-transformer"
    assert model_name("GPT", ["gpt"]) == "gpt-2"
    assert model_name("ResNet50V2", ["gpt"]) == "res-net50-v2"
    assert model_name("HTTPNet_small", []) == "http-net-small"
