"""The recipes that questions and answers about state dicts hand round, and the truth about each."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rule_cases import Case, lint, marks, written

from modelint import catalogue


class Recipe(NamedTuple):
    """``source`` is marked like a fixture; ``truths`` are what the page of a code must say about it."""

    name: str
    source: str
    truths: tuple[tuple[str, str], ...] = ()


RECIPES = [
    Recipe(
        "strip_by_replace",
        """
import torch
from nets import Net

model = Net()
state_dict = torch.load("checkpoint.pth", map_location="cpu")["state_dict"]
new_state_dict = {k.replace("module.", ""): v for k, v in state_dict.items()}  # expect: MDL301
model.load_state_dict(new_state_dict)
""",
        (("MDL301", "wherever it stands"), ("MDL301", "two keys\ncan become one")),
    ),
    Recipe(
        "strip_seven_characters",
        """
from collections import OrderedDict

import torch


def load(model, path):
    state_dict = torch.load(path, map_location="cpu")
    new_state_dict = OrderedDict()
    for k, v in state_dict.items():
        name = k[7:]  # expect: MDL301
        new_state_dict[name] = v
    model.load_state_dict(new_state_dict)
""",
        (("MDL301", "cuts seven characters from keys that have no prefix"),),
    ),
    Recipe(
        "strip_anchored",
        """
import torch


def load(model, path):
    state_dict = torch.load(path, map_location="cpu")
    unwanted = "_orig_mod."
    for k, v in list(state_dict.items()):
        if k.startswith(unwanted):
            state_dict[k[len(unwanted):]] = state_dict.pop(k)
    model.load_state_dict(state_dict)
""",
    ),
    Recipe(
        "filter_and_load_without_strict",
        """
import torch


def load(model, path):
    sd = torch.load(path, map_location="cpu")
    sd = {k: v for k, v in sd.items() if k in model.state_dict()}  # expect: MDL302
    model.load_state_dict(sd, strict=False)  # expect: MDL401
""",
        (("MDL302", "still raises, also under `strict=False`"), ("MDL302", "nothing is kept at all")),
    ),
    Recipe(
        "filter_update_load",
        """
import torch


def load(model, path):
    pretrained_dict = torch.load(path, map_location="cpu")
    model_dict = model.state_dict()
    # 1. keep what the model knows
    pretrained_dict = {k: v for k, v in pretrained_dict.items() if k in model_dict}  # expect: MDL302
    # 2. overwrite
    model_dict.update(pretrained_dict)
    # 3. load
    model.load_state_dict(model_dict)  # expect: MDL303
""",
        (("MDL303", "no key can be missing"),),
    ),
    Recipe(
        "filter_by_shape_and_look",
        """
import torch


def load(model, path):
    saved = torch.load(path, map_location="cpu")
    own = model.state_dict()
    fits = {k: v for k, v in saved.items() if k in own and v.shape == own[k].shape}
    missing, unexpected = model.load_state_dict(fits, strict=False)
    print(f"{len(fits)} of {len(saved)} used, missing: {missing}")
""",
    ),
    Recipe(
        "data_parallel_when_there_are_gpus",
        """
import torch
import torch.nn as nn
from nets import Net

model = Net()
if torch.cuda.device_count() > 1:
    print("Let's use", torch.cuda.device_count(), "GPUs!")
    model = nn.DataParallel(model)
model.to("cuda")

torch.save(model.state_dict(), "model.pth")  # expect: MDL201
""",
        (("MDL201", "the number of GPUs"), ("MDL201", "`module.`")),
    ),
    Recipe(
        "data_parallel_saved_by_its_module",
        """
import torch
import torch.nn as nn
from nets import Net

model = Net()
if torch.cuda.device_count() > 1:
    model = nn.DataParallel(model)
model.to("cuda")

try:
    state_dict = model.module.state_dict()
except AttributeError:
    state_dict = model.state_dict()
torch.save(state_dict, "model.pth")
""",
    ),
    Recipe(
        "strict_false_makes_the_error_go_away",
        """
import torch


def load(model, path):
    checkpoint = torch.load(path, map_location="cpu")
    model.load_state_dict(checkpoint["state_dict"], strict=False)  # expect: MDL401
    model.eval()
""",
        (("MDL401", "stays at its random weights without a word"), ("MDL401", "A shape that differs does raise")),
    ),
    Recipe(
        "try_and_start_from_scratch",
        """
import torch


def load(model, path):
    try:  # expect: MDL402
        model.load_state_dict(torch.load(path, map_location="cpu"))
        print("Model loaded")
    except Exception as e:
        print("Could not load the model, training from scratch:", e)
