"""Which codes are reported."""

from __future__ import annotations

import pytest

from modelint.rule import Status
from modelint.selection import ALL, Layer, UnknownSelector, parse, parse_list, selects


@pytest.mark.parametrize(
    ("text", "selector"), [("MDL401", "MDL401"), (" mdl4 ", "MDL4"), ("MDL40", "MDL40"), ("ALL", ALL), ("MDL", ALL)]
)
def test_codes_and_prefixes(text: str, selector: str) -> None:
    assert parse(text) == selector


@pytest.mark.parametrize("text", ["MDL41", "MDL499", "401", "M", "E501", "", "MDL4011", "swallowed-load-error"])
def test_what_selects_nothing_is_an_error(text: str) -> None:
    with pytest.raises(UnknownSelector, match=r"^unknown code '.*'; (did you mean MDL\d{3} |`modelint rules`)"):
        parse(text)


def test_the_nearest_code_is_named() -> None:
    with pytest.raises(UnknownSelector, match=r"did you mean MDL402 \(swallowed-load-error\)\?"):
        parse("swallowed-load-errors")


def test_comma_lists_that_are_repeated() -> None:
    assert parse_list(["MDL2, MDL401", "MDL3,"]) == ("MDL2", "MDL401", "MDL3")


def chosen(code: str, *layers: Layer, status: Status = "on", preview: bool = False) -> bool:
    return selects(code, status, layers, preview=preview)


def test_what_is_on_is_selected_without_a_word() -> None:
    assert chosen("MDL401")
    assert not chosen("MDL407", status="off")


def test_select_starts_from_nothing() -> None:
    assert chosen("MDL401", Layer(select=("MDL4",)))
    assert not chosen("MDL201", Layer(select=("MDL4",)))
    assert chosen("MDL201", Layer(select=("MDL4",), extend_select=("MDL2",)))


def test_the_longer_selector_wins_and_ignore_on_a_tie() -> None:
    assert not chosen("MDL401", Layer(ignore=("MDL4",)))
    assert chosen("MDL401", Layer(select=("MDL401",), ignore=("MDL4",)))
    assert not chosen("MDL401", Layer(select=("MDL4",), ignore=("MDL401",)))
    assert not chosen("MDL401", Layer(select=("MDL4",), ignore=("MDL4",)))


def test_the_command_line_goes_over_the_configuration() -> None:
    configured = Layer(select=("MDL2",), ignore=("MDL401",))
    assert chosen("MDL401", configured, Layer(select=("MDL4",)))
    assert not chosen("MDL201", configured, Layer(select=("MDL4",)))
    assert chosen("MDL301", configured, Layer(extend_select=("MDL3",)))
    assert chosen("MDL201", configured, Layer(extend_select=("MDL3",)))
    assert not chosen("MDL201", configured, Layer(ignore=("MDL2",)))


def test_what_is_off_needs_its_full_code_or_preview() -> None:
    status: Status = "off"
    for layer in (Layer(select=("MDL4",)), Layer(select=(ALL,)), Layer(extend_select=("MDL4",))):
        assert not chosen("MDL407", layer, status=status)
        assert chosen("MDL407", layer, status=status, preview=True)
    assert chosen("MDL407", Layer(select=("MDL407",)), status=status)
    assert chosen("MDL407", Layer(extend_select=("MDL407",)), status=status)
    assert chosen("MDL407", status=status, preview=True)
    assert not chosen("MDL407", Layer(ignore=("MDL407",)), status=status, preview=True)
    assert not chosen("MDL407", Layer(select=("MDL2",)), status=status, preview=True)
