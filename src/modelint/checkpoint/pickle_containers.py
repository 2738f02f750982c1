"""The opcodes of a pickle that build tuples, lists, dicts and sets, and that move values about."""

from __future__ import annotations

import struct

from modelint.checkpoint import limits
from modelint.checkpoint.contents import Refused
from modelint.checkpoint.pickle_state import State
from modelint.checkpoint.pickle_values import Call, DictNode, Global, ListNode, Persistent, SetNode

_unsigned = struct.Struct("<I").unpack_from


class Containers(State):
    """One method for each opcode: given the place after it, it returns that of the next."""

    def op_mark(self, at: int) -> int:
        if len(self.below) >= limits.MARKS:
            raise Refused(f"nests deeper than {limits.MARKS:,} levels: no checkpoint is built like that")
        self.below.append(self.stack)
        self.stack = []
        return at

    def op_tuple(self, at: int) -> int:
        items = self.pop_mark()
        self.stack.append(self.tuple_of(items))
        return at

    def op_empty_tuple(self, at: int) -> int:
        self.stack.append(self.tuple_of([]))
        return at

    def op_tuple1(self, at: int) -> int:
        self.stack[-1] = self.tuple_of(self.stack[-1:])
        return at

    def op_tuple2(self, at: int) -> int:
        second = self.stack.pop()
        self.stack[-1] = self.tuple_of([self.stack[-1], second])
        return at

    def op_tuple3(self, at: int) -> int:
        third, second = self.stack.pop(), self.stack.pop()
        self.stack[-1] = self.tuple_of([self.stack[-1], second, third])
        return at

    def op_empty_list(self, at: int) -> int:
        self.made(104)
        self.stack.append(ListNode([]))
        return at

    def op_list(self, at: int) -> int:
        items = self.pop_mark()
        self.made(104 + 8 * len(items))
        self.stack.append(ListNode(items))
        return at

    def op_append(self, at: int) -> int:
        self._add([self.stack.pop()])
        return at

    def op_appends(self, at: int) -> int:
        self._add(self.pop_mark())
        return at

    op_additems = op_appends

    def _add(self, items: list[object]) -> None:
        target = self.stack[-1]
        self.budget.memory -= 9 * len(items)
        if isinstance(target, ListNode | SetNode):
            target.items.extend(items)
        elif isinstance(target, Call):
            if target.items is None:
                self.made(56)
                target.items = []
            target.items.extend(items)
        else:
            self._strange(target)

    def op_empty_set(self, at: int) -> int:
        self.made(104)
        self.stack.append(SetNode([]))
        return at

    def op_frozenset(self, at: int) -> int:
        items = self.pop_mark()
        self.made(104 + 8 * len(items))
        self.stack.append(SetNode(items))
        return at

    def op_empty_dict(self, at: int) -> int:
        self.made(104)
        self.stack.append(DictNode([]))
        return at

    def op_dict(self, at: int) -> int:
        items = self.pop_mark()
        self.op_empty_dict(at)
        self._set(items)
        return at

    def op_setitem(self, at: int) -> int:
        value = self.stack.pop()
        self._set([self.stack.pop(), value])
        return at

    def op_setitems(self, at: int) -> int:
        self._set(self.pop_mark())
        return at

    def _set(self, items: list[object]) -> None:
        target = self.stack[-1]
        if len(items) % 2:
            raise Refused("malformed pickle: a key without a value")
        self.budget.memory -= 40 * len(items)
        pairs = zip(items[::2], items[1::2], strict=True)
        if isinstance(target, DictNode):
            target.pairs.extend(pairs)
        elif isinstance(target, Call):
            if target.pairs is None:
                self.made(56)
                target.pairs = []
            target.pairs.extend(pairs)
        else:
            self._strange(target)

    def _strange(self, target: object) -> None:
        """Something is set on what cannot take it: a load fails, or calls a method of what the name stands for."""
        if isinstance(target, Global):
            self.calls[target.said] = None
        elif not isinstance(target, ListNode | Persistent):
            raise Refused("malformed pickle: adds to what is no list, dict or object")

    def op_build(self, at: int) -> int:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Call):
            target.state = state
        elif isinstance(target, Global):
            self._strange(target)
        return at

    # The stack and the memo.

    def op_pop(self, at: int) -> int:
        if self.stack:
            self.stack.pop()
        else:
            self.pop_mark()
        return at

    def op_pop_mark(self, at: int) -> int:
        self.pop_mark()
        return at

    def op_dup(self, at: int) -> int:
        self.stack.append(self.stack[-1])
        return at

    def _put(self, index: int) -> None:
        self.budget.memory -= 9
        if index == len(self.memo) and not self.sparse:
            self.memo.append(self.stack[-1])
        elif index < len(self.memo):
            self.memo[index] = self.stack[-1]
        else:
            self.budget.memory -= 120
            self.sparse[index] = self.stack[-1]

    def op_put(self, at: int) -> int:
        line, at = self.line(at, 20)
        index = int(line, 10)
        if index < 0:
            raise Refused("malformed pickle: stores a value at a negative place")
        self._put(index)
        return at

    # These four are half of all opcodes of a state dict: they do by themselves what is usual.

    def op_binput(self, at: int) -> int:
        index = self.data[at]
        memo = self.memo
        if index == len(memo) and not self.sparse:
            memo.append(self.stack[-1])
            self.budget.memory -= 9
        else:
            self._put(index)
        return at + 1

    def op_long_binput(self, at: int) -> int:
        index = _unsigned(self.data, at)[0]
        memo = self.memo
        if index == len(memo) and not self.sparse:
            memo.append(self.stack[-1])
            self.budget.memory -= 9
        else:
            self._put(index)
        return at + 4

    def op_memoize(self, at: int) -> int:
        self._put(len(self.memo) + len(self.sparse))
        return at

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index] if 0 <= index < len(self.memo) else self.sparse[index])

    def op_get(self, at: int) -> int:
        line, at = self.line(at, 20)
        self._get(int(line, 10))
        return at

    def op_binget(self, at: int) -> int:
        index = self.data[at]
        self.stack.append(self.memo[index] if index < len(self.memo) else self.sparse[index])
        return at + 1

    def op_long_binget(self, at: int) -> int:
        index = _unsigned(self.data, at)[0]
        self.stack.append(self.memo[index] if index < len(self.memo) else self.sparse[index])
        return at + 4
