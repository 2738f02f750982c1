"""Releases: layouts kept under a name because files of them exist out there.

A release is a manifest in ``releases/<name>.json``, never written again. What is said of it later stands in files of
their own, so that branches merge: ``releases/retired/<name>.json`` why it is no longer proved, and
``releases/losses/<name>.json`` what of its files was accepted not to arrive in the model of today.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from modelint.layout import manifest
from modelint.layout.document import Document, DocumentError
from modelint.layout.manifest import Manifest, ManifestError

SCHEMA = 1
FOLDER = "releases"
RETIRED = "retired"
LOSSES = "losses"


class Losses(NamedTuple):
    """What strict=True does not tell of a load that succeeds."""

    #: Keys of the file that reach no tensor of the model.
    dropped: tuple[str, ...] = ()
    #: Saved tensors of the model that no key of the file reaches: they keep what they were built with.
    unreached: tuple[str, ...] = ()
    #: Those that get a value all the same: a load hook makes it up.
    filled: tuple[str, ...] = ()

    def without(self, other: Losses) -> Losses:
        """Those that are not among ``other``."""
        pairs = zip(self, other, strict=True)
        return Losses(*(tuple(key for key in own if key not in set(known)) for own, known in pairs))


class Release(NamedTuple):
    name: str
    path: str
    manifest: Manifest
    #: Accepted by `modelint lock`.
    losses: Losses = Losses()
    #: The record of these could not be used, and counts as none.
    torn: bool = False


class Found(NamedTuple):
    """The releases of a model that are to be proved, and the files that cannot be used."""

    releases: tuple[Release, ...] = ()
    #: Release -> what is wrong with a file of it.
    wrong: tuple[tuple[str, ManifestError], ...] = ()


def path(home: str, name: str) -> str:
    return os.path.join(home, FOLDER, f"{name}.json")


def retired_path(home: str, name: str) -> str:
    return os.path.join(home, FOLDER, RETIRED, f"{name}.json")


def losses_path(home: str, name: str) -> str:
    return os.path.join(home, FOLDER, LOSSES, f"{name}.json")


def names(home: str) -> list[str]:
    """All of them, the retired ones included; ``v10`` comes after ``v9``."""
    return sorted(_listed(os.path.join(home, FOLDER)), key=_natural)


def retired_names(home: str) -> list[str]:
    return _listed(os.path.join(home, FOLDER, RETIRED))


def find(home: str, *, but: Sequence[str] = (), anew: bool = False) -> Found:
    """Those that are not retired, nor among ``but``. Equal files are parsed once.

    ``anew``: records of losses are about to be written anew, so that one which cannot be used does no harm.
    """
    releases: list[Release] = []
    wrong: list[tuple[str, ManifestError]] = []
    parsed: dict[bytes, Manifest] = {}
    retired = set(retired_names(home))
    for name in names(home):
        if name in but:
            continue
        try:
            if name in retired:
                read_reason(retired_path(home, name))  # a record that a merge has torn is told
                continue
            data = _read(path(home, name))
            if data not in parsed:
                parsed[data] = manifest.parse(path(home, name), data)
            releases.append(_with_losses(Release(name, path(home, name), parsed[data]), home, anew))
        except ManifestError as error:
            wrong.append((name, error))
    return Found(tuple(releases), tuple(wrong))


def read_reason(file: str) -> str:
    """Why a release is retired. Raises ManifestError."""
    match _document(file).content:
        case {"schema": 1, "release": str(), "reason": str(reason)}:
            return reason
    raise ManifestError(file, 1, "it is no record of a retired release: a field is missing, or has a wrong type")


def retirement(name: str, reason: str) -> str:
    """The text of a record that retires a release."""
    return _text({"schema": SCHEMA, "release": name, "reason": reason})


def losses_text(name: str, losses: Losses) -> str:
    """The text of a record of accepted losses, a key a line."""
    return _text({"schema": SCHEMA, "release": name, **{field: list(keys) for field, keys in losses._asdict().items()}})


def _with_losses(found: Release, home: str, anew: bool) -> Release:
    try:
        return found._replace(losses=_losses(losses_path(home, found.name)))
    except ManifestError as error:
        if not anew or "newer modelint" in error.reason:
            raise
        return found._replace(torn=True)


def _losses(file: str) -> Losses:
    if not os.path.lexists(file):
        return Losses()
    match _document(file).content:
        case {
            "schema": 1,
            "release": str(),
            "dropped": list(dropped),
            "unreached": list(unreached),
            "filled": list(filled),
        } if all(isinstance(key, str) for key in (*dropped, *unreached, *filled)):
            return Losses(tuple(dropped), tuple(unreached), tuple(filled))
    raise ManifestError(file, 1, "it is no record of accepted losses: a field is missing, or has a wrong type")


def _document(file: str) -> Document:
    try:
        document = Document(file, _read(file))
    except DocumentError as error:
        raise ManifestError(error.path, error.line, error.reason) from None
    match document.content:
        case {"schema": int(schema)} if schema > SCHEMA:
            reason = f"a newer modelint wrote it (schema {schema}; this one reads {SCHEMA})"
            raise ManifestError(file, document.line("schema"), reason)
    return document


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except OSError as error:
        raise ManifestError(file, 1, f"it cannot be read: {error.strerror}") from None


def _text(content: dict[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=True) + "\n"


def _listed(folder: str) -> list[str]:
    try:
        files: Iterable[str] = os.listdir(folder)
    except OSError:
        return []
    return sorted(name.removesuffix(".json") for name in files if name.endswith(".json"))


def _natural(name: str) -> list[int | str]:
    """Texts and numbers in turn."""
    return [int(each) if each.isdigit() else each for each in re.split(r"([0-9]+)", name)]
