"""What the interpreter found and the rules judge: one type for each kind of thing that happens to weights.

A fact says what is so, a rule says whether it is worth a line. Places are where the rule would point.
"""

from __future__ import annotations

from typing import NamedTuple

from modelint.lint.wrappers import Wrapper
from modelint.rule import Place


class Layer(NamedTuple):
    """A wrapper on a saved model, where it was put on, and the child it was put on ("" for the model itself)."""

    wrapper: Wrapper
    place: Place
    child: str = ""


class SavedState(NamedTuple):
    """A state dict that reaches a file: the ``state_dict()`` call, the receiver's text, the wrappers left on."""

    place: Place
    receiver: str
    layers: tuple[Layer, ...]
    #: On some path the model is bare.
    conditional: bool = False


class SavedModule(NamedTuple):
    text: str
    cls: str | None


class Unsafe(NamedTuple):
    """A value in a checkpoint that ``torch.load`` refuses by default."""

    kind: str
    key: str | None
    made: Place | None
    #: The dict that holds it.
    held: Place | None


class Save(NamedTuple):
    """Something is written. ``pickles`` is False for safetensors and for helpers that could not be followed."""

    place: Place
    sink: str
    pickles: bool
    states: tuple[SavedState, ...]
    modules: tuple[SavedModule, ...]
    unsafe: tuple[Unsafe, ...]
    rank_guarded: bool
    distributed: bool
    #: Tensors out of another checkpoint are in it, under names given here.
    carried: bool = False


class Load(NamedTuple):
    """A call of ``load_state_dict``. ``strict``: "yes", "no", or "passed on" where a parameter decides."""

    place: Place
    receiver: str
    is_model: bool
    strict: str
    via_super: bool
    #: dropped: a bare statement. unread: bound to a name that nothing reads. used: anything else.
    result: str
    #: The function compares keys or reports what was not loaded by other means.
    checked: bool
    #: One entry at a time, in a loop, on purpose.
    piecemeal: bool
    #: The checkpoint entry was taken with an empty dict as default.
    empty_default: bool
    #: Where a checkpoint was merged into the model's own state dict before.
    merged: Place | None
    #: What is loaded comes from a model in memory, not from a file.
    live: bool
    #: What the function says of its own: "refused" (it raises when too little fits), "logged" or "".
    reported: str


class TorchLoad(NamedTuple):
    """A call of ``torch.load``. ``weights_only``: "absent", "no", "yes" or "unknown"."""

    place: Place
    map_location: bool
    weights_only: str


class KeyRewrite(NamedTuple):
    """A prefix taken off a key without looking where it stands. ``how``: replace, replace once,
    slice, lstrip, split."""

    place: Place
    how: str
    text: str
    #: A startswith or its like decides, on the key or on the first key.
    guarded: bool
    #: The result becomes a key of another dict.
    lands: bool
    #: The key comes out of a checkpoint or state dict, or the prefix is a wrapper's.
    of_state: bool


class KeyFilter(NamedTuple):
    """Checkpoint entries kept because their name is known to the model, then loaded or merged."""

    place: Place
    loaded_at: Place
    #: Loaded strictly as it is: what the model misses still raises.
    strict: bool
    #: The function says which names, or how many, matched.
    told: bool


class TryLoad(NamedTuple):
    """A ``try`` around a load with a handler that catches RuntimeError. ``outcome``: "swallows" or "retries"."""

    place: Place
    load: Place
    handler: Place
    outcome: str


class StateWrite(NamedTuple):
    """An entry of a state dict is replaced and the dict is not loaded back. ``how``: "direct" or "variable"."""

    place: Place
    receiver: str
    how: str


class Snapshot(NamedTuple):
    """A live state dict is kept while training goes on, then used at ``used_at``. ``cpu``: by way of .cpu()."""

    place: Place
    used_at: Place
    use: str
    cpu: bool


class PlainContainer(NamedTuple):
    """``self.attr = [modules]`` in a module class, registered nowhere else. ``what``: module or parameter."""

    place: Place
    attr: str
    kind: str
    what: str
    element: str


class LostParameter(NamedTuple):
    """``self.attr = nn.Parameter(...).op()``. ``op`` is "requires_grad" for a plain tensor that asks for gradients."""

    place: Place
    attr: str
    op: str


class StateTensor(NamedTuple):
    """A plain tensor attribute of a module. ``why``: random, updated, unregistered or constant."""

    place: Place
    attr: str
    why: str
    where: str
    at: Place | None


class RegisterResult(NamedTuple):
    """``self.attr = self.register_buffer(name, ...)``."""

    place: Place
    attr: str
    method: str
    name: str | None


class LateModule(NamedTuple):
    """A module with weights made inside forward, kept on self (``attr``) or used at once (None)."""

    place: Place
    attr: str | None
    cls: str
    guarded: bool


class RepeatedModule(NamedTuple):
    """``[module] * n`` or a module as a default argument (``how``)."""

    place: Place
    cls: str
    how: str


class MissingInit(NamedTuple):
    """``__init__`` of a module class registers something without ``super().__init__()`` on the way.

    ``attr`` is None where nothing is registered there, but the module is called, or registers elsewhere.
    """

    place: Place
    cls: str
    attr: str | None
    store: Place
    #: Some later statement calls it: too late, not missing.
    late: bool


class CompiledChild(NamedTuple):
    """``self.attr = torch.compile(...)`` inside a module class (or DataParallel: ``kind``)."""

    place: Place
    attr: str
    wrapper: Wrapper
    #: The access path of what was wrapped, where it has one.
    of: str | None
