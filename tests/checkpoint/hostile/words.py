"""Text of a file that reaches the terminal: escapes, markup, direction, in every place that is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from hostile.archives import records, torch_zip
from hostile.archives import written as archive
from hostile.assemble import Raw, call, named, pickled, push, state, storage, tensor
from hostile.case import READ, Case, written
from hostile.headers import entry, made

TEXTS = {
    "escape": "a\x1b[31;1mred\x1b[0m\x1b[2J",
    "title": "a\x1b]0;title\x07",
    "link": "a\x1b]8;;http://x\x1b\\b",
    "c1": "a\x9b31m\x90\x9c\x85",
    "all-controls": "".join(map(chr, range(32))) + "\x7f",
    "newlines": "a\nb\rc\x0b\x0c\x1c\x85\u2028\u2029d",
    "backspace": "evil\b\b\b\bgood",
    "bidi": "a\u202eb\u2066c\u2069d\u200ee\u200ff\u061c",
    "invisible": "a\u200bb\u200c\u200d\ufeff\u00ad\u2060",
    "tags": "a\U000e0041\U000e0042",
    "surrogate": "a\udc80b\ud800",
    "private": "\ue000\U0010ffff\ufffe",
    "combining": "a" + "\u0301" * 500,
    "markup": "[bold red]a[/bold][/][link=http://x]b",
    "format": "{0}{x!r}%s%n\\x1b",
    "braces": "layers.{0..9}.weight",
    "quotes": "a'\"`$(id)`;|&",
    "wide": "模" * 3000,
    "empty": "",
    "spaces": "  ",
    "slashes": "a/../../b",
    "nul": "a\0b",
}


def places(text: str) -> Iterator[tuple[str, bytes]]:
    yield "key", torch_zip(state(key=text))
    yield "storage-key", torch_zip(state(tensor(base=storage(key=text))))
    yield "entry", torch_zip(pickled({text: 1, "state_dict": {"weight": tensor()}, "other": text}))
    yield "root", torch_zip(pickled({"a": {text: {"weight": tensor()}}, "b": {"c" + text: {"weight": tensor()}}}))
    if "\n" not in text:
        yield "module", torch_zip(pickled({"x": call("m" + text, "C"), "weight": tensor()}))
        yield "name", torch_zip(pickled({"x": call("m", "C" + text), "weight": tensor()}))
        yield "kind", torch_zip(state(tensor(base=storage(kind=text + "Storage"))))
        yield "rebuild", torch_zip(state(call("torch._utils", "_rebuild_" + text, storage())))
        yield "extra", torch_zip(pickled({"weight": tensor(), "b" + text: call("m" + text, "C")}))
    yield (
        "record",
        archive([*records(), records()[2]._replace(name=b"archive/" + text.encode("utf-8", "surrogatepass")[:900])]),
    )
    yield (
        "byteorder",
        archive([*records()[:1], records()[1]._replace(data=text.encode("utf-8", "surrogatepass")), *records()[2:]]),
    )


def cases() -> Iterator[Case]:
    for name, text in TEXTS.items():
        for place, data in places(text):
            yield Case(f"words/{place}-{name}", written("model.pt", data))
        surrogates = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        header = {"__metadata__": {surrogates: surrogates}, surrogates: entry(), "w" + surrogates: entry(16, 32)}
        yield Case(f"words/safetensors-{name}", written("model.safetensors", made(header, bytes(32))), READ)
    many = {chr(number): tensor() for number in (*range(1, 256), *range(0x2000, 0x2070), *range(0xD800, 0xD810))}
    yield Case("words/a-key-of-each-character", written("model.pt", torch_zip(pickled(many))))
    odd = json.dumps({"\x1b[31m": {"dtype": "\x1b[31m", "shape": ["\x1b[31m"], "data_offsets": []}}).encode()
    yield Case("words/json-in-a-pickle", written("model.pt", torch_zip(pickled(Raw(push(odd))))))
    yield Case(
        "words/global-not-utf8", written("model.pt", torch_zip(b"\x80\x02c\xff\xfe\n\x1b[31m\xff\n)R0" + state()[2:]))
    )
    yield Case(
        "words/same-after-escaping", written("model.pt", torch_zip(pickled({"a\x1b": tensor(), "a\\x1b": tensor()})))
    )
    yield Case(
        "words/class",
        written("model.pt", torch_zip(pickled({"x": named("m\x1b[31m", "C\x1b[0m"), "weight": tensor()}))),
    )
