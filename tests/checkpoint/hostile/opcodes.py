"""Payloads by the opcode that calls: REDUCE is the least of them."""

from __future__ import annotations

from collections.abc import Iterator

from hostile.archives import torch_zip
from hostile.assemble import Raw, call, named, persistent, pickled, push, short, storage, tensor
from hostile.calls import MAKE, SYSTEM
from hostile.case import ALARM, Case, written

BENIGN = push({"weight": tensor()})
NAMESPACE = Raw(named("argparse", "Namespace") + b")\x81")


def after(payload: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + payload + b"0" + BENIGN + b"."


def through_attribute(name: str, use: bytes) -> bytes:
    """A plain object is given a method that is os.system, then an opcode calls that method."""
    return NAMESPACE + push({name: named("os", "system")}) + b"b" + use


def stack_global(module: bytes, name: bytes) -> bytes:
    return module + name + b"\x93" + push((MAKE,)) + b"R"


def plain() -> Iterator[tuple[str, bytes]]:
    yield "REDUCE", after(SYSTEM)
    yield "REDUCE-TUPLE1", after(named("os", "system") + push(MAKE) + b"\x85R")
    # map.__new__ calls nothing yet; bytes.__new__ goes through it.
    lazily = named("builtins", "map") + push((named("os", "mkdir"), ["canary"]))
    yield "NEWOBJ", after(named("builtins", "bytes") + lazily + b"\x81\x85\x81")
    yield "NEWOBJ_EX", after(named("builtins", "bytes") + lazily + b"}\x92\x85}\x92")
    yield "NEWOBJ-class", after(NAMESPACE + SYSTEM + b"0")
    yield "OBJ", after(b"(" + named("os", "system") + push(MAKE) + b"o", 1)
    yield "OBJ-in-list", after(b"](" + b"(" + named("os", "system") + push(MAKE) + b"oe", 1)
    yield "INST", after(b"(" + push(MAKE) + b"ios\nsystem\n", 1)
    yield "INST-subprocess", after(b"(" + push(["mkdir", "canary"]) + b"isubprocess\ncheck_call\n", 1)
    yield "protocol-0", b"cos\nsystem\n(S'mkdir canary'\ntR."
    yield "protocol-0-memo", b"cos\nsystem\np0\n(S'mkdir canary'\np1\ntp2\nRp3\n."
    yield "protocol-1", b"cos\nsystem\nq\x00(U\x0cmkdir canarytR."
    yield "no-PROTO", b"(" + push(MAKE) + b"ios\nsystem\n."
    yield "PROTO-in-the-middle", b"\x80\x02N0\x80\x04" + SYSTEM + b"0\x80\x02" + BENIGN + b"."
    yield "BUILD-__setstate__", after(through_attribute("__setstate__", push(MAKE) + b"b"))
    yield (
        "BUILD-slots",
        after(NAMESPACE + push((None, {"__setstate__": named("os", "system")})) + b"b" + push(MAKE) + b"b"),
    )
    yield "BUILD-partial", after(
        named("functools", "partial") + push((named("builtins", "print"),)) + b"\x81"
        + push((named("os", "system"), (MAKE,), {}, {})) + b"b)R"
    )  # fmt: skip
    yield "APPEND-append", after(through_attribute("append", push(MAKE) + b"a"))
    yield "APPENDS-append", after(through_attribute("append", b"(" + push(MAKE) + b"e"))
    yield "ADDITEMS-add", after(through_attribute("add", b"(" + push(MAKE) + b"\x90"))
    yield (
        "SETITEM-of-modules",
        after(
            named("sys", "modules")
            + push("canary_maker")
            + named("os", "path")
            + b"s0"
            + call("canary_maker", "os.system", MAKE)
        ),
    )
    yield "SETITEMS-of-a-class", after(
        named("collections", "Counter") + push((None, {"__setitem__": named("os", "system")})) + b"b0"
        + SYSTEM
    )  # fmt: skip
    yield "class-given-__setstate__", after(
        named("argparse", "Namespace") + push((None, {"__setstate__": named("os", "system")})) + b"b0"
        + NAMESPACE + push(MAKE) + b"b"
    )  # fmt: skip
    yield "STACK_GLOBAL", after(stack_global(short("os"), short("system")))
    yield (
        "STACK_GLOBAL-BINUNICODE8",
        after(
            stack_global(b"\x8d" + (2).to_bytes(8, "little") + b"os", b"\x8d" + (6).to_bytes(8, "little") + b"system")
        ),
    )
    yield "STACK_GLOBAL-UNICODE", after(stack_global(b"Vos\n", b"Vsys\\u0074em\n"))
    memo = short("system") + b"\x940" + short("os") + b"\x940"
    yield "STACK_GLOBAL-memo", after(memo + stack_global(b"h\x01", b"h\x00"))
    yield "STACK_GLOBAL-GET", after(memo + stack_global(b"g1\n", b"g0\n"))
    yield "STACK_GLOBAL-LONG_BINGET", after(memo + stack_global(b"j\x01\0\0\0", b"j\0\0\0\0"))
    yield "STACK_GLOBAL-from-list", after(b"]" + push("x") + b"a0" + memo + stack_global(b"h\x01", b"h\x00"))
    yield "STACK_GLOBAL-DUP", after(short("system") + b"\x94" + b"2" + b"00" + stack_global(short("os"), b"h\x00"))
    yield (
        "STACK_GLOBAL-overwritten-memo",
        after(short("harmless") + b"q\x050" + short("system") + b"q\x050" + stack_global(short("os"), b"h\x05")),
    )
    yield "GLOBAL-from-memo", after(named("os", "system") + b"\x940N0h\x00" + push((MAKE,)) + b"R")
    yield "arguments-from-memo", after(push((MAKE,)) + b"\x940" + named("os", "system") + b"h\x00R")
    yield "POP_MARK-hides-it", after(b"N(" + SYSTEM + b"1")
    yield "in-a-dict-value", pickled({"x": SYSTEM, "weight": tensor()})
    yield "in-a-dict-key", pickled(Raw(b"}" + SYSTEM + push(2) + b"s"))
    yield "in-a-tuple", pickled((1, SYSTEM))
    yield "in-a-set", after(b"\x8f(" + SYSTEM + b"\x90")
    yield "in-a-frozenset", after(b"(" + SYSTEM + b"\x91")
    yield "FRAME", b"\x80\x04\x95" + (len(SYSTEM) + 2).to_bytes(8, "little") + SYSTEM + b"0N."[:2] + b"."
    body = SYSTEM + b"0" + BENIGN + b"."
    yield "FRAMEs-cut-anywhere", b"\x80\x04" + SYSTEM + b"0\x95" + (len(body)).to_bytes(8, "little") + body
    yield "then-broken", b"\x80\x02" + SYSTEM + b"0\xff\xff\xff"
    yield "then-cut", b"\x80\x02" + SYSTEM + b"0" + BENIGN
    yield "then-empty-stack", b"\x80\x02" + SYSTEM + b"000000."
    yield "result-is-the-file", b"\x80\x02" + SYSTEM + b"."
    yield "result-of-NEWOBJ_EX", after(named("collections", "OrderedDict") + push((SYSTEM,)) + b"0)}\x92")
    yield "EXT1", after(call("copyreg", "add_extension", "os", "system", 9) + b"0\x82\x09" + push((MAKE,)) + b"R")
    yield "EXT2", after(call("copyreg", "add_extension", "os", "system", 999) + b"0\x83\xe7\x03" + push((MAKE,)) + b"R")
    yield (
        "EXT4",
        after(
            call("copy_reg", "add_extension", "os", "system", 99999) + b"0\x84\x9f\x86\x01\x00" + push((MAKE,)) + b"R",
            2,
        ),
    )
    yield "kwargs-of-NEWOBJ_EX", after(
        named("subprocess", "Popen") + b")" + push({"args": ["mkdir", "canary"]}) + b"\x920"
        + call("subprocess", "call", ["mkdir", "canary"])
    )  # fmt: skip
    yield "call-of-a-call", after(
        named("builtins", "getattr") + push((named("os", "path"), "os")) + b"R\x940"
        + named("builtins", "getattr") + b"h\x00" + push("system") + b"\x86R" + push((MAKE,)) + b"R"
    )  # fmt: skip
    yield "name-with-spaces", after(SYSTEM + b"0" + b"c os\n system\n", 2)
    yield "junk-before", after(b"(" + b"".join(push(str(each)) for each in range(1000)) + b"1" + SYSTEM)


def inert() -> Iterator[tuple[str, bytes]]:
    """Nothing fires here by itself, or only with something else in place."""
    yield "EXT1-unregistered", after(b"\x82\x42" + push((MAKE,)) + b"R")
    yield "EXT4-negative", after(b"\x84\xff\xff\xff\xff")
    yield "EXT1-zero", after(b"\x82\x00")
    yield "PERSID", after(b"Pos.system\n", 2)
    yield "PERSID-binary", after(b"P\x1b[31m\xff\n", 2)
    yield "NEXT_BUFFER", after(b"\x97\x98", 5)
    yield "READONLY_BUFFER-of-int", after(b"\x97K\x01\x98", 5)
    yield "REDUCE-of-a-string", after(push("os.system") + push((MAKE,)) + b"R")
    yield "REDUCE-of-a-dict", after(push({}) + push(()) + b"R")
    yield "REDUCE-arguments-no-tuple", after(named("os", "system") + push([MAKE]) + b"R")
    yield "NEWOBJ-no-class", after(push(3) + b")\x81")
    yield "OBJ-empty", after(b"(o")
    yield "INST-no-mark", after(b"ios\nsystem\n")
    yield "BUILD-empty", b"\x80\x02b."
    yield "BUILD-on-None", after(push(None) + push({"a": 1}) + b"b")
    yield "BUILD-on-a-string", after(push("x") + push({"__class__": 1}) + b"b")
    yield "SETITEM-on-a-tensor", after(tensor() + push(0) + push(1) + b"s")
    yield "SETITEMS-on-a-storage", after(storage() + b"(" + push(0) + push(1) + b"u")
    yield "APPEND-on-a-tensor", after(tensor() + push(1) + b"a")
    yield "STACK_GLOBAL-of-integers", after(push(1) + push(2) + b"\x93")
    yield "STACK_GLOBAL-empty", b"\x80\x04\x93."
    yield "GLOBAL-empty", after(b"c\n\n")
    yield "GLOBAL-one-line", b"\x80\x02cos.system"


def harmful_persistent() -> Iterator[tuple[str, bytes]]:
    yield "BINPERSID-argument", after(persistent(("storage", SYSTEM, "0", "cpu", 4)))
    yield "BINPERSID-type", after(persistent(SYSTEM))
    yield "BINPERSID-module", after(persistent(("module", SYSTEM, "x.py", "source")))


def cases() -> Iterator[Case]:
    for name, data in plain():
        yield Case(f"opcodes/{name}", written("model.pkl", data), ALARM, "pickle")
    for name, data in inert():
        yield Case(f"opcodes/inert-{name}", written("model.pt", torch_zip(data)))
    for name, data in harmful_persistent():
        yield Case(f"opcodes/{name}", written("model.pt", torch_zip(data)), ALARM, "torch")
    # The same behind the other door: a torch file.
    chosen = {
        "REDUCE",
        "INST",
        "OBJ",
        "BUILD-__setstate__",
        "APPEND-append",
        "STACK_GLOBAL-memo",
        "EXT2",
        "then-broken",
    }
    for name, data in plain():
        if name in chosen:
            yield Case(f"opcodes/zip-{name}", written("model.pt", torch_zip(data)), ALARM, "torch")
