"""An accelerator that no machine lacks: its tensors compute on the processor, but refuse to meet the processor's own.

It stands where torch's ``meta`` device does, whose gradients any build of torch can compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
_HERE = torch.device("cpu")
_ATEN = torch.ops.aten
#: What takes tensors of both, as on a real accelerator.
_MIX = (_ATEN.index.Tensor, _ATEN.index_put_.default, _ATEN._to_copy.default, _ATEN.copy_.default)


class There(Tensor):
    """A tensor of the accelerator, and where its values really are."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=DEVICE
        )
        made.inner = inner
        return made

    def tolist(self) -> Any:
        """As of any tensor; torch's own refuses subclasses."""
        return self.inner.tolist()

    def new_tensor(self, data: Any, **kwargs: Any) -> There:  # type: ignore[override]
        """As of any tensor; torch leaves those of ``meta`` without values."""
        return There(self.inner.new_tensor(data, **kwargs))

    # With both, a module that moves keeps its parameters, as optimisers know them.
    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(parts: dict[str, Tensor], context: None, size: object, stride: object) -> There:
        return There(parts["inner"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Also sees what has no tensor of the accelerator among its arguments, but makes one."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
    there = any(isinstance(x, There) for x in tensors)
    if there and func not in _MIX and any(x.ndim and not isinstance(x, There) for x in tensors):
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found some on the processor")
    out = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
    goes = kwargs.get("device")
    if (func is _ATEN._to_copy.default and goes == _HERE) or not (there or goes == DEVICE):
        return out
    if func is _ATEN.copy_.default and not isinstance(args[0], There):
        return args[0]
    out = tree_map(lambda x: There(x) if isinstance(x, Tensor) else x, out)
    aliases = any(r.alias_info is not None for r in func._schema.returns)
    return return_and_correct_aliasing(func, args, kwargs, out) if aliases else out


def _inner(x: Any) -> Any:
    if isinstance(x, There):
        return x.inner
    return _HERE if isinstance(x, torch.device) and x == DEVICE else x


#: What makes a tensor of numbers.
_MAKERS = ("tensor", "as_tensor")


@contextmanager
def accelerator() -> Iterator[str]:
    """A machine that has one; yields its name."""
    plain_autocast = torch.autocast

    def autocast(kind: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if kind == DEVICE.type else plain_autocast(kind, *args, **kwargs)

    def filled(make: Callable[..., Tensor]) -> Callable[..., Tensor]:  # torch leaves tensors of meta without values
        return lambda data, *, device=None, **kwargs: make(data, **kwargs).to(device or make(data).device)

    plain = patch("torch.autocast", autocast), *(patch(f"torch.{n}", filled(getattr(torch, n))) for n in _MAKERS)
    with ExitStack() as stack:
        for change in plain:
            stack.enter_context(change)
        stack.enter_context(_Mode())
        yield DEVICE.type
