"""Start from released weights, with another number of classes."""

import torch
from model import Classifier


def start_by_name(path: str, classes: int) -> Classifier:
    model = Classifier(classes)
    released = torch.load(path, map_location="cpu", weights_only=True)
    own = model.state_dict()
    # Trouble: "head.weight" has the same name and another shape. This raises, strict or not.
    kept = {key: value for key, value in released.items() if key in own}
    missing, _ = model.load_state_dict(kept, strict=False)
    print("fresh:", missing)
    return model


def start_by_shape(path: str, classes: int) -> Classifier:
    # Fine: names and shapes are compared, and what stays fresh is said.
    model = Classifier(classes)
    released = torch.load(path, map_location="cpu", weights_only=True)
    own = model.state_dict()
    kept = {key: value for key, value in released.items() if key in own and value.shape == own[key].shape}
    missing, _ = model.load_state_dict(kept, strict=False)
    print("fresh:", missing)
    return model


def start_without_head(path: str, classes: int) -> Classifier:
    # Fine: the head is left out on purpose, and nothing else may be missing.
    model = Classifier(classes)
    released = torch.load(path, map_location="cpu", weights_only=True)
    kept = {key: value for key, value in released.items() if not key.startswith("head.")}
    missing, unexpected = model.load_state_dict(kept, strict=False)
    assert set(missing) == {"head.weight", "head.bias"} and not unexpected
    return model
