"""What differs between a tracked model and its manifest: one type for each kind of drift, judged by rules/layout.

One fact is one cause: all that one place of the source does to the keys or the meaning, in however many layers.
Keys and module paths are folded (``layers.{0..11}.attn.weight``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from modelint.diagnostics import Severity

DriftClass = Literal["breaking", "silent", "safe"]
Certainty = Literal["proved", "proposed"]


class Misfit(NamedTuple):
    """A key whose shape in the file is not that of the model."""

    key: str
    old: tuple[int, ...]
    new: tuple[int, ...]


class Load(NamedTuple):
    """What the model's own ``load_state_dict(strict=True)`` said of an empty file of the manifest's layout."""

    loads: bool
    #: False: it could not be tried (``why``), and the keys alone decide.
    proved: bool = True
    why: str | None = None
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[Misfit, ...] = ()
    #: The model has load hooks, or overrides its loading.
    hooks: bool = False
    #: What the load raised besides.
    error: str | None = None
    #: Of a load that succeeds: what strict=True does not tell (modelint.layout.release.Losses).
    dropped: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()


class Numbers(NamedTuple):
    """What the old code and the new compute with the same weights and inputs."""

    #: training: evaluation is the same. partly, unreached: all is the same, and some or all of the changed lines, which
    #: ``words`` name, did not run. unsettled: ``words`` say why.
    outcome: Literal["equal", "partly", "unreached", "training", "different", "unsettled"]
    #: Where they part, and by how much.
    words: str = ""
    #: The path of the first module, in the order of execution, that gives something else; None: not known.
    module: str | None = None
    #: Training was compared, too.
    trained: bool = True
    #: It holds under the proposed renames.
    renamed: bool = False
    #: The inputs, where none are declared and these were found to run.
    found: tuple[str, ...] = ()


class ClassPlace(NamedTuple):
    """Where a class of the project is defined; its project bases in the order of the MRO."""

    path: str
    line: int
    end_line: int
    bases: tuple[str, ...] = ()


class Symbol(NamedTuple):
    """A place in the model: who may have written it, from the nearest class outwards, as (class, attribute).

    The attribute is "" for the class itself, may be a method (``forward``), or an item of a ModuleDict
    (``transformer.wte``).
    """

    owners: tuple[tuple[str, str], ...] = ()
    #: What is assigned below the attribute (``self.head.weight = ...``), where a line may do that.
    below: str = ""


class Drifted(NamedTuple):
    """What all facts of drift have in common."""

    model: str
    cls: DriftClass
    severity: Severity
    at: Symbol
    #: Folded; the keys, or the module paths where no key changed.
    names: tuple[str, ...] = ()
    total: int = 0
    #: Keys in full, as far as the manifest may have a line for them.
    keys: tuple[str, ...] = ()
    old: str | None = None
    new: str | None = None
    #: Other places with the same cause.
    also: tuple[Symbol, ...] = ()
    #: What else the same cause does.
    reasons: tuple[str, ...] = ()
    #: Keys differ, and the model's own load hooks take old files all the same.
    hooks: bool = False
    #: What a strict load of an old file says, folded; empty where it loads.
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    #: What the model's own load hooks raise on an old file.
    error: str | None = None
    #: What numbers say of it; None: nothing was run, or nothing came of it.
    numbers: Numbers | None = None


class KeyRemoved(NamedTuple):
    drift: Drifted
    #: New keys of the same place, folded.
    added: tuple[str, ...] = ()
    #: These fit the old ones, and nothing says which is which.
    undecided: bool = False


class KeyAdded(NamedTuple):
    drift: Drifted


class KeyReshaped(NamedTuple):
    """``drift.old`` and ``drift.new`` are those of the first key."""

    drift: Drifted
    #: It loads: torch takes the one element of a (1,) tensor.
    unpacked: bool = False


class KeyRetyped(NamedTuple):
    drift: Drifted


class PersistenceChanged(NamedTuple):
    drift: Drifted
    persistent: bool


class TieChanged(NamedTuple):
    drift: Drifted
    tied: bool


class KeyRenamed(NamedTuple):
    """``drift.old`` and ``drift.new`` are the folded names."""

    drift: Drifted
    renames: Mapping[str, str]
    certainty: Certainty = "proposed"
    #: Under the new names the forward computes something else.
    different: bool = False


class TypeChanged(NamedTuple):
    drift: Drifted
    traced: bool
    training_only: bool


class HyperParameterChanged(NamedTuple):
    drift: Drifted
    owner: str
    attribute: str
    traced: bool
    training_only: bool


class ForwardChanged(NamedTuple):
    drift: Drifted
    owner: str
    #: It calls the same modules in another order, or for one another.
    reordered: bool
    #: The class is not one of torch.
    own: bool
    #: Its source is as before: a value that it takes from elsewhere is another one.
    same_source: bool
    traced: bool
    training_only: bool
    #: Only where the model is given optional arguments.
    optional: bool = False


class IndexShifted(NamedTuple):
    drift: Drifted


class InitialValueChanged(NamedTuple):
    drift: Drifted
    #: In every file, which restores it.
    persistent: bool


class ManifestMissing(NamedTuple):
    model: str
    path: str


class DoesNotBuild(NamedTuple):
    """The factory or the recording failed; ``blame`` as the tracer tells it."""

    model: str
    stage: str
    blame: str
    message: str
    package: str | None = None
    #: The configuration says that it may be impossible to import here.
    optional: bool = False


class ManifestUnreadable(NamedTuple):
    model: str
    path: str
    line: int
    reason: str
    #: The manifest is that of a release.
    release: str | None = None


class ReleaseDoesNotLoad(NamedTuple):
    """What strict loads of files of ``releases``, which all load alike, say. Names are folded."""

    model: str
    releases: tuple[str, ...]
    #: It is not known whether they load (``why``); or they do, and not all of them arrives.
    outcome: Literal["fails", "unproved", "partly"]
    #: At the first cause, with all that is missing and unexpected; None: unproved.
    drift: Drifted | None = None
    reshaped: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    why: str | None = None
    dropped: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()


class ManifestOrphaned(NamedTuple):
    model: str
    path: str


MeaningFact = TypeChanged | HyperParameterChanged | ForwardChanged | IndexShifted
DriftFact = (
    KeyRemoved
    | KeyAdded
    | KeyReshaped
    | KeyRetyped
    | PersistenceChanged
    | TieChanged
    | KeyRenamed
    | InitialValueChanged
    | MeaningFact
)
ModelFact = ManifestMissing | DoesNotBuild | ManifestUnreadable | ManifestOrphaned | ReleaseDoesNotLoad
Fact = DriftFact | ModelFact
