"""How buffers get their values: a function mode that sees each operation of a construction."""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

Skip = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


class Making(TorchFunctionMode):
    pass


class CpuMaking(Making):
    def __init__(self, skips: Skip | None = None) -> None:
        super().__init__()
        self._skips = skips

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._skips is not None:
            skipped = self._skips(getattr(func, "__name__", ""), func, args, kwargs)
            if skipped is not None:
                return skipped
        return func(*args, **kwargs)


class MetaMaking(DeviceContext, Making):
    def __init__(self) -> None:
        super().__init__(torch.device("meta"))
