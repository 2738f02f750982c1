"""How much two names of keys have in common."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from operator import and_

from modelint.keys.fold import is_number

Names = tuple[str, ...]
#: Agreement with what is known of their modules, names in common, names in common at both ends. More is better.
Score = tuple[int, int, int]

_TOKEN = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*|\d+")
#: What models are written with -> one word for it. Words that mean another thing elsewhere (``dense``, ``gamma``) and
#: those that only an order tells (``before``, ``1``, ``post``) are none of these.
_SAME = {
    word: meaning
    for meaning, words in {
        "q": "query queries wq",
        "k": "key keys wk",
        "v": "value values wv",
        "o": "out output wo",
        "kv": "wkv",
        "gate": "wgate",
        "attn": "attention attentions",
        "mlp": "ffn ff feedforward",
        "norm": "ln layernorm",
        "scale": "ls lambda layerscale",
    }.items()
    for word in words.split()
}
#: Attention to an encoder is called by what it looks at, and attention to itself often by nothing.
_CROSS = re.compile(r"(?i)(?:enc_?dec|encoder|cross)_?(?=att)")
#: How TensorFlow calls the tensors of a normalisation.
_LEAVES = {"gamma": "weight", "beta": "bias"}
_NORM = re.compile(r"(?i)norm|ln")
_SELF = re.compile(r"(?i)self_?(?=att)")
#: How else the tensors of a module are called.
_WEIGHTS = {"gamma": "weight", "a_2": "weight", "scale": "weight", "beta": "bias", "b_2": "bias", "shift": "bias"}


def template(path: str, *, literal: bool = False) -> tuple[Names, tuple[str, ...]]:
    """The names of a path with ``#`` for numbers, and the numbers; with ``literal`` numbers are names."""
    parts = path.split(".")
    if literal:
        return tuple(parts), ()
    return tuple("#" if is_number(part) else part for part in parts), tuple(filter(is_number, parts))


def split_number(name: str) -> tuple[str, int | None]:
    """``("layer", 12)`` of ``layer12``."""
    stem = name.rstrip("0123456789")
    number = name[len(stem) :]
    return stem, int(number) if is_number(number) else None


class Scores:
    """Of pairs, growing with what is learned about the modules they stand in."""

    def __init__(self) -> None:
        #: Path of an old module -> paths of the new ones that pairs have put in its place.
        self._moved: dict[Names, set[Names]] = {}

    def of(self, before: Names, after: Names) -> Score:
        return self._agreement(before, after), common(before, after), _ends(before, after)

    def learn(self, before: Names, after: Names) -> None:
        """A pair is sure: the modules on its way, from below as far as their names agree, went with it."""
        for cut in range(1, min(len(before), len(after))):
            self._moved.setdefault(before[:-cut], set()).add(after[:-cut])
            if before[-cut - 1] != after[-cut - 1]:
                break

    def learn_layers(self, key: str, name: str) -> None:
        """A pair of keys is sure: the layers of the same numbers on their ways went with it, and the innermost ones."""
        before, after = tuple(key.split(".")), tuple(name.split("."))
        numbers, others = ([at for at, part in enumerate(parts) if is_number(part)] for parts in (before, after))
        for at, other in zip(numbers, others, strict=False):
            if before[at] != after[other]:
                break
            self._moved.setdefault(before[: at + 1], set()).add(after[: other + 1])
        if numbers and others:
            self._moved.setdefault(before[: numbers[-1] + 1], set()).add(after[: others[-1] + 1])

    def _agreement(self, before: Names, after: Names) -> int:
        for length in range(len(before) - 1, 0, -1):
            known = self._moved.get(before[:length])
            if known:
                return length if any(after[: len(path)] == path for path in known) else -length
        return 0


@cache
def common(one: Names, other: Names) -> int:
    """How many names they share, in the same order."""
    row = [0] * (len(other) + 1)
    for name in one:
        diagonal = 0
        for at, each in enumerate(other):
            diagonal, row[at + 1] = row[at + 1], diagonal + 1 if name == each else max(row[at + 1], row[at])
    return row[-1]


