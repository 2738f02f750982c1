"""Rules over drift: every pair of layouts through every rule, and what they say of it.

``layout_findings.txt`` holds all of it, so that a change to one rule shows what it does to the others. Read the
difference, then accept it with

    MODELINT_UPDATE_SNAPSHOT=1 python -m pytest tests/rules/test_layout_rules.py -k snapshot
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from layout_pairs import Pair, pairs, releases

from modelint import catalogue
from modelint.diagnostics import Diagnostic, Severity, Span
from modelint.layout import drift, facts, proof
from modelint.layout.diagnose import diagnose
from modelint.layout.facts import Fact
from modelint.layout.manifest import Manifest
from modelint.layout.place import Spot
from modelint.layout.release import Release
from modelint.rule import LayoutRule

SNAPSHOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layout_findings.txt")
DECLARATION = Spot("pyproject.toml", Span(3, 1, 3, 1))
PAIRS = list(pairs())
RELEASES = list(releases())
CODES = [code for code in catalogue.codes() if "MDL7" <= code < "MDL8"]

MODEL_FACTS: list[Fact] = [
    facts.ManifestMissing("gpt", "model-manifests/gpt/layout.json"),
    facts.DoesNotBuild("gpt", "call", "meta", "RuntimeError: Tensor.item() cannot be called on meta tensors"),
    facts.DoesNotBuild("gpt", "call", "arguments", "TypeError: GPT.__init__() missing 'config'"),
    facts.DoesNotBuild("gpt", "import", "missing-package", "No module named 'timm'", "timm"),
    facts.DoesNotBuild("gpt", "import", "missing-package", "No module named 'timm'", "timm", optional=True),
    facts.DoesNotBuild("gpt", "exit", "code", "SystemExit: 2"),
    facts.ManifestUnreadable("gpt", "layout.json", 7, "a merge left conflict markers in it"),
    facts.ManifestUnreadable("gpt", "layout.json", 2, "a newer modelint wrote it (schema 2; this one reads 1)"),
    facts.ManifestUnreadable("gpt", "releases/v1.json", 1, "it is empty", "v1"),
    facts.ManifestOrphaned("gpt", "model-manifests/gpt/layout.json"),
    facts.ReleaseDoesNotLoad("gpt", ("v1",), "unproved", why="loading reads values, and 131.4 GiB are too many"),
]


def said(pair: Pair, silent: Severity = "error") -> list[Diagnostic]:
    found = drift.compare("gpt", pair.old, pair.new, pair.load)
    return diagnose(found.facts, DECLARATION, model="gpt", silent=silent)


def said_of_a_release(pair: Pair) -> list[Diagnostic]:
    """Of a release with the old layout, whose files load as the pair has it."""
    assert pair.load is not None
    release = Release("v1", "v1.json", Manifest("gpt", pair.old, {}))
    found = proof.proofs("gpt", [release], {"v1": "@v1"}, pair.new, {"@v1": pair.load})
    return diagnose([each.fact for each in found], DECLARATION, model="gpt")


def test_the_codes() -> None:
    rules = {rule.code: rule for rule in catalogue.rules() if isinstance(rule, LayoutRule)}
    assert list(rules) == CODES
    assert [code[3:] for code in CODES] == "701 702 703 704 705 706 707 711 712 713 714 715 721 731 732 733 734".split()
    assert all(rule.severity == "error" and rule.status == "on" for rule in rules.values())
    asked = [fact for rule in rules.values() for fact in rule.facts]
    assert len(asked) == len(set(asked)) == len(CODES)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_cause_is_said_once_and_by_its_own_rule(pair: Pair) -> None:
    codes = pair.name.partition("_")[0].split("+")
    assert [each.code for each in said(pair)] == [code for code in codes if code != "none"]


@pytest.mark.parametrize("pair", RELEASES, ids=lambda pair: pair.name)
def test_what_is_said_of_a_release(pair: Pair) -> None:
    codes = pair.name.partition("_")[0].replace("none", "").split()
    assert [each.code for each in said_of_a_release(pair)] == codes


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_other_way_round_says_something_too(pair: Pair) -> None:
    back = said(Pair(pair.name, pair.new, pair.old))
    assert bool(back) == (not pair.name.startswith("none") and pair.old != pair.new)


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_a_pair_and_a_page(code: str) -> None:
    reported = {each.code for pair in PAIRS for each in said(pair)}
    reported |= {each.code for pair in RELEASES for each in said_of_a_release(pair)}
    reported |= {each.code for each in diagnose(MODEL_FACTS, DECLARATION, model="gpt")}
    assert code in reported
    page = catalogue.page(code)
    assert len(page.splitlines()) <= 70
    assert re.search(r"modelint lock|optional = true|Never", catalogue.sections(page)["When to ignore"])


def test_messages_are_of_few_lines_and_say_what_to_do() -> None:
    found = [each for pair in PAIRS for each in said(pair)] + diagnose(MODEL_FACTS, DECLARATION, model="gpt")
    found += [each for pair in RELEASES for each in said_of_a_release(pair)]
    for each in found:
        assert each.message.startswith("gpt: ") and "\n" not in each.message + each.help
        assert len(each.message) < 330 and 0 < len(each.help) < 220
        assert each.drift is None or each.drift.cls in ("breaking", "silent", "safe")


def test_silent_drift_is_what_the_configuration_says() -> None:
    for pair in PAIRS:
        for hard, soft in zip(said(pair), said(pair, "information"), strict=True):
            assert hard.drift is not None
            expected = hard.severity == "error" and hard.drift.cls == "silent" and hard.code != "MDL714"
            assert soft == (hard._replace(severity="information") if expected else hard)


def snapshot() -> Iterator[str]:
    for pair in PAIRS:
        yield f"{pair.name}\n"
        yield from map(described, said(pair))
    for pair in RELEASES:
        yield f"release {pair.name}\n"
        yield from map(described, said_of_a_release(pair))
    yield "of whole models\n"
    yield from map(described, diagnose(MODEL_FACTS, DECLARATION, model="gpt"))


def described(each: Diagnostic) -> str:
    drifted = "" if each.drift is None else f" {each.drift.cls} {' '.join(each.drift.keys)}"
    return f"    {each.code} {each.severity}{drifted}\n        {each.message}\n        {each.help}\n"


def test_snapshot() -> None:
    text = "".join(snapshot())
    if os.environ.get("MODELINT_UPDATE_SNAPSHOT"):
        with open(SNAPSHOT, "w", encoding="utf-8") as file:
            file.write(text)
    with open(SNAPSHOT, encoding="utf-8") as file:
        assert text.splitlines() == file.read().splitlines()
