"""The symbolic pickle machine: what it describes is what `pickle` would build, and no input makes it run anything."""

from __future__ import annotations

import collections
import io
import os
import pickle
import pickletools
import random
import struct
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelint.checkpoint import limits, pickle_machine
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.limits import Budget
from modelint.checkpoint.pickle_values import Blob, Call, DictNode, Global, ListNode, Persistent, SetNode, TupleNode


def run(data: bytes, **budget: int) -> object:
    return pickle_machine.run(data, budget=Budget(**budget)).value


def built(value: object) -> object:
    """The Python value that nodes stand for: for small values without cycles."""
    if isinstance(value, ListNode):
        return [built(item) for item in value.items]
    if isinstance(value, TupleNode):
        return tuple(built(item) for item in value.items)
    if isinstance(value, DictNode):
        return {built(key): built(item) for key, item in value.pairs}
    if isinstance(value, SetNode):
        return {built(item) for item in value.items}
    if isinstance(value, Blob):
        data = value.source.read(value.start, value.size)
        return data.decode("utf-8", "surrogatepass") if value.text else data
    if isinstance(value, Call):
        return built_call(value)
    return value


def built_call(call: Call) -> object:
    if call.name == "_codecs.encode":
        text, encoding = call.args.items
        return text.encode(encoding)
    if call.name == "builtins.bytearray":
        return bytearray(*(built(item) for item in call.args.items))
    if call.name in ("builtins.set", "builtins.frozenset"):
        return set(built(call.args.items[0]))
    if call.name == "builtins.bytes":
        return b""
    raise AssertionError(call.name)


