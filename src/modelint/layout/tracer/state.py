"""What a forward may change in its module, kept and put back: values must not outlive the run that made them."""

from __future__ import annotations

from typing import Any

KEPT = ("_parameters", "_buffers", "_modules")


class Snapshot:
    def __init__(self, module: Any, others: list[Any]) -> None:
        self.taken: list[tuple[Any, dict[str, Any], dict[str, Any]]] = []
        for each in (module, *others):
            state = each.__dict__
            inner = {name: value.copy() for name, value in state.items() if type(value) in (list, dict)}
            inner.update({name: state[name].copy() for name in KEPT if name in state and name not in inner})
            self.taken.append((each, state.copy(), inner))

    def buffer(self, module: Any, name: str) -> Any:
        """What was there before; None: nothing was, or there is no such buffer."""
        return next(inner["_buffers"].get(name) for each, _, inner in self.taken if each is module)

    def holds(self) -> bool:
        """Whether nothing has changed since."""
        for module, state, inner in self.taken:
            now = module.__dict__
            if now.keys() != state.keys() or any(now[name] is not value for name, value in state.items()):
                return False
            for name, value in inner.items():
                held = state[name]
                if len(held) != len(value):
                    return False
                if isinstance(held, list):
                    if any(one is not other for one, other in zip(held, value)):
                        return False
                elif any(held.get(key, self) is not one for key, one in value.items()):
                    return False
        return True

    def restore(self) -> None:
        for module, state, inner in self.taken:
            now = module.__dict__
            if now.keys() != state.keys() or any(now[name] is not value for name, value in state.items()):
                now.clear()
                now.update(state)
            for name, value in inner.items():
                held = state[name]
                if isinstance(held, list):
                    if len(held) != len(value) or any(one is not other for one, other in zip(held, value)):
                        held[:] = value
                elif held.keys() != value.keys() or any(held[key] is not one for key, one in value.items()):
                    held.clear()
                    held.update(value)
