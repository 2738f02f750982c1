"""Load what train.py wrote."""

import torch
from model import Classifier


def load_anything(path: str, classes: int) -> Classifier:
    model = Classifier(classes)
    state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    # Trouble: it cuts the text out of "attention_module.score.weight" as well.
    state = {key.replace("module.", ""): value for key, value in state.items()}
    # Trouble: so nothing fits there, and no one is told.
    model.load_state_dict(state, strict=False)
    return model


def load_what_fits(path: str, classes: int) -> Classifier:
    # Fine: only a prefix is taken off, and what is missing is looked at.
    model = Classifier(classes)
    state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    state = {key.removeprefix("module."): value for key, value in state.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise RuntimeError(f"{path}: missing {missing}, unexpected {unexpected}")
    return model


def load_exactly(path: str, classes: int) -> Classifier:
    # Fine: strict, and a failure is passed on with the path in it.
    model = Classifier(classes)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise SystemExit(f"{path}: {error}") from error
    return model
