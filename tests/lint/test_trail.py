"""A finding counts while nothing that its file reaches has changed."""

from __future__ import annotations

import random

from modelint.lint.trail import Trail, Trails


def trails(now: dict[str, str], links: dict[str, str], missing: dict[str, str] | None = None) -> Trails:
    """Files by name with their content now; what was known is that they had the content "1"."""
    known = {name: Trail("1", frozenset(to), frozenset((missing or {}).get(name, ""))) for name, to in links.items()}
    return Trails(now.get, known)


def test_what_is_reached_counts() -> None:
    links = {"a": "b", "b": "c", "c": "", "d": "c", "e": "a"}
    whole = dict.fromkeys(links, "1")
    assert all(trails(whole, links).holds(name) for name in links)
    found = trails({**whole, "b": "2"}, links)
    assert {name for name in links if found.holds(name)} == {"c", "d"}
    gone = trails(dict.fromkeys("abde", "1"), links)
    assert not any(gone.holds(name) for name in links)
    assert not trails(whole, links).holds("never seen")


def test_what_was_missing_must_be_missing() -> None:
    links = {"a": "b", "b": "", "c": ""}
    assert trails(dict.fromkeys("abc", "1"), links, {"b": "x"}).holds("a")
    found = trails(dict.fromkeys("abcx", "1"), links, {"b": "x"})
    assert {name for name in links if found.holds(name)} == {"c"}


def test_rings_and_any_order() -> None:
    """Against the plain definition, on random graphs."""
    shuffled = random.Random(1)
    for _ in range(300):
        names = "abcdefgh"
        links = {name: "".join(shuffled.sample(names, shuffled.randrange(4))) for name in names}
        now = {name: shuffled.choice("111112") for name in names}
        reached = {name: {name} for name in names}
        for _ in names:
            for name in names:
                reached[name] |= {far for near in reached[name] for far in links[near]}
        found = trails(now, links)
        for name in shuffled.sample(names, len(names)):
            assert found.holds(name) == all(now[each] == "1" for each in reached[name])


def test_a_later_run_adds_to_what_is_known() -> None:
    now = {"a": "1", "b": "1", "c": "1"}
    found = trails(now, {"a": "b", "b": ""})
    assert found.learn({"a": Trail("1", frozenset("c")), "c": Trail("1")}) == set()
    assert found.known["a"].links == {"b", "c"}
    assert found.holds("a")
    now["b"] = "2"
    assert not Trails(now.get, found.known).holds("a")


def test_what_hung_on_an_older_content_is_told() -> None:
    found = trails({"a": "1", "b": "2", "c": "1"}, {"a": "b", "b": "", "c": ""})
    # c was looked up in b, which has changed since a was
    assert found.learn({"c": Trail("1", frozenset("b")), "b": Trail("2")}) == {"a", "b"}
    assert found.holds("c")
    assert found.holds("a")  # hence its entry had to go


def test_a_file_that_is_gone_is_no_link_any_more() -> None:
    found = trails({"a": "1", "c": "1"}, {"a": "b", "b": "", "c": "a"})
    assert found.learn({"a": Trail("1", frozenset(), frozenset("b"))}) == {"a", "b", "c"}
    assert found.holds("a")


def test_reached() -> None:
    found = trails({}, {"a": "b", "b": "ax", "c": ""})
    assert set(found.reached({"a"})) == {"a", "b"}
