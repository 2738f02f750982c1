"""Forward hooks of modules: what they do to arguments and results is part of what is computed."""

from __future__ import annotations

from typing import Any, Callable

from . import source
from .frames import explicit_raise
from .leaves import is_leaf
from .values import call


def with_hooks(module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """As ``module.__call__`` does it."""
    state = module.__dict__
    for key, hook in list(state.get("_forward_pre_hooks", {}).items()):
        if not _counts(module, hook):
            continue
        if key in state.get("_forward_pre_hooks_with_kwargs", ()):
            changed = _called(hook, (module, args, kwargs))
            if changed is not None:
                args, kwargs = changed
        else:
            changed = _called(hook, (module, args))
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    result = forward(*args, **kwargs)
    for key, hook in list(state.get("_forward_hooks", {}).items()):
        if _counts(module, hook):
            more = (kwargs,) if key in state.get("_forward_hooks_with_kwargs", ()) else ()
            changed = _called(hook, (module, args, *more, result))
            result = result if changed is None else changed
    return result


def source_of(module: Any) -> str:
    """Of all hooks of a module that could not be traced; "": there are none."""
    state = module.__dict__
    hooks = (*state.get("_forward_pre_hooks", {}).values(), *state.get("_forward_hooks", {}).values())
    return " ".join(_digest(hook) for hook in hooks if not _of_torch(hook))


def _of_torch(hook: Any) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("torch.")


def _counts(module: Any, hook: Any) -> bool:
    """Those of torch's own modules are told by leaves.py; others of torch make weights (nn.utils) or set up."""
    return not _of_torch(hook) or (type(hook).__module__.startswith("torch.nn.utils.") and not is_leaf(module))


def _called(hook: Any, arguments: tuple[Any, ...]) -> Any:
    try:
        return hook(*arguments)
    except Exception as error:
        if explicit_raise(error):
            raise
        # Perhaps one that only watches: its text stands for what it does.
        return None if _of_torch(hook) else call("hook " + _digest(hook), (arguments[-1],))


def _digest(hook: Any) -> str:
    function = getattr(hook, "func", hook)
    if not hasattr(function, "__code__") and not hasattr(function, "__func__"):
        function = type(hook).__call__
    try:
        return source.class_digest(type(hook), function) or type(hook).__name__
    except (AttributeError, TypeError):
        return type(hook).__name__