def plain(value: object) -> object:
    return set(value) if isinstance(value, frozenset) else value


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.integers(-(1 << 700), 1 << 700)
)
hashable = st.booleans() | st.integers() | st.text(max_size=8) | st.binary(max_size=8)
values = st.recursive(
    scalars | st.frozensets(hashable).map(set),
    lambda each: (
        st.lists(each)
        | st.lists(each).map(tuple)
        | st.dictionaries(hashable, each)
        | st.tuples(each)
        | st.tuples(each, each, each)
    ),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(values, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_describes_what_pickle_builds(value: object, protocol: int) -> None:
    assert built(run(pickle.dumps(value, protocol))) == value
    # pickletools.optimize leaves gaps in the memo.
    assert built(run(pickletools.optimize(pickle.dumps(value, protocol)))) == value


@settings(max_examples=50, deadline=None)
@given(values, st.integers(0, pickle.HIGHEST_PROTOCOL), st.randoms())
def test_pure_python_pickler(value: object, protocol: int, _: random.Random) -> None:
    stream = io.BytesIO()
    pickle._Pickler(stream, protocol).dump(value)
    assert built(run(stream.getvalue())) == value


def test_long_values_stay_in_the_file() -> None:
    long_bytes, long_text = os.urandom(10_000), "é" * (limits.TEXT // 2 + 1)
    for protocol in (3, 4, 5):
        node = run(pickle.dumps([long_bytes, long_text], protocol))
        first, second = node.items
        assert isinstance(first, Blob) and first.size == 10_000
        assert isinstance(second, Blob) and second.text
        assert built(node) == [long_bytes, long_text]


def test_python_2_strings() -> None:
    assert run(b"(dp1\nS'conv1.we\\x69ght'\np2\nI5\ns.").pairs == [("conv1.weight", 5)]
    assert run(b"\x80\x02U\x03abc.") == "abc"
    assert run(b"\x80\x02T\x03\x00\x00\x00ab\xff.") == "ab\xff"


class Made:
    def __init__(self) -> None:
        self.x = 1


class Counted(collections.OrderedDict):
    pass


class Listed(list):
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects(protocol: int) -> None:
    counted, listed = Counted(a=1), Listed([1, 2])
    counted.note = "n"
    outcome = pickle_machine.run(pickle.dumps([Made(), counted, listed], protocol), budget=Budget())
    made, first, second = outcome.value.items
    # Protocols 0 and 1 make objects through a helper, which is what a load calls.
    function = Made.__qualname__ if protocol >= 2 else "_reconstructor"
    assert made.name.endswith(function)
    assert made.state.pairs == [("x", 1)]
    assert first.name.endswith("Counted")
    assert first.pairs == [("a", 1)]
    assert second.items == [1, 2] or built(second.args.items[2]) == [1, 2]
    assert any(name.endswith(function) for name in outcome.calls)
    assert set(outcome.calls) <= set(outcome.globals)


def test_names_of_python_2() -> None:
    outcome = pickle_machine.run(b"c__builtin__\neval\n(S'1'\ntR.", budget=Budget())
    assert outcome.calls == ("builtins.eval",)
    outcome = pickle_machine.run(b"ccommands\ngetoutput\n(S'id'\ntR.", budget=Budget())
    assert outcome.calls == ("subprocess.getoutput",)
    # From protocol 3 on no name is mapped.
    outcome = pickle_machine.run(b"\x80\x03ccommands\ngetoutput\n(X\x02\x00\x00\x00idtR.", budget=Budget())
    assert outcome.calls == ("commands.getoutput",)


def test_every_way_to_call() -> None:
    text = b"X\x02\x00\x00\x00id"
    system = b"cos\nsystem\n"
    ways = {
        "reduce": b"\x80\x02" + system + text + b"\x85R.",
        "newobj": b"\x80\x02" + system + text + b"\x85\x81.",
        "newobj_ex": b"\x80\x04" + system + text + b"\x85}\x92.",
        "obj": b"\x80\x02(" + system + text + b"o.",
        "inst": b"(" + b"S'id'\n" + b"ios\nsystem\n.",
        "build": b"\x80\x02" + system + b"}b.",
        "setitem": b"\x80\x02" + system + text + b"Ns.",
        "append": b"\x80\x02" + system + text + b"a.",
        "stack_global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text + b"\x85R.",
        "memo": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93" + text + b"\x85R.",
    }
    for way, data in ways.items():
        assert pickle_machine.run(data, budget=Budget()).calls == ("os.system",), way
    # A name alone is not called.
    outcome = pickle_machine.run(b"\x80\x02" + system + b".", budget=Budget())
    assert outcome.calls == ()
    assert outcome.globals == ("os.system",)


def test_names_nothing_imports() -> None:
    before = set(sys.modules)
    run(b"\x80\x02cantigravity\nfly\n)R.")
    assert "antigravity" not in set(sys.modules) - before


def test_several_pickles_in_a_row() -> None:
    data = pickle.dumps(1) + pickle.dumps({"a": 2}) + b"rest"
    budget = Budget()
    first = pickle_machine.run(data, budget=budget)
    second = pickle_machine.run(data, first.end, budget=budget)
    assert first.value == 1
    assert built(second.value) == {"a": 2}
    assert data[second.end :] == b"rest"
    with pytest.raises(Refused, match="truncated"):
        pickle_machine.run(data, first.end, second.end - 1, budget=budget)


def test_persistent_ids() -> None:
    assert run(b"Psome storage\n.").id == "some storage"
    assert run(b"\x80\x02X\x01\x00\x00\x00a\x85Q.").id.items == ("a",)


def test_equal_only_to_itself() -> None:
    first, second = run(b"K\x01\x85."), run(b"K\x01\x85.")
    assert first != second
    assert first == first
    assert len({first, second}) == 2


BOMBS = {
    "deep tuple": lambda: b"\x80\x02)" + b"\x85" * 1_000_000 + b".",
    "deep tuple as key": lambda: b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.",
    "deep lists": lambda: b"\x80\x02" + b"](" * 15_000 + b"e" * 15_000 + b".",
    "deep lists by append": lambda: b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".",
    "deep calls": lambda: b"\x80\x02cos\nsystem\n" + b")R" * 500_000 + b".",
    "deep persistent": lambda: b"\x80\x02N" + b"Q" * 1_000_000 + b".",
    "doubling": lambda: b"\x80\x02)" + b"2\x86" * 64 + b".",
    "doubling through the memo": lambda: b"\x80\x02)" + b"q\x00h\x00\x86" * 64 + b".",
    "doubling as key": lambda: b"\x80\x02})" + b"q\x00h\x00\x86" * 64 + b"Ns.",
    "itself": lambda: b"\x80\x02]q\x00h\x00a.",
    "dicts": lambda: b"\x80\x02" + b"}" * 1_500_000 + b".",
    "tuples": lambda: b"\x80\x02" + b")" * 1_500_000 + b".",
    "marks": lambda: b"\x80\x02" + b"(" * 1_500_000 + b".",
    "constants": lambda: b"\x80\x02" + b"N" * 1_500_000 + b".",
    "constants in a tuple": lambda: b"\x80\x02(" + b"N" * 1_500_000 + b"t.",
    "integers": lambda: b"\x80\x02" + b"M\xff\xff" * 750_000 + b".",
    "pushed and popped": lambda: b"\x80\x02" + b"N0" * 750_000 + b".",
    "marks pushed and popped": lambda: b"\x80\x02" + b"(1" * 750_000 + b".",
    "memo": lambda: b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", 7 * i) for i in range(150_000)) + b".",
    "memo of one": lambda: b"\x80\x02N" + b"q\x00" * 750_000 + b".",
    "wide text": lambda: b"\x80\x02" + (b"X\x04\x10\x00\x00" + b"a" * 4096 + "\U0001f600".encode()) * 5_000 + b".",
    "empty sets": lambda: b"\x80\x04" + b"\x8f" * 1_500_000 + b".",
    "globals": lambda: b"\x80\x02" + b"".join(b"cm%d\nn\n" % i for i in range(50_000)) + b".",
    "persistent": lambda: b"\x80\x02N" + b"Q2" * 750_000 + b".",
    "calls": lambda: b"\x80\x02cos\nsystem\n" + b")R" * 750_000 + b".",
}

#: A twentieth of what a file may have, for bombs of that size.
SMALL = {"ops": limits.OPS // 20, "containers": limits.CONTAINERS // 20, "memory": limits.MEMORY // 20}
GROWING = {name for name in BOMBS if name.startswith(("deep", "doubling", "itself"))}


@pytest.mark.parametrize("name", sorted(GROWING))
def test_nesting_and_sharing_cost_nothing(name: str) -> None:
    assert run(BOMBS[name]()) is not None


@pytest.mark.parametrize("name", sorted(set(BOMBS) - GROWING))
def test_bombs_are_refused_before_they_weigh(name: str) -> None:
    data = BOMBS[name]()
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="no checkpoint is built like that"):
            run(data, **SMALL)
        # The estimate that is budgeted is at least what is really kept; lists that grow are copied now and then.
        assert tracemalloc.get_traced_memory()[1] < 1.6 * SMALL["memory"] + 2 * pickle_machine.PIECE
    finally:
        tracemalloc.stop()


MALFORMED = {
    "empty": b"",
    "only a protocol": b"\x80\x02",
    "a newer protocol": b"\x80\x63N.",
    "no such opcode": b"\x80\x02\xff.",
    "stop without value": b"\x80\x02.",
    "pop of nothing": b"\x80\x020.",
    "no mark": b"\x80\x02t.",
    "under the mark": b"\x80\x02N(\x85.",
    "reduce of nothing": b"\x80\x02)R.",
    "unknown memo": b"\x80\x02h\x05.",
    "odd dict": b"\x80\x02}(Nu.",
    "item of a number": b"\x80\x02K\x01NNs.",
    "appended to a number": b"\x80\x02K\x01Na.",
    "name that is no string": b"\x80\x04K\x01K\x02\x93.",
    "text that ends early": b"\x80\x02X\xff\x00\x00\x00abc",
    "bytes that end early": b"\x80\x03C\xffabc",
    "text of 2^64": b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.",
    "bad utf-8": b"\x80\x02X\x02\x00\x00\x00\xff\xfe.",
    "negative string": b"\x80\x02T\xff\xff\xff\xffab.",
    "huge integer": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"a" * 1000 + b".",
    "integer of 300 bytes": b"\x80\x02\x8b\x2c\x01\x00\x00" + b"\x7f" * 300 + b".",
    "digits": b"I" + b"9" * 100_000 + b"\n.",
    "not digits": b"Ixyz\n.",
    "not a float": b"Fxyz\n.",
    "without quotes": b"Sabc\n.",
    "bad escape": b"S'\\xz'\n.",
    "bad unicode escape": b"V\\uzzzz\n.",
    "line without end": b"cos",
    "long name": b"c" + b"a" * 100_000 + b"\nb\n.",
    "frame past the end": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "negative put": b"Np-1\n.",
    "put of words": b"Npx\n.",
    "put of many digits": b"Np" + b"1" * 100 + b"\n.",
    "empty object": b"(o.",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(Refused) as refused:
        run(MALFORMED[name])
    assert "\n" not in str(refused.value)


def test_budget_is_shared() -> None:
    budget = Budget(ops=3 * 4096)
    data = b"\x80\x02" + b"N0" * 4000 + b"N."
    pickle_machine.run(data, budget=budget)
    with pytest.raises(Refused):
        pickle_machine.run(data, budget=budget)


@pytest.mark.parametrize("protocol", (0, 2, 4))
def test_damage_is_refused_or_read(protocol: int) -> None:
    """Cut anywhere, or with any bit turned over, a pickle gives a value or is refused: nothing else."""
    value = [{"a": (1, 2.5, "x"), "b": [None, True, 1 << 80]}, collections.OrderedDict(a=Made()), {1, 2}, b"abc"]
    data = pickle.dumps(value, protocol)
    for end in range(len(data)):
        with pytest.raises(Refused):
            run(data[:end])
    for place in range(len(data)):
        for bit in range(8):
            turned = bytearray(data)
            turned[place] ^= 1 << bit
            try:
                run(bytes(turned))
            except Refused as refused:
                assert "\n" not in str(refused)


def test_nodes() -> None:
    call = run(b"\x80\x02cm\nf\n)R.")
    assert isinstance(call.function, Global) and call.function.said == "m.f"
    assert isinstance(run(b"NQ."), Persistent)


def test_a_name_that_is_written_out_again() -> None:
    """Protocol 2 has the names of Python 2, later ones have not, and both may stand in one pickle."""
    name = b"c__builtin__\nset\n"
    value = run(b"\x80\x02(" + name + name + b"\x80\x03" + name + name + b"t.")
    assert isinstance(value, TupleNode)
    first, again, later, last = value.items
    assert isinstance(first, Global) and isinstance(later, Global)
    assert (first.said, later.said) == ("builtins.set", "__builtin__.set")
    assert again is first and last is later


@pytest.mark.parametrize("end", [b"c", b"cos", b"cos\n", b"cos\nsystem"])
def test_a_name_that_breaks_off(end: bytes) -> None:
    with pytest.raises(Refused, match="truncated"):
        run(b"\x80\x02cos\nsystem\n" + end)
