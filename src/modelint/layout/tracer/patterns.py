"""einsum and einops: patterns in one spelling, and as operations of torch where they only move axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .axes import permuted, transposed, unsqueezed
from .graph import Node


def letters(text: str, names: dict[str, str]) -> str:
    """Axis names renamed by first use."""
    out = ""
    for each in text:
        if each.isalpha():
            out += names.setdefault(each, chr(ord("a") + len(names)) if len(names) < 26 else each.upper())
        elif not each.isspace():
            out += each
    return out


def einsum(args: Sequence[Any]) -> Any:
    pattern, operands = args[0], args[1:]
    if len(operands) == 1 and isinstance(operands[0], tuple):
        operands = operands[0]
    if not isinstance(pattern, str):
        return Node("einsum", tuple(args))
    left, arrow, right = pattern.replace(" ", "").partition("->")
    if not arrow:
        flat_left = left.replace(",", "")
        right = "".join(sorted({each for each in flat_left if each.isalpha() and flat_left.count(each) == 1}))
        right = "..." * ("..." in left) + right
    terms = left.split(",")
    if len(terms) == 2 and len(operands) == 2:
        one, other = terms
        batch = one[:-2]
        if len(one) >= 2 and other[: len(batch)] == batch and right[: len(batch)] == batch:
            rows, inner = one[-2], one[-1]
            rest = other[len(batch) :]
            if rest == inner + right[-1:] and right == batch + rows + right[-1:] and len({*rest, rows}) == 3:
                return Node("matmul", (operands[0], operands[1]))
            if rest == right[-1:] + inner and right == batch + rows + right[-1:] and len({*rest, rows}) == 3:
                return Node("matmul", (operands[0], transposed(operands[1], -2, -1)))
    names: dict[str, str] = {}
    return Node("einsum", (letters(left + "->" + right, names), *operands))


EINOPS = frozenset("rearrange reduce repeat".split())


def einops(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    tensors, pattern, rest = args[0], args[1], list(args[2:])
    if "reduction" in kwargs:
        kwargs = dict(kwargs)
        rest.append(kwargs.pop("reduction"))
    names: dict[str, str] = {}
    tokens: list[str] = []
    word = ""
    for each in pattern.replace("()", " 1 ").replace("->", " > ") + " ":
        if each.isalnum() or each == "_" or each == ".":
            word += each
            continue
        if word:
            named = word[0].isalpha() or word[0] == "_"
            tokens.append(names.setdefault(word, f"a{len(names)}") if named else word)
            word = ""
        if not each.isspace():
            tokens.append(each)
    sizes = sorted((names.get(key, key), value) for key, value in kwargs.items())
    if name == "rearrange" and not sizes and isinstance(tensors, Node):
        moved = axes_moved(tensors, tokens)
        if moved is not None:
            return moved
    return Node(name, (tensors, " ".join(tokens), tuple(rest), tuple(sizes)))


def axes_moved(base: Any, tokens: list[str]) -> Any:
    """A pattern that only moves axes, and adds some of length 1, as torch does it; None: it does more."""
    at = tokens.index(">")
    left, right = tokens[:at], tokens[at + 1 :]
    named = [each for each in right if each != "1"]
    if left.count("...") == 1 and left == named and not any(each in "()1" for each in left):
        rest = right.index("...")
        added = [index for index, each in enumerate(right) if each == "1"]
        for index in [each for each in added if each < rest]:
            base = unsqueezed(base, index)
        for index in reversed([each for each in added if each > rest]):
            base = unsqueezed(base, index - len(right))
        return base
    if any("." in each or each in "()1" for each in left) or sorted(left) != sorted(named):
        return None
    base = permuted(base, ("dims", tuple(left.index(each) for each in named)))
    for position, each in enumerate(right):
        if each == "1":
            base = unsqueezed(base, position)
    return base
