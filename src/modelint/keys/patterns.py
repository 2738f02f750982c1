"""Patterns: many renames as a few regular expressions, which change these keys and no others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from modelint.keys.fold import MAX_COMPONENTS, is_number
from modelint.keys.forms import Add, Form, Patterns, Strip

#: More expressions than these are harder to read than the list of names.
_MOST = 12


class _Change(NamedTuple):
    """One rename: what stands on both sides, and what differs between."""

    left: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]
    right: tuple[str, ...]


def form_of(mapping: Mapping[str, str], keys: Sequence[str]) -> Form | None:
    """The short way to say ``mapping``, which leaves all the other ``keys`` alone; None where there is none."""
    changed = {key: name for key, name in mapping.items() if key != name}
    if not changed or any(key.count(".") >= MAX_COMPONENTS for key in changed):
        return None
    simple = _affix(changed)
    if simple is not None and all(simple.of(key) == mapping.get(key, key) for key in keys):
        return simple
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[str, _Change]]] = {}
    for key, name in changed.items():
        change = _change(key, name)
        groups.setdefault((change.old, change.new), []).append((key, change))
    if len(groups) > _MOST:
        return None
    patterns = []
    for group in groups.values():
        found = _pattern(group, changed, keys)
        if found is None:
            return None
        patterns.append(found)
    form = Patterns(tuple(patterns))
    return form if all(form.of(key) == mapping.get(key, key) for key in keys) else None


def is_one_word(key: str, name: str) -> bool:
    """Whether one name on the way is another one, came or went; numbers do not count as names."""
    change = _change(key, name)
    middle = (*change.old, *change.new)
    return len(change.old) <= 1 and len(change.new) <= 1 and not any(map(is_number, middle))


def summary(mapping: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """The changes that ``mapping`` is made of: old names, new names, how many keys; the commonest first."""
    found: Counter[tuple[str, str]] = Counter()
    for key, name in mapping.items():
        left, old, new, right = _change(key, name)
        if not all(any(not is_number(part) for part in parts) for parts in (old, new)):
            # What came or went, or is a number, is told with what stands beside it.
            old, new = (left[-1:] + old, left[-1:] + new) if left else (old + right[:1], new + right[:1])
        found[".".join(old), ".".join(new)] += 1
    return [(old, new, count) for (old, new), count in found.most_common()]


def _affix(changed: Mapping[str, str]) -> Form | None:
    key, name = next(iter(changed.items()))
    if key.endswith("." + name):
        return Strip(key.removesuffix(name))
    return Add(name.removesuffix(key)) if name.endswith("." + key) else None


def _change(key: str, name: str) -> _Change:
    old, new = key.split("."), name.split(".")
    most = min(len(old), len(new))
    head = tail = 0
    while head < most and old[head] == new[head]:
        head += 1
    while tail < most - head and old[-tail - 1] == new[-tail - 1]:
        tail += 1
    end, new_end = len(old) - tail, len(new) - tail
    return _Change(tuple(old[:head]), tuple(old[head:end]), tuple(new[head:new_end]), tuple(old[end:]))


def _pattern(
    group: Sequence[tuple[str, _Change]], changed: Mapping[str, str], keys: Iterable[str]
) -> tuple[str, str] | None:
    """One expression for all of ``group``, with as little of the names around as will do."""
    inside = {key for key, _ in group}
    others = [key for key in keys if key not in inside]
    for width in range(4):
        for left, right in dict.fromkeys(((0, width), (width, 0), (width, width))):
            found = _expression([change for _, change in group], left, right)
            if found is None:
                continue
            pattern, replacement = re.compile(found[0]), found[1]
            if all(pattern.sub(replacement, key) == changed[key] for key in inside) and not any(
                pattern.search(key) for key in others
            ):
                return found
    return None


def _expression(changes: Sequence[_Change], left: int, right: int) -> tuple[str, str] | None:
    """What is matched, and what stands in its place; None where it would match everywhere."""
    old, new = changes[0].old, changes[0].new
    before = _alternatives([_last(change.left, left) for change in changes])
    after = _alternatives([change.right[:right] for change in changes])
    end = rf"(?=\.{after}(?:\.|$))" if after else r"(?=\.|$)"
    if not any(change.left for change in changes):
        start, kept = "^", []
    elif before:
        start, kept = rf"(^|\.)({before})", [r"\1\2"]
    else:
        start, kept = r"(^|\.)", [r"\1"]
    matched = r"\.".join(map(re.escape, old))
    if start == "^" or not before:
        # What is matched begins a name.
        if old:
            pattern = start + matched + (end if new else rf"\.(?={after}(?:\.|$))" if after else r"\.")
        elif start == "^" and after:
            pattern = rf"^(?={after}(?:\.|$))"
        else:
            return None
        inserted = ".".join(new) + ("" if old or not new else ".")
    else:
        pattern = start + (rf"\.{matched}" if old else "") + end
        inserted = "".join(f".{name}" for name in new)
    return pattern, _replacement("".join(kept), inserted)


def _replacement(kept: str, inserted: str) -> str:
    text = inserted.replace("\\", "\\\\")
    return kept.replace(r"\1", r"\g<1>") + text if kept == r"\1" and text[:1].isdigit() else kept + text


def _last(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return names[len(names) - count :] if count and len(names) >= count else names if count else ()


def _alternatives(runs: Iterable[tuple[str, ...]]) -> str:
    """Runs of names as one expression; numbers stand for any number."""
    spelled = dict.fromkeys(r"\.".join(r"\d+" if is_number(name) else re.escape(name) for name in run) for run in runs)
    if "" in spelled:
        return ""
    if len(spelled) == 1:
        return next(iter(spelled))
    return "(?:" + "|".join(spelled) + ")" if len(spelled) <= 6 else ""
