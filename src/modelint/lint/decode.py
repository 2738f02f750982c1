"""Bytes to text as Python does it: BOM, coding cookie, newlines. Every failure has a reason and a line."""

from __future__ import annotations

import codecs
import re

_BOM = codecs.BOM_UTF8
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#.*)?$")


class Undecodable(Exception):
    """The reason, and the line where it shows."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def decode(data: bytes) -> str:
    """The text of a Python file: no BOM, newlines are "\\n", nothing that could not be encoded again."""
    bom = data.startswith(_BOM)
    if bom:
        data = data[len(_BOM) :]
    if (at := data.find(b"\0")) >= 0:
        raise Undecodable("contains NUL bytes", _line(data, at))
    encoding = _cookie(data)
    if encoding is not None and bom and encoding != "utf-8":
        raise Undecodable(f"coding cookie {encoding!r} contradicts the UTF-8 byte order mark")
    text = _utf8(data) if encoding in (None, "utf-8") else _other(data, encoding or "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"not UTF-8: byte 0x{data[error.start]:02x}"
        raise Undecodable(found, _line(data, error.start)) from None


def _other(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Undecodable("contains lone surrogates", text.count("\n", 0, error.start) + 1) from None
    except UnicodeDecodeError as error:
        raise Undecodable(f"not {encoding}, which its coding cookie names", _line(data, error.start)) from None
    except Exception as error:  # codecs of the standard library raise what they like
        raise Undecodable(f"cannot be decoded as {encoding}: {type(error).__name__}") from None
    if "\0" in text:
        raise Undecodable("contains NUL characters", text.count("\n", 0, text.index("\0")) + 1)
    return text


def _cookie(data: bytes) -> str | None:
    """The normalised name of the encoding that one of the first two lines declares."""
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", data[:4096], maxsplit=2)[:2], 1):
        if found := _COOKIE.match(line):
            name = found[1].decode("ascii", "replace")
            try:
                info = codecs.lookup(name)
            except (LookupError, ValueError, ImportError):
                raise Undecodable(f"unknown encoding in its coding cookie: {name}", number) from None
            if not getattr(info, "_is_text_encoding", True):
                raise Undecodable(f"coding cookie {name} is not a text encoding", number)
            return "utf-8" if info.name in ("utf-8", "utf-8-sig") else info.name
        if not _BLANK.match(line):
            break
    return None


def _line(data: bytes, at: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", data[:at])) + 1
