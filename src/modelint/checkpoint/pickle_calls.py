"""The opcodes of a pickle that name something, or make a load call it."""

from __future__ import annotations

import struct

from modelint.checkpoint import limits
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.pickle_state import State

_unsigned_short = struct.Struct("<H").unpack_from
_integer = struct.Struct("<i").unpack_from
#: The lines of a name that are kept, to be known again: longer ones are rare.
_BOTH = 200


class Calls(State):
    """One method for each opcode: given the place after it, it returns that of the next."""

    def op_global(self, at: int) -> int:
        # A name is written out wherever it is used: the second time its lines are known.
        find = self.data.find
        end = find(b"\n", find(b"\n", at) + 1) + 1
        known = self.lines.get(self.data[at:end]) if end - at <= _BOTH else None
        if known is not None:
            self.stack.append(known)
            return end
        start = at
        module, at = self.line(at, limits.NAME)
        name, at = self.line(at, limits.NAME)
        found = self.global_of(module.decode(), name.decode())
        if at - start <= _BOTH:
            self.lines[self.data[start:at]] = found
        self.stack.append(found)
        return at

    def op_stack_global(self, at: int) -> int:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Refused("malformed pickle: a name that is no string")
        self.stack.append(self.global_of(module, name))
        return at

    def _extension(self, number: int) -> None:
        """A number that stands for a global, in a registry of the program that wrote the file."""
        self.stack.append(self.global_of("copyreg", f"extension {number}"))

    def op_ext1(self, at: int) -> int:
        self._extension(self.data[at])
        return at + 1

    def op_ext2(self, at: int) -> int:
        self._extension(_unsigned_short(self.data, at)[0])
        return at + 2

    def op_ext4(self, at: int) -> int:
        self._extension(_integer(self.data, at)[0])
        return at + 4

    def op_reduce(self, at: int) -> int:
        args = self.stack.pop()
        self.stack[-1] = self.call_of(self.stack[-1], args)
        return at

    op_newobj = op_reduce

    def op_newobj_ex(self, at: int) -> int:
        kwargs, args = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self.call_of(self.stack[-1], args, kwargs)
        return at

    def op_inst(self, at: int) -> int:
        at = self.op_global(at)
        function = self.stack.pop()
        args = self.tuple_of(self.pop_mark())
        self.stack.append(self.call_of(function, args))
        return at

    def op_obj(self, at: int) -> int:
        items = self.pop_mark()
        args = self.tuple_of(items[1:])
        self.stack.append(self.call_of(items[0], args))
        return at

    def op_persid(self, at: int) -> int:
        line, at = self.line(at, limits.NAME)
        self.budget.memory -= 64 + len(line)
        self.stack.append(self.persistent_of(line.decode()))
        return at

    def op_binpersid(self, at: int) -> int:
        self.stack[-1] = self.persistent_of(self.stack[-1])
        return at
