"""What is known at one point of one function: names, attributes, conditions, and the tests that led here."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from modelint.lint import tree as t
from modelint.lint.index import File
from modelint.lint.names import ClassRef
from modelint.lint.values import NO_CONDS, UNKNOWN, Conds, Value, join, join_branches
from modelint.rule import Place

#: Access path ("model", "self.net", "self.net.encoder") -> value.
Env: TypeAlias = dict[str, Value]


class Test(NamedTuple):
    """A test that decided on this path, how it came out, and the ``if`` or comprehension it stands in."""

    expr: t.Expr
    truth: bool
    place: Place
    #: An assertion: it keeps no entry out, it raises.
    asserted: bool = False


class Frame:
    """One function (or module body) being interpreted."""

    __slots__ = (
        "bound_call",
        "bound_names",
        "breaks",
        "closures",
        "cls",
        "conditional",
        "continues",
        "depth",
        "env",
        "far",
        "file",
        "init_done",
        "key",
        "loops",
        "owner",
        "parent",
        "path",
        "returns",
"scope", "self_name", "sharded",        "statement",
        "tests",
        "top_call",
    )  # fmt: skip

    def __init__(
        self,
        file: File,
        statement: int,
        scope: t.Def | t.Lambda | None,
        *,
        parent: Frame | None = None,
        cls: ClassRef | None = None,
        owner: ClassRef | None = None,
        key: int = -1,
        depth: int = 0,
    ) -> None:
        self.file = file
        self.statement = statement
        self.scope = scope
        self.parent = parent
        #: The class whose instance ``self`` is, the class that defines this method, and the instance in the heap.
        self.cls = cls
        self.owner = owner
        self.key = key
        self.depth = depth
        self.self_name = ""
        self.env: Env = {}
        self.path: Conds = NO_CONDS
        self.tests: tuple[Test, ...] = ()
        #: Returned value, environment and count of training events at each return; the same for breaks.
        self.returns: list[tuple[Value, Env, int]] = []
        self.breaks: list[tuple[Env, int]] = []
        self.continues: list[Env] = []
        self.closures: list[t.Def] = []
        self.conditional = 0
        #: The loops around this point, outermost first.
        self.loops: tuple[Place, ...] = ()
        self.init_done = False
        #: Reached from another file, with arguments that tell nothing.
        self.far = False
        #: Inside ``with FSDP.state_dict_type(...)``: the keys come out clean.
        self.sharded = 0
        #: The call whose result the statement at hand drops or binds (to these names).
        self.top_call: t.Expr | None = None
        self.bound_call: t.Expr | None = None
        self.bound_names: tuple[str, ...] = ()

    def place(self, node: t.Node) -> Place:
        return Place(self.file.path, self.statement, node.n)

    def lookup(self, path: str) -> Value | None:
        """The value bound to ``path`` here or in an enclosing function; None where nothing binds it."""
        frame: Frame | None = self
        while frame is not None:
            found = frame.env.get(path)
            if found is not None:
                return found
            frame = frame.parent
        return None

    def bind(self, path: str, value: Value) -> None:
        """Bind ``path`` and forget what was known of everything below it."""
        below = path + "."
        for other in [p for p in self.env if p.startswith(below)]:
            del self.env[other]
        self.env[path] = value


def join_envs(left: Env, right: Env, then: Conds = NO_CONDS, other: Conds = NO_CONDS, *, settled: bool = False) -> Env:
    """The environment after two branches meet."""
    if left == right:
        return left
    out: Env = {}
    for path in {**left, **right}:
        a, b = left.get(path, UNKNOWN), right.get(path, UNKNOWN)
        out[path] = join_branches(a, b, then, other, settled=settled) if then or other else join(a, b)
    return out
