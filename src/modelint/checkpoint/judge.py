"""Facts of a file to findings: what the rules of ``rules/checkpoint`` say of them."""

from __future__ import annotations

from collections.abc import Iterator

from modelint import catalogue
from modelint.checkpoint.contents import Contents, Finding
from modelint.checkpoint.facts import InShard
from modelint.rule import FileRule


def findings(contents: Contents) -> tuple[Finding, ...]:
    """What is dangerous or damaged, sorted by code. Without facts no rule is imported."""
    found = [finding for fact in contents.facts for finding in _judged(fact)]
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.code))


def _judged(fact: object) -> Iterator[Finding]:
    if isinstance(fact, InShard):
        for finding in _judged(fact.fact):
            yield finding._replace(message=f"{fact.shard}: {finding.message}")
        return
    for rule in catalogue.rules("checkpoint"):
        if isinstance(rule, FileRule) and type(fact) in rule.facts:
            for report in rule.check(fact):
                yield Finding(rule.code, rule.name, report.message)
