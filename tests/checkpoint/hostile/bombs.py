"""Pickles of depth, width, sharing and memo: small files that cost a reader its stack, its memory or the afternoon."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from hostile.archives import torch_zip
from hostile.assemble import ORDERED, Raw, call, integer, named, pickled, push, short, storage, tensor
from hostile.case import Case, later

HEAD = b"\x80\x04"
GOOD = push({"weight": tensor()})
MILLION = 1_000_000


def doubled(opcode: bytes, times: int = 64) -> bytes:
    """x = (x, x), ``times`` times, through the memo."""
    body = push("x") + b"\x940"
    for each in range(times):
        body += b"(h" + bytes([each]) + b"h" + bytes([each]) + opcode + b"\x940"
    return body + b"h" + bytes([times])


def modules(link: bytes) -> bytes:
    """A whole module whose ``_modules`` are ``link``."""
    tables = push("_parameters") + push({}) + push("_buffers") + push({}) + push("_modules") + link
    return named("torch.nn.modules.container", "Sequential") + b")\x81" + b"}(" + tables + b"ub"


def doubled_modules(times: int = 64) -> bytes:
    leaf = push({"_parameters": {"weight": tensor()}, "_buffers": {}, "_modules": {}})
    body = named("torch.nn", "Linear") + b")\x81" + leaf + b"b\x940"
    for each in range(times):
        both = b"}(" + push("a") + b"h" + bytes([each]) + push("b") + b"h" + bytes([each]) + b"u"
        body += modules(both) + b"\x940"
    return body + b"h" + bytes([times])


def module_in_itself() -> bytes:
    own = named("torch.nn", "Module") + b")\x81\x94"
    return (
        own
        + b"}("
        + push("_parameters")
        + push({"weight": tensor()})
        + push("_modules")
        + b"}"
        + push("me")
        + b"h\x00su"
        + b"b"
    )


def deep_modules(depth: int) -> bytes:
    head = (
        named("torch.nn", "Module") + b")\x81}(" + push("_parameters") + push({}) + push("_modules") + b"}" + push("m")
    )
    return head * depth + GOOD + b"sub" * depth


def same_hash(count: int) -> Iterator[int]:
    """Integers whose hash is 0: a dictionary of them costs the square of their number."""
    return ((2**61 - 1) * each for each in range(1, count))


def small() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Deep and shared."""
    yield "deep-tuple", lambda: HEAD + b")" + b"\x85" * MILLION + b"."
    yield "deep-tuple-as-key", lambda: HEAD + b"})" + b"\x85" * MILLION + b"Ns."
    yield "deep-tuple-in-set", lambda: HEAD + b"\x8f()" + b"\x85" * MILLION + b"\x90."
    yield "deep-list", lambda: HEAD + b"]" * MILLION + b"a" * (MILLION - 1) + b"."
    yield "deep-dict", lambda: HEAD + b"}N" * MILLION + b"N" + b"s" * MILLION + b"."
    yield "deep-dict-of-text", lambda: HEAD + (b"}" + short("a")) * MILLION + b"N" + b"s" * MILLION + b"."
    yield "deep-marks", lambda: HEAD + b"(" * (4 * MILLION) + b"."
    yield "deep-mark-tuples", lambda: HEAD + b"(" * MILLION + b"t" * MILLION + b"."
    yield "deep-calls", lambda: HEAD + named("collections", "OrderedDict") * 100_000 + b")R" + b"\x85R" * 99_999 + b"."
    yield (
        "deep-parameters",
        lambda: (
            HEAD + named("torch._utils", "_rebuild_parameter") * 100_000 + tensor() + b"\x88}\x87R" * 100_000 + b"."
        ),
    )
    yield "deep-persistent", lambda: HEAD + b"N" + b"\x85Q" * MILLION + b"."
    yield "deep-frozensets", lambda: HEAD + b"(" * 200_000 + b"\x91" * 200_000 + b"."
    yield "deep-state", lambda: HEAD + (named("a", "B") + b")\x81") * 100_000 + b"}" + b"b" * 100_000 + b"."
    yield "deep-modules", lambda: HEAD + deep_modules(100_000) + b"."
    yield "deep-ordered-dicts", lambda: HEAD + (ORDERED + push("a")) * 50_000 + GOOD + b"s" * 50_000 + b"."
    yield "doubled-tuple", lambda: HEAD + doubled(b"t") + b"."
    yield "doubled-tuple-as-key", lambda: HEAD + b"}" + doubled(b"t") + b"Ns."
    yield "doubled-tuple-in-set", lambda: HEAD + b"\x8f(" + doubled(b"t") + b"\x90."
    yield "doubled-frozenset", lambda: HEAD + doubled(b"\x91") + b"."
    yield "doubled-list", lambda: HEAD + doubled(b"l") + b"."
    yield "doubled-dict", lambda: HEAD + doubled(b"d") + b"."
    yield "doubled-tuple-by-dup", lambda: HEAD + b")" + b"2\x86" * 64 + b"."
    yield "doubled-key-and-value", lambda: HEAD + b"}" + doubled(b"t", 30) + b"2s."
    yield "doubled-arguments", lambda: HEAD + named("a", "B") + doubled(b"t") + b"R."
    yield "doubled-shape", lambda: HEAD + doubled(b"t") + b"\x940}" + push("w") + tensor(shape=Raw(b"h\x41")) + b"s."
    yield "doubled-modules", lambda: HEAD + doubled_modules() + b"."
    yield "module-in-itself", lambda: HEAD + module_in_itself() + b"."
    yield "list-in-itself", lambda: HEAD + b"]\x94h\x00a."
    yield "dict-in-itself", lambda: HEAD + b"}\x94" + push("a") + b"h\x00s" + push("weight") + tensor() + b"s."
    yield "dict-in-itself-as-key", lambda: HEAD + b"}\x94h\x00Ns."
    yield "tuple-in-itself", lambda: HEAD + b"]\x94h\x00\x85\x94a0h\x01."
    yield "state-in-itself", lambda: HEAD + named("a", "B") + b")\x81\x94h\x00b."
    yield "arguments-in-themselves", lambda: HEAD + b"]\x94" + named("a", "B") + b"h\x00\x85R" + b"a."
    yield (
        "tensor-in-itself",
        lambda: HEAD + b"]\x94" + call("torch._utils", "_rebuild_parameter", push(None), True, {}) + b"a.",
    )
    yield "storage-in-itself", lambda: HEAD + b"]\x94" + push("storage") + b"h\x00\x86Qa."
    yield "roots-everywhere", lambda: pickled({f"m{each}": {"weight": tensor()} for each in range(5000)})
    yield (
        "roots-nested",
        lambda: pickled({f"m{a}": {f"n{b}": {"weight": tensor()} for b in range(70)} for a in range(70)}),
    )


