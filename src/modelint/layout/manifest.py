"""The manifest: a layout as a committed file. One key a line, one module a line, in the order of the model.

Definitions stand in the order in which modules use them first, so that branches which touch different modules touch
different lines. Nothing that stands for its default is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn

from modelint import atomic
from modelint.keys.table import KeyTable, TensorSpec
from modelint.layout.document import Document, DocumentError
from modelint.layout.layout import Constant, Definition, Layout

SCHEMA = 1
#: In the order in which they are written.
_FIELDS = ("schema", "model", "keys", "ties", "extra", "buffers", "constants", "modules", "definitions")
_KINDS = ("parameter", "buffer", "unknown")
_LABELS = ("traced", "partial", "source", "none")
_KEY_LINE = re.compile(r'\s*("(?:[^"\\]|\\.)*")\s*:\s*\{')

_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode


class ManifestError(DocumentError):
    """A manifest that cannot be used (MDL733)."""


class Manifest(NamedTuple):
    model: str
    layout: Layout
    #: Key -> the line that it stands on.
    lines: Mapping[str, int]


class _Wrong(ValueError):
    """What is wrong, and the names that lead to it."""

    def __init__(self, reason: str, *names: str) -> None:
        super().__init__(reason)
        self.names = names


def read(path: str) -> Manifest:
    """Raises ManifestError, and OSError where the file cannot be read."""
    with open(path, "rb") as file:
        return parse(path, file.read())


def parse(path: str, data: bytes) -> Manifest:
    """What stands in ``data``; ``path`` is for the words of a ManifestError."""
    try:
        return _manifest(Document(path, data))
    except DocumentError as error:
        raise ManifestError(error.path, error.line, error.reason) from None


def write(path: str, name: str, layout: Layout) -> None:
    atomic.write(path, text(name, layout).encode("ascii"))


def text(name: str, layout: Layout) -> str:
    """The same for equal layouts, on every machine."""
    return "{\n" + ",\n".join(_written(name, layout)) + "\n}\n"


def digest(layout: Layout) -> str:
    """Of the whole layout: what a step starts from and leads to. The order of keys and modules does not count."""
    document = to_json(layout)
    used = set(layout.modules.values())
    document["definitions"] = {each: value for each, value in document["definitions"].items() if each in used}
    document["ties"] = sorted(map(sorted, document["ties"]))
    for definition in document["definitions"].values():
        definition.pop("alike", None)  # of no meaning of its own
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return blake2b(canonical.encode("ascii"), digest_size=8).hexdigest()


def to_json(layout: Layout) -> dict[str, Any]:
    """The layout as the manifest and the tracer write it; what stands for its default is left out."""
    return {
        "keys": {key: _spec(spec) for key, spec in layout.keys.specs.items()},
        "ties": [list(group) for group in layout.keys.ties],
        "extra": dict(layout.keys.extra),
        "buffers": {name: _spec(spec) for name, spec in layout.buffers.items()},
        "constants": {
            name: {field: value for field, value in each._asdict().items() if value is not None}
            for name, each in layout.constants.items()
        },
        "modules": dict(layout.modules),
        "definitions": {name: _definition(each) for name, each in layout.definitions.items()},
    }


def from_json(content: Any) -> Layout:
    """The layout that a tracer sent, or a manifest holds. Raises ValueError where it is none."""
    keys = {key: _read_spec(value, "keys", key) for key, value in _table(content, "keys").items()}
    ties = content.get("ties", [])
    if not isinstance(ties, list) or not all(_is_names(group) and len(group) > 1 for group in ties):
        raise _Wrong("ties is no list of lists of keys", "ties")
    extra = _table(content, "extra", needed=False)
    for key, value in extra.items():
        if not isinstance(value, str):
            raise _Wrong("the type of extra state is no text", "extra", key)
    buffers = _table(content, "buffers", needed=False)
    constants = _table(content, "constants", needed=False)
    definitions = _table(content, "definitions")
    modules = _table(content, "modules")
    for path, value in modules.items():
        if not isinstance(value, str) or value not in definitions:
            raise _Wrong(f"module {path!a} has no definition", "modules", path)
    return Layout(
        KeyTable(keys, tuple(tuple(group) for group in ties), extra),
        {name: _read_spec(value, "buffers", name) for name, value in buffers.items()},
        {name: _read_constant(value, "constants", name) for name, value in constants.items()},
        modules,
        {name: _read_definition(value, "definitions", name) for name, value in definitions.items()},
    )


def _manifest(document: Document) -> Manifest:
    content = document.content
    if not isinstance(content, dict):
        raise document.error("it is no manifest: no JSON object")
    schema = content.get("schema")
    if type(schema) is not int or schema < 1:
        raise document.error("it is no manifest: it names no schema", "schema")
    if schema > SCHEMA:
        raise document.error(f"a newer modelint wrote it (schema {schema}; this one reads {SCHEMA})", "schema")
    unknown = next((field for field in content if field not in _FIELDS), None)
    if unknown is not None:
        raise document.error(f"{unknown!a} is no field of a manifest", unknown)
    if not isinstance(content.get("model"), str):
        raise document.error("it does not name its model", "model")
    try:
        layout = from_json(content)
    except _Wrong as error:
        raise document.error(str(error), *error.names) from None
    for name in document.repeated:
        if name not in layout.definitions:  # the same definition from two branches does no harm
            raise document.twice(name)
    return Manifest(content["model"], layout, _lines(document, layout.keys))


def _lines(document: Document, keys: KeyTable) -> dict[str, int]:
    """By the shape of the lines, so that a file that was formatted anew has them, too."""
    first = document.line("keys")
    lines: dict[str, int] = {}
    match, loads = _KEY_LINE.match, json.loads
    for number, line in enumerate(document.text.split("\n")[first - 1 :], start=first):
        found = match(line)
        if found is not None:
            name = found[1]
            key = loads(name) if "\\" in name else name[1:-1]
            if key in keys.specs:
                lines.setdefault(key, number)
                if len(lines) == len(keys.specs):
                    break
    for key in keys.extra:
        lines[key] = document.line("extra", key)
    return lines


def _written(name: str, layout: Layout) -> Iterator[str]:
    document = to_json(layout)
    yield f'"schema": {SCHEMA}'
    yield f'"model": {_encode(name)}'
    document["definitions"] = {each: document["definitions"][each] for each in layout.modules.values()}
    for field in _FIELDS[2:]:
        values = document[field]
        if not values and field not in ("keys", "modules", "definitions"):
            continue
        if isinstance(values, list):
            brackets, lines = "[]", [_encode(value) for value in values]
        else:
            brackets, lines = "{}", [f"{_encode(key)}: {_encode(value)}" for key, value in values.items()]
        body = "\n  " + ",\n  ".join(lines) + "\n" if lines else ""
        yield f'"{field}": {brackets[0]}{body}{brackets[1]}'


def _spec(spec: TensorSpec) -> dict[str, Any]:
    shape = None if spec.shape is None else list(spec.shape)
    return {"dtype": spec.dtype, "shape": shape, "kind": spec.kind}


def _definition(definition: Definition) -> dict[str, Any]:
    written = definition._asdict()
    written["class"] = written.pop("cls")
    written["attributes"] = dict(sorted(definition.attributes.items()))
    order = ("class", "version", "attributes", "label", "trace", "train", "names", "source", "alike")
    return {field: written[field] for field in order if written[field] not in (None, {}, ())}


def _table(content: Any, field: str, *, needed: bool = True) -> dict[str, Any]:
    value = content.get(field, None if needed else {})
    if not isinstance(value, dict):
        raise _Wrong(f"{field} is no object" if field in content else f"{field} is not there", field)
    return value


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_exchange(value: Any, slots: int) -> bool:
    """Two lists of different slots, as long as each other."""
    match value:
        case [list(one), list(other)] if all(type(each) is int and 0 <= each < slots for each in (*one, *other)):
            return len(one) == len(other) and len({*one, *other}) == 2 * len(one)
    return False


def _is_attribute(value: Any) -> bool:
    scalars = value if isinstance(value, list) else (value,)
    return all(each is None or isinstance(each, bool | int | float | str) for each in scalars)


def _read_spec(value: Any, *names: str) -> TensorSpec:
    match value:
        case {"dtype": str(dtype), "shape": None, "kind": kind} if kind in _KINDS:
            return TensorSpec(dtype, None, kind)
        case {"dtype": str(dtype), "shape": list(shape), "kind": kind} if kind in _KINDS:
            for size in shape:
                if type(size) is not int or size < 0:
                    break
            else:
                return TensorSpec(dtype, tuple(shape), kind)
    raise _Wrong(f"{names[-1]!a} lacks a dtype, a shape or a kind, or has a wrong one", *names)


def _read_constant(value: Any, *names: str) -> Constant:
    if isinstance(value, dict):
        constant = Constant(value.get("made"), value.get("value"))
        if all(each is None or isinstance(each, str) for each in constant):
            return constant
    raise _Wrong(f"the constant {names[-1]!a} has no digests", *names)


def _read_definition(value: Any, *names: str) -> Definition:
    def wrong(field: str) -> NoReturn:
        raise _Wrong(f"definition {names[-1]!a} has a wrong {field}", *names)

    if not isinstance(value, dict) or not isinstance(value.get("class"), str):
        wrong("class")
    version, label = value.get("version"), value.get("label", "none")
    attributes, slots = value.get("attributes", {}), value.get("names", [])
    if version is not None and type(version) is not int:
        wrong("version")
    if not isinstance(attributes, dict) or not all(map(_is_attribute, attributes.values())):
        wrong("attribute")
    if label not in _LABELS:
        wrong("label")
    if not _is_names(slots):
        wrong("list of names")
    alike = value.get("alike", [])
    if not isinstance(alike, list) or not all(_is_exchange(each, len(slots)) for each in alike):
        wrong("list of slots that are alike")
    for field in ("trace", "train", "source"):
        if not isinstance(value.get(field, ""), str | None):
            wrong(field)
    return Definition(
        value["class"],
        version,
        {name: tuple(each) if isinstance(each, list) else each for name, each in attributes.items()},
        label,
        value.get("trace"),
        value.get("train"),
        tuple(slots),
        value.get("source"),
        tuple((tuple(one), tuple(other)) for one, other in alike),
    )
