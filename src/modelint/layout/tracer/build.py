"""Build a model without its memory: on the meta device, else with parameters moved there, else uninitialised."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import weakref
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Union

import torch
from torch import nn

from . import guard, shortcuts
from .blame import Failed
from .constants import CpuMaking, Making, MetaMaking

_Rung = tuple[contextlib.AbstractContextManager[Any], Union[CpuMaking, MetaMaking]]


class Built(NamedTuple):
    model: nn.Module
    how: str
    making: Making


def load_factory(text: str) -> Any:
    """``package.module:callable``; the callable may be dotted."""
    module_name, _, attribute = text.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except SystemExit as error:
        raise Failed("exit", "its import ended the process", "code", error) from None
    except ModuleNotFoundError as error:
        own = error.name is not None and (module_name + ".").startswith(error.name + ".")
        raise Failed("import", str(error) if own else "", "import", None if own else error) from None
    except BaseException as error:
        raise Failed("import", "", "code", error) from None
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Failed("import", f"{module_name!r} has no {attribute!r}", "import") from None
    if not callable(found):
        raise Failed("import", f"{text!r} cannot be called", "import")
    return found


class Builder:
    """Calls the factory, as often as needed, in the one way that works."""

    def __init__(self, factory: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
        self._factory = factory
        self._args = args
        self._kwargs = kwargs
        self.how: str | None = None
        #: Why the model could not be built on the meta device.
        self.first: BaseException | None = None

    def check_arguments(self) -> None:
        try:
            inspect.signature(self._factory).bind(*self._args, **self._kwargs)
        except TypeError as error:
            raise Failed("call", f"{error}", "arguments") from None
        except ValueError:  # no signature to be had
            pass

    def build(self, tell: Callable[[str, BaseException | None], None]) -> Built:
        """The model, by the first rung that bears."""
        rungs = [self.how] if self.how is not None else list(_RUNGS)
        last: BaseException | None = None
        for how in rungs:
            tell(how, self.first)
            try:
                built = self._attempt(how)
            except (SystemExit, Failed):
                raise
            except Exception as error:
                if self.first is None:
                    self.first = error
                if how == "no-init" and last is not None and _same(last, error):
                    break  # with and without the meta device: initialisation will not make it better
                last = error
                continue
            self.how = how
            return built
        raise Failed("call", "", "code", last)

    def _attempt(self, how: str) -> Built:
        guard.seed()
        torch.set_default_dtype(torch.float32)
        context, making = _RUNGS[how]()
        with context, making:
            model = self._factory(*_copied(self._args), **_copied(self._kwargs))
        if not isinstance(model, nn.Module):
            kind = f"{type(model).__module__}.{type(model).__qualname__}"
            raise Failed("not-a-module", f"the factory returned a {kind}, not a torch.nn.Module", "code")
        return Built(model, how, making)


def _same(first: BaseException, second: BaseException) -> bool:
    return type(first) is type(second) and str(first) == str(second)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _on_meta() -> _Rung:
    return contextlib.nullcontext(), MetaMaking()


def _parameters_to_meta() -> _Rung:
    return _registering(), CpuMaking()


def _uninitialised() -> _Rung:
    return _no_initialisation(), CpuMaking(spare=True)


def _real() -> _Rung:
    return contextlib.nullcontext(), CpuMaking()


_RUNGS: dict[str, Callable[[], _Rung]] = {
    "meta": _on_meta,
    "parameters": _parameters_to_meta,
    "no-init": _uninitialised,
    "cpu": _real,
}


@contextlib.contextmanager
def _registering() -> Iterator[None]:
    """Parameters go to the meta device as soon as a module has them; what is computed before is real."""
    real = nn.Module.register_parameter
    moved: dict[int, tuple[weakref.ref[Any], nn.Parameter]] = {}

    def register(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        real(self, name, param)
        if param is None or param.is_meta or type(param) is not nn.Parameter:
            return
        known = moved.get(id(param))
        if known is None or known[0]() is not param:
            known = weakref.ref(param), nn.Parameter(param.detach().to("meta"), param.requires_grad)
            known[1].__dict__.update(param.__dict__)
            moved[id(param)] = known
        self._parameters[name] = known[1]

    nn.Module.register_parameter = register  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.register_parameter = real  # type: ignore[method-assign]


@contextlib.contextmanager
def _no_initialisation() -> Iterator[None]:
    """The functions of torch.nn.init leave large tensors as they are."""
    names = [each for each in dir(nn.init) if each.endswith("_") and not each.startswith("_")]
    real = {name: getattr(nn.init, name) for name in names}

    def lazy(function: Callable[..., Any]) -> Callable[..., Any]:
        def leave(tensor: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
            return tensor if tensor.numel() >= shortcuts.LARGE else function(tensor, *arguments, **settings)

        return leave

    try:
        for name, function in real.items():
            setattr(nn.init, name, lazy(function))
        yield
    finally:
        for name, function in real.items():
            setattr(nn.init, name, function)