def _ends(one: Names, other: Names) -> int:
    most = min(len(one), len(other))
    head = tail = 0
    while head < most and one[head] == other[head]:
        head += 1
    while tail < most - head and one[-tail - 1] == other[-tail - 1]:
        tail += 1
    return head + tail


def told_apart(befores: Sequence[Names], afters: Sequence[Names]) -> Iterator[tuple[int, int]]:
    """Pairs among rivals of which parts of the names tell each from every other: ``q_lin, k_lin`` -> ``query, key``.

    One hint among rivals misleads (``attention_norm`` is not ``post_attention_norm``): what tells nothing of one of
    them fits every other, and then nothing is told of any.
    """
    # The same layers on both sides tell nothing apart; ``linear_4`` may have become ``layers.4``.
    layers = len({sum(map(is_number, names)) for names in (*befores, *afters)}) > 1
    words, others = _telling(befores, layers), _telling(afters, layers)
    best = [_closest(each, others) for each in words]
    wanted = [_closest(each, words) for each in others]
    for one, fitting in enumerate(best):
        at = fitting[0]
        if len(fitting) == 1 and wanted[at] == [one] and sum(at in each for each in best) == 1:
            yield one, at


def _telling(names: Sequence[Names], layers: bool) -> list[Counter[str]]:
    """The words of each that not all of them have."""
    found = [_words(each, layers) for each in names]
    shared = reduce(and_, found)
    return [words - shared for words in found]


def _words(names: Names, layers: bool) -> Counter[str]:
    """The words and numbers in names, each by what it means; numbers between dots count with ``layers`` alone."""
    if len(names) > 1 and _NORM.search(names[-2]):
        names = (*names[:-1], _LEAVES.get(names[-1], names[-1]))
    spelled = (_SELF.sub("", _CROSS.sub("cross_", name)) for name in names if layers or not is_number(name))
    words = (token.lower() for name in spelled for token in _TOKEN.findall(name))
    return Counter(_SAME.get(word, word) for word in words)


def _closest(words: Counter[str], others: Sequence[Counter[str]]) -> list[int]:
    """Which of ``others`` have most in common with ``words``, the same ones first; all of them where none has any."""
    scores = [((words & other).total(), words == other) for other in others]
    top = max(scores)
    return [at for at, score in enumerate(scores) if score == top] if top[0] else list(range(len(others)))


def role(names: Names) -> str | None:
    """Which part of an attention these names stand for, where they say so."""
    found = _words(names, False).keys() & {"q", "k", "v"}
    return next(iter(found)) if len(found) == 1 else None


def leaf_word(leaf: str) -> str:
    """The name of a tensor of a module, as torch would call it."""
    return _WEIGHTS.get(leaf, leaf)


#: Where in a layer a normalisation stands, in the order in which they run; the first that fits its name decides.
_PLACES = tuple(
    (re.compile(f"(?i){pattern}"), at)
    for pattern, at in (
        (r"post_?(ffn|ffw|mlp|feed_?forward)", 6),
        (r"post_?(attn|attention)", 3),
        (r"(pre_?)?(ffn|ffw|mlp|feed_?forward)|(^|[._])ff($|[._])", 5),
        (r"cross|enc(oder|_dec)?_?att", 2),
        (r"attn|attention|(^|[._])sa($|[._])", 1),
        (r"input|before|(^|[._])pre($|[._])|(^|[._])first", 0),
        (r"after|final|output|(^|[._])post($|[._])|(^|[._])second", 7),
    )
)


#: Of these places: those behind the part that they belong to.
BEHIND = frozenset({3, 6})


def place(names: Names) -> tuple[bool, int] | None:
    """Where in its layer a normalisation of these names stands: whether a number says so, and one that grows."""
    path = ".".join(names)
    if not _NORM.search(path):
        return None
    for pattern, at in _PLACES:
        if pattern.search(path):
            return False, at
    numbers = [int(number) for number in re.findall(r"\d+", path)[:2]]
    return (True, numbers[0]) if len(numbers) == 1 else None