def wide() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield "30-million-dicts", lambda: HEAD + b"}" * (30 * MILLION) + b"."
    yield "30-million-lists-in-a-list", lambda: HEAD + b"](" + b"]" * (30 * MILLION) + b"e."
    yield "30-million-none", lambda: HEAD + b"](" + b"N" * (30 * MILLION) + b"e."
    yield "30-million-dup", lambda: HEAD + b"N" + b"2" * (30 * MILLION) + b"."
    yield "30-million-pop", lambda: HEAD + b"N0" * (15 * MILLION) + b"N."
    yield "30-million-memoize", lambda: HEAD + b"N" + b"\x94" * (30 * MILLION) + b"."
    yield "10-million-frames", lambda: HEAD + (b"\x95" + bytes(8)) * (3 * MILLION) + b"N."
    yield "10-million-protos", lambda: b"\x80\x04" * (10 * MILLION) + b"N."
    yield "million-calls", lambda: HEAD + (named("a", "B") + b")R0") * MILLION + b"N."
    yield "million-names", lambda: HEAD + b"".join(b"ca\nB%d\n0" % each for each in range(MILLION)) + b"N."
    yield "million-keys", lambda: HEAD + b"}(" + b"".join(short(str(each)) + b"N" for each in range(MILLION)) + b"u."
    yield "million-times-one-key", lambda: HEAD + b"}(" + (short("a") + b"N") * MILLION + b"u."
    yield (
        "keys-of-one-hash",
        lambda: HEAD + b"}(" + b"".join(integer(each) + b"N" for each in same_hash(60_000)) + b"u.",
    )
    yield "set-of-one-hash", lambda: HEAD + b"\x8f(" + b"".join(map(integer, same_hash(60_000))) + b"\x90."
    yield (
        "tuple-keys-of-one-hash",
        lambda: HEAD + b"}(" + b"".join(integer(each) + b"\x85N" for each in same_hash(60_000)) + b"u.",
    )
    yield "storages-of-one-hash", lambda: HEAD + b"}(" + b"".join(
        short(f"w{each}") + tensor(base=storage(key=value)) for each, value in enumerate(same_hash(20_000))
    ) + b"u."  # fmt: skip
    yield (
        "items-of-one-hash-by-SETITEM",
        lambda: HEAD + b"}" + b"".join(integer(each) + b"Ns" for each in same_hash(60_000)) + b".",
    )
    one = named("torch._utils", "_rebuild_tensor_v2") + b"(h\x00K\x00K\x02\x85K\x01\x85\x89}tR"
    yield (
        "100000-tensors-one-storage",
        lambda: HEAD + storage() + b"\x940}(" + b"".join(short(f"w{each}") + one for each in range(100_000)) + b"u.",
    )
    yield "key-of-50-megabytes", lambda: pickled({"k" * 50_000_000: tensor()})
    yield "key-of-a-million-dots", lambda: pickled({"a." * MILLION: tensor(), "b" + "." * MILLION: tensor()})
    yield "key-of-a-million-digits", lambda: pickled({"9" * MILLION: tensor(), "layers." + "1" * MILLION: tensor()})
    yield "name-of-10-megabytes", lambda: HEAD + named("m" * 10_000_000, "n" * 10_000_000) + b")R" + b"0" + GOOD + b"."
    yield (
        "shared-key-of-a-megabyte",
        lambda: HEAD + push("k" * MILLION) + b"\x940}(" + (short("m") + b"}h\x00" + tensor() + b"s") * 500 + b"u.",
    )
    yield "shape-of-a-million", lambda: pickled({"w": tensor(shape=(2**62,) * 200_000)})
    yield "shape-of-huge-numbers", lambda: pickled({"w": tensor(shape=(2**2000,) * 2000)})
    ones = b"(" + b"K\x01" * 20_000 + b"t\x940"
    shared = named("torch._utils", "_rebuild_tensor_v2") + b"(h\x01K\x00h\x00h\x00\x89}tR"
    yield (
        "shared-shape",
        lambda: (
            HEAD + ones + storage() + b"\x940}(" + b"".join(short(f"w{each}") + shared for each in range(2000)) + b"u."
        ),
    )