""",
        (("MDL402", "has already written every tensor that did fit"),),
    ),
    Recipe(
        "keep_the_best_weights",
        """
import torch


def train_model(model, criterion, optimizer, loaders, num_epochs=25):
    best_model_wts, best_acc = None, 0.0
    for epoch in range(num_epochs):
        model.train()
        for inputs, labels in loaders["train"]:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        epoch_acc = evaluate(model, loaders["val"])
        if epoch_acc > best_acc:
            best_acc = epoch_acc
            best_model_wts = model.state_dict()  # expect: MDL601
    model.load_state_dict(best_model_wts)
    return model
""",
        (("MDL601", "returns the live tensors"),),
    ),
    Recipe(
        "keep_a_copy_of_the_best_weights",
        """
import copy


def train_model(model, criterion, optimizer, loaders, num_epochs=25):
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for epoch in range(num_epochs):
        model.train()
        for inputs, labels in loaders["train"]:
            optimizer.zero_grad()
            loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        epoch_acc = evaluate(model, loaders["val"])
        if epoch_acc > best_acc:
            best_acc = epoch_acc
            best_model_wts = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_model_wts)
    return model
""",
    ),
    Recipe(
        "save_the_entire_model",
        """
import torch
import torch.nn as nn

model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
torch.save(model, "model.pth")  # expect: MDL204
""",
        (("MDL204", "`ModuleNotFoundError`"),),
    ),
    Recipe(
        "layers_in_a_list",
        """
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, sizes):
        super(Net, self).__init__()
        self.layers = []  # expect: MDL101
        for a, b in zip(sizes, sizes[1:]):
            self.layers.append(nn.Linear(a, b))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
""",
        (("MDL101", "Saving and a strict load both succeed"),),
    ),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_recipe(recipe: Recipe, tmp_path: Path) -> None:
    case = written(str(tmp_path), {"recipe.py": recipe.source}, recipe.name)
    shown = [finding for finding in lint(case) if not finding.preview and on_by_default(finding.diagnostic.code)]
    assert sorted((found.spot, found.diagnostic.code) for found in shown) == sorted(expected(case))
    for _, _, diagnostic in shown:
        lines = [diagnostic.message, *diagnostic.help.splitlines()]
        assert "\n" not in diagnostic.message
        assert diagnostic.help and len(lines) <= 3


@pytest.mark.parametrize(
    ("code", "truth"), [truth for recipe in RECIPES for truth in recipe.truths], ids=lambda text: text[:30]
)
def test_page_tells_the_truth(code: str, truth: str) -> None:
    assert " ".join(truth.split()) in " ".join(catalogue.page(code).split())


def on_by_default(code: str) -> bool:
    return next(rule for rule in catalogue.rules() if rule.code == code).status == "on"


def expected(case: Case) -> list[tuple[Any, str]]:
    return [(spot, code) for code in catalogue.codes() for spot in marks(case, "expect", code)]


def test_replace_damages_inner_names() -> None:
    assert "module.submodule.weight".replace("module.", "") == "subweight"
    keys = ["module.fc.weight", "fc.module.weight"]
    assert len({key.replace("module.", "") for key in keys}) == 1
    assert "module.submodule.weight".removeprefix("module.") == "submodule.weight"


def test_a_slice_damages_keys_without_the_prefix() -> None:
    assert "fc.weight"[7:] == "ht"
    assert len({key[7:] for key in ("weight", "bias")}) == 1


def test_lstrip_takes_a_set_of_characters() -> None:
    assert "decoder.weight".lstrip("module.") == "coder.weight"


class TestWithTorch:
    """What the pages say of torch, where torch is there to be asked."""

    def test_a_name_filter_still_raises_on_shape(self) -> None:
        torch = pytest.importorskip("torch")
        model, saved = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2).state_dict()
        kept = {k: v for k, v in saved.items() if k in model.state_dict()}
        with pytest.raises(RuntimeError, match="size mismatch"):
            model.load_state_dict(kept, strict=False)

    def test_a_merge_passes_when_nothing_matched(self) -> None:
        torch = pytest.importorskip("torch")
        model, wrapped = torch.nn.Linear(4, 4), torch.nn.DataParallel(torch.nn.Linear(4, 4))
        before = model.weight.clone()
        own = model.state_dict()
        own.update({k: v for k, v in wrapped.state_dict().items() if k in own})
        assert not model.load_state_dict(own, strict=True).missing_keys
        assert torch.equal(model.weight, before)

    def test_a_failed_load_has_written_what_fits(self) -> None:
        torch = pytest.importorskip("torch")
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
        other = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
        with pytest.raises(RuntimeError):
            model.load_state_dict(other.state_dict())
        assert torch.equal(model[0].weight, other[0].weight)
