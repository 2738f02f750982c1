"""Silent drift without declared inputs: settled by numbers on inputs that are found, or left as it was."""

from __future__ import annotations

import pytest
from test_numbers import DOUBLED, FIRST, RARE, RELU, RENAMED, Variant, Verdicts, run_variants, settled, unsettled

torch = pytest.importorskip("torch")


SHORT = """x = self.first(x)
        if x.shape[0] > FACTOR:
            x = 2 * x
"""
ODD = "assert len(x) == 7\n        "
FOUND = {
    "equal": Variant((DOUBLED,), config=""),
    "relu": Variant((RELU,), config=""),
    "eps": Variant((("LayerNorm(width)", "LayerNorm(width, eps=1e-6)"),), config=""),
    "not_run": Variant(((FIRST, RARE),), config=""),
    "number": Variant((("> 1000", "> 2000"),), ((FIRST, SHORT.replace("FACTOR", "1000")),), ""),
    "test": Variant((("> 1000", ">= 1000"),), ((FIRST, SHORT.replace("FACTOR", "1000")),), ""),
    "nothing_runs": Variant((("F.gelu(self.lin(", "F.relu(self.lin("),), (("(self, x, t", "(self, *, x, t"),), ""),
    "old_fails": Variant((DOUBLED, (ODD, "")), ((FIRST, ODD + FIRST),), ""),
    "renamed": Variant((RENAMED,), config=""),
    "dropout": Variant((("Dropout(0.1)", "Dropout(0.2)"),), config=""),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    return run_variants(tmp_path_factory.mktemp("found"), FOUND)


@pytest.mark.slow
def test_what_computes_the_same_is_information(verdicts: Verdicts) -> None:
    found = settled(verdicts, "equal")
    assert (found.code, found.severity, found.cls) == ("MDL713", "information", "safe")
    assert "computes the same on inputs that were found, not declared (float32[2, 16, 4] and " in found.message
    assert "declare `inputs`" in found.help


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "eps"])
def test_what_does_not_stays_an_error_and_says_with_which_inputs(verdicts: Verdicts, name: str) -> None:
    found = settled(verdicts, name)
    assert (found.severity, found.cls) == ("error", "silent")
    assert "computes something else: outputs part first at blocks.0" in found.message
    assert "(with inputs that were found, not declared (float32[2, 16, 4] and " in found.message


@pytest.mark.slow
def test_what_the_inputs_may_lack_settles_nothing(verdicts: Verdicts) -> None:
    assert unsettled(verdicts, "not_run").startswith("some of the changed lines did not run")
    assert "but a number changed (Net.forward, line " in unsettled(verdicts, "number")
    assert "but a test of a number changed (Net.forward, line " in unsettled(verdicts, "test")
    assert unsettled(verdicts, "nothing_runs") == "no inputs are declared, and none were found with which it runs"


@pytest.mark.slow
def test_what_only_the_new_code_takes_settles_nothing(verdicts: Verdicts) -> None:
    words = "the old code does not run with the inputs that were found: AssertionError"
    assert unsettled(verdicts, "old_fails").startswith(words)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["renamed", "dropout"])
def test_nothing_is_looked_for_where_no_silent_drift_is_an_error(verdicts: Verdicts, name: str) -> None:
    said, why = verdicts[name]
    assert said
    assert why == ""
    assert "found, not declared" not in said[0].message
