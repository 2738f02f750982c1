"""The opcodes of a pickle that push numbers, text and bytes."""

from __future__ import annotations

import struct

from modelint.checkpoint import limits
from modelint.checkpoint.pickle_state import State
from modelint.checkpoint.pickle_values import Blob, Persistent

_unsigned_short = struct.Struct("<H").unpack_from
_integer = struct.Struct("<i").unpack_from
_unsigned = struct.Struct("<I").unpack_from
_long = struct.Struct("<Q").unpack_from
_double = struct.Struct(">d").unpack_from


class Scalars(State):
    """One method for each opcode: given the place after it, it returns that of the next."""

    def op_none(self, at: int) -> int:
        self.stack.append(None)
        return at

    def op_newtrue(self, at: int) -> int:
        self.stack.append(True)
        return at

    def op_newfalse(self, at: int) -> int:
        self.stack.append(False)
        return at

    def op_int(self, at: int) -> int:
        line, at = self.line(at, limits.DIGITS)
        self.budget.memory -= 300
        self.stack.append(line == b"01" if line in (b"00", b"01") else int(line, 10))
        return at

    def op_long(self, at: int) -> int:
        line, at = self.line(at, limits.DIGITS)
        self.budget.memory -= 300
        self.stack.append(int(line.removesuffix(b"L"), 10))
        return at

    def op_binint(self, at: int) -> int:
        self.budget.memory -= 44
        self.stack.append(_integer(self.data, at)[0])
        return at + 4

    def op_binint1(self, at: int) -> int:
        self.stack.append(self.data[at])
        return at + 1

    def op_binint2(self, at: int) -> int:
        self.budget.memory -= 44
        self.stack.append(_unsigned_short(self.data, at)[0])
        return at + 2

    def op_long1(self, at: int) -> int:
        return self._push_integer(at + 1, self.data[at])

    def op_long4(self, at: int) -> int:
        return self._push_integer(at + 4, _unsigned(self.data, at)[0])

    def _push_integer(self, at: int, size: int) -> int:
        if size > limits.INTEGER:
            self.malformed(f"an integer of {size:,} bytes", at)
        end = self.need(at, size)
        self.budget.memory -= 44 + size
        self.stack.append(int.from_bytes(self.data[at:end], "little", signed=True))
        return end

    def op_float(self, at: int) -> int:
        line, at = self.line(at, limits.DIGITS)
        self.budget.memory -= 32
        self.stack.append(float(line))
        return at

    def op_binfloat(self, at: int) -> int:
        self.budget.memory -= 44
        self.stack.append(_double(self.data, at)[0])
        return at + 8

    def op_string(self, at: int) -> int:
        from codecs import escape_decode

        line, at = self.line(at, limits.LINE)
        line = line.strip()
        if len(line) < 2 or line[0] != line[-1] or line[:1] not in b"\"'":
            self.malformed("a string without quotes", at)
        self.budget.keep(64 + len(line))
        self.stack.append(escape_decode(line[1:-1])[0].decode("latin-1"))
        return at

    def op_unicode(self, at: int) -> int:
        line, at = self.line(at, limits.LINE)
        self.budget.keep(64 + 4 * len(line))
        self.stack.append(line.decode("raw-unicode-escape"))
        return at

    def op_binstring(self, at: int) -> int:
        size = _integer(self.data, at)[0]
        if size < 0:
            self.malformed("a string of negative length", at)
        return self._push_latin(at + 4, size)

    def op_short_binstring(self, at: int) -> int:
        return self._push_latin(at + 1, self.data[at])

    def op_short_binunicode(self, at: int) -> int:
        return self._push_text(at + 1, self.data[at])

    def op_binunicode(self, at: int) -> int:
        return self._push_text(at + 4, _unsigned(self.data, at)[0])

    def op_binunicode8(self, at: int) -> int:
        return self._push_text(at + 8, _long(self.data, at)[0])

    def op_short_binbytes(self, at: int) -> int:
        return self._push_bytes(at + 1, self.data[at])

    def op_binbytes(self, at: int) -> int:
        return self._push_bytes(at + 4, _unsigned(self.data, at)[0])

    def op_binbytes8(self, at: int) -> int:
        return self._push_bytes(at + 8, _long(self.data, at)[0])

    op_bytearray8 = op_binbytes8

    def op_next_buffer(self, at: int) -> int:
        """Bytes that were handed to the writing program beside the pickle."""
        self.made(40)
        self.stack.append(Persistent(None))
        return at

    def op_readonly_buffer(self, at: int) -> int:
        return at

    def _push_text(self, at: int, size: int) -> int:
        if size > limits.TEXT:
            return self._push_blob(at, size, text=True)
        end = self.need(at, size)
        self.budget.memory -= 64 + size
        if size > 255:
            # One character outside the basic plane makes all of them four bytes wide.
            self.budget.keep(3 * size)
        self.stack.append(str(self.data[at:end], "utf-8", "surrogatepass"))
        return end

    def _push_bytes(self, at: int, size: int) -> int:
        if size > limits.SHORT_BYTES:
            return self._push_blob(at, size)
        end = self.need(at, size)
        self.budget.memory -= 48 + size
        self.stack.append(self.data[at:end])
        return end

    def _push_blob(self, at: int, size: int, text: bool = False) -> int:
        end = at + size
        if end > self.end:
            self.truncated()
        self.budget.memory -= 136
        self.stack.append(Blob(self.source, self.base + at, self.base + end, text))
        return end

    def _push_latin(self, at: int, size: int) -> int:
        """Python 2's str: text, or the bytes of an array."""
        at = self._push_bytes(at, size)
        if isinstance(value := self.stack[-1], bytes):
            self.stack[-1] = value.decode("latin-1")
        return at