def numbers() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Lengths, indices and numbers out of all proportion."""
    top = struct.pack("<Q", 2**63)
    yield "BINUNICODE8-2^63", lambda: HEAD + b"\x8d" + top + b"x."
    yield "BINBYTES8-2^63", lambda: HEAD + b"\x8e" + top + b"x."
    yield "BYTEARRAY8-2^63", lambda: b"\x80\x05\x96" + top + b"x."
    yield "FRAME-2^63", lambda: HEAD + b"\x95" + top + GOOD + b"."
    yield "FRAME-2^64-1", lambda: HEAD + b"\x95" + b"\xff" * 8 + GOOD + b"."
    yield "FRAME-too-short", lambda: HEAD + b"\x95" + struct.pack("<Q", 3) + GOOD + b"."
    yield "FRAME-cuts-an-opcode", lambda: HEAD + b"\x95" + struct.pack("<Q", 2) + b"X\x06\0\0\0weight."
    yield "FRAME-in-FRAME", lambda: HEAD + b"\x95" + struct.pack("<Q", 99) + b"\x95" + struct.pack("<Q", 1) + b"N."
    yield "BINUNICODE-2^31", lambda: HEAD + b"X\xff\xff\xff\x7fx."
    yield "BINBYTES-2^32", lambda: HEAD + b"B\xff\xff\xff\xffx."
    yield "BINSTRING-negative", lambda: HEAD + b"T\xff\xff\xff\xffx."
    yield "LONG4-negative", lambda: HEAD + b"\x8b\xff\xff\xff\xffx."
    yield "LONG4-2^31", lambda: HEAD + b"\x8b\xff\xff\xff\x7fx."
    yield "LONG4-of-10-megabytes", lambda: HEAD + b"\x8b" + struct.pack("<I", 10_000_000) + b"\x7f" * 10_000_000 + b"."
    yield "LONG1-of-255", lambda: HEAD + b"\x8a\xff" + b"\x7f" * 255 + b"."
    yield "LONG-of-a-million-digits", lambda: HEAD + b"L" + b"9" * MILLION + b"L\n."
    yield "LONG-of-4300-digits", lambda: HEAD + b"L" + b"9" * 4301 + b"L\n."
    yield "INT-of-a-million-digits", lambda: HEAD + b"I" + b"9" * MILLION + b"\n."
    yield "INT-not-a-number", lambda: HEAD + b"I0x_1\n."
    yield "INT-with-underscores", lambda: HEAD + b"I1_0\n."
    yield "INT-of-other-digits", lambda: HEAD + "I٣\n.".encode()
    yield "FLOAT-not-a-number", lambda: HEAD + b"Fabc\n."
    yield "FLOAT-of-a-million-digits", lambda: HEAD + b"F1" + b"0" * MILLION + b"\n."
    yield "FLOAT-nan-as-key", lambda: HEAD + b"}Fnan\nNsFnan\nNs."
    yield "GET-of-a-million-digits", lambda: HEAD + b"Ng" + b"9" * MILLION + b"\n."
    yield "GET-negative", lambda: HEAD + b"Np0\ng-1\n."
    yield "GET-unset", lambda: HEAD + b"h\x07."
    yield "PUT-negative", lambda: HEAD + b"Np-5\n."
    yield "PUT-text", lambda: HEAD + b"Npabc\ngabc\n."
    yield "PUT-huge", lambda: HEAD + b"Np999999999999999999999999\ng999999999999999999999999\n."
    yield "LONG_BINPUT-2^31", lambda: HEAD + b"Nr\x00\x00\x00\x80j\x00\x00\x00\x80."
    yield "LONG_BINPUT-2^32-1", lambda: HEAD + b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff."
    yield "MEMOIZE-after-LONG_BINPUT", lambda: HEAD + b"Nr\xff\xff\xff\xff\x94\x94."
    yield "STRING-without-quotes", lambda: HEAD + b"Sabc\n."
    yield "STRING-one-quote", lambda: HEAD + b"S'\n."
    yield "STRING-bad-escape", lambda: HEAD + b"S'\\x4'\n."
    yield "STRING-no-newline", lambda: HEAD + b"S'abc'"
    yield "UNICODE-bad-escape", lambda: HEAD + b"V\\u12\n."
    yield "UNICODE-surrogate", lambda: HEAD + b"}V\\ud800\n" + tensor() + b"s."
    yield "BINUNICODE-not-utf8", lambda: HEAD + b"X\x02\0\0\0\xff\xfe."
    yield "BINUNICODE-surrogate", lambda: pickled({"a\ud800": tensor()})
    yield "SHORT_BINSTRING-not-ascii", lambda: HEAD + b"}U\x02\xff\xfe" + tensor() + b"s."
    yield "BININT1-cut", lambda: HEAD + b"K"
    yield "BINFLOAT-cut", lambda: HEAD + b"G\0\0"
    yield "PROTO-255", lambda: b"\x80\xffN."
    yield "PROTO-6", lambda: b"\x80\x06" + GOOD + b"."
    yield "every-opcode-alone", lambda: HEAD + bytes(range(256))
    yield "no-STOP", lambda: HEAD + GOOD
    yield "only-STOP", lambda: b"."
    yield "STOP-on-a-mark", lambda: HEAD + b"(."
    yield "STOP-with-more-on-the-stack", lambda: HEAD + b"NN" + GOOD + b"."
    yield "POP-empty", lambda: HEAD + b"0."
    yield "POP_MARK-empty", lambda: HEAD + b"1."
    yield "POP-through-a-mark", lambda: HEAD + b"N(000" + GOOD + b"."
    yield "TUPLE3-through-a-mark", lambda: HEAD + b"NN(N\x87."
    yield "APPENDS-without-list", lambda: HEAD + b"(NNe."
    yield "APPEND-on-a-mark", lambda: HEAD + b"(Na."
    yield "SETITEMS-odd", lambda: HEAD + b"}(NNNu."
    yield "DICT-odd", lambda: HEAD + b"(NNNd."
    yield "DUP-of-a-mark", lambda: HEAD + b"(2."
    yield "MEMOIZE-of-a-mark", lambda: HEAD + b"(\x94."
    yield "key-list", lambda: HEAD + b"}]" + tensor() + b"s."
    yield (
        "keys-of-all-kinds",
        lambda: (
            HEAD + b"}(" + b"".join(push(key) + tensor() for key in (1, True, None, 1.5, b"b", (), (1, "a"))) + b"u."
        ),
    )
    yield "key-is-a-tensor", lambda: HEAD + b"}" + tensor() + tensor() + b"s."
    yield "key-is-a-global", lambda: HEAD + b"}" + named("os", "system") + tensor() + b"s."


#: Small files, though what they say is large.
LIGHT = ("doubled", "dict-", "list-", "tuple-in", "module-in", "state-", "arguments-", "tensor-in", "storage-in")
CHOSEN = {"deep-tuple-as-key", "doubled-tuple-as-key", "30-million-dicts", "keys-of-one-hash", "LONG4-2^31"}


def cases() -> Iterator[Case]:
    for family in (small, wide, numbers):
        for name, data in family():
            heavy = not name.startswith(LIGHT) if family is not numbers else "million" in name or "megabytes" in name
            yield Case(f"bombs/{name}", later("model.pt", lambda data=data: torch_zip(data())), heavy=heavy)
            if name in CHOSEN:
                yield Case(f"bombs/plain-{name}", later("model.pkl", data), heavy=heavy)
