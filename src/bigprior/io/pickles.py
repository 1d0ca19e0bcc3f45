"""Plain pickles of weights, such as NVIDIA's ``.pkl``, read by an unpickler that can make tensors and containers alone.

A pickle is a program for a small machine, which calls what it names. This machine calls none of it: every name that is
known stands for something of ours that only keeps values, and any other name ends the reading. What stands for a
network keeps its tensors; the source text that NVIDIA's files carry for one is passed over.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from bigprior.errors import WeightsError

#: What files of torch's own format name for tensors and containers alone: beginnings of names.
_PLAIN = (
    "collections.OrderedDict",
    "torch._utils._rebuild_",
    "torch._tensor._rebuild_",
    "torch.storage.",
    "torch.serialization._get_layout",
    "torch.Size",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "_codecs.encode",
)
#: Of an array's values: kinds that are numbers, by numpy's letters.
_NUMBERS = "fiub"


def read_pickle(path: Path) -> Any:
    """What a pickle holds: tensors in dictionaries, lists and tuples; a network is a dictionary of its tensors.

    Raises:
        WeightsError: it carries something else, which is named, or is no pickle; nothing of it was run.
    """
    if (found := _stranger(path)) is not None:
        raise WeightsError(
            f"{path} carries {found}, which is neither a tensor nor a plain container: nothing of it was run; "
            "save its state dict alone, or convert it to safetensors"
        )
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")
            return _plain(_Unpickler(file).load())
    except Exception as error:  # a broken file can raise anything
        raise WeightsError(f"{path} is not a file of plain tensors, or is broken: convert it to safetensors") from error


def _stranger(path: Path) -> str | None:
    """The first thing that a pickle, or a file of torch's, names beside tensors and containers; it is not run."""
    with path.open("rb") as file, suppress(Exception):  # what is no pickle, or goes on as none, names nothing more
        known: tuple[str, ...] = _PLAIN
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                inner: Any = io.BytesIO(archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl"))))
        else:
            inner, known = file, (*_PLAIN, *(f"{module}.{name}" for module, name in _MADE))
            inner.seek(0)
        for name in _names(inner):
            if not name.startswith(known) and not _is_torch_type(name):
                return name
    return None


def _is_torch_type(name: str) -> bool:
    """``torch.FloatStorage``, ``torch.float16``: kinds of numbers."""
    module, _, own = name.rpartition(".")
    return module == "torch" and (own.endswith("Storage") or isinstance(getattr(torch, own, None), torch.dtype))


def _names(file: Any) -> Iterator[str]:
    """What the pickles of a file, one after the other, look up by name, as ``module.name``."""
    while True:
        texts, memo, last = list[str](), dict[int, str](), ""
        for code, argument, _ in pickletools.genops(file):
            if code.name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".")
            elif code.name == "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            elif "UNICODE" in code.name or "STRING" in code.name:
                last = argument if isinstance(argument, str) else repr(argument)
                texts.append(last)
            elif code.name == "MEMOIZE":
                memo[len(memo)] = last
            elif code.name in ("BINPUT", "LONG_BINPUT", "PUT"):
                memo[int(str(argument))] = last
            elif "GET" in code.name and (known := memo.get(int(str(argument)))):
                texts.append(known)


class _Kept:
    """What stands for an object of a file: its values, and nothing that it could do."""

    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Self:  # a pickle makes most things without an __init__
        made = super().__new__(cls)
        made.arguments, made.state = arguments, ()
        return made

    def __init__(self, *arguments: Any) -> None:
        """Nothing is left to do."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Number(_Kept):
    """A kind of number of numpy's."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy's own, little-endian unless the file says otherwise.

        Raises:
            ValueError: not one of numbers.
        """
        kind = np.dtype(str(self.arguments[0]))
        if kind.kind not in _NUMBERS:
            raise ValueError(f"an array of {kind}")
        return kind.newbyteorder(self.state[1] if self.state and self.state[1] in "<>" else "=")


class _Array(_Kept):
    """An array of numpy's."""

    def tensor(self) -> Tensor:
        """Its values.

        Raises:
            ValueError: they are not numbers, or do not fill its shape.
        """
        if self.arguments:  # the newest protocol's order
            values, kind, shape, order = self.arguments
            fortran = order == "F"
        else:
            _, shape, kind, fortran, values = self.state
        flat = np.frombuffer(values, kind.dtype).astype(kind.dtype.newbyteorder("="))
        return torch.from_numpy(flat.reshape(shape, order="F" if fortran else "C").copy(order="C"))


class _Network(_Kept):
    """A network of PyTorch's or TensorFlow's: its tensors by name."""

    def tensors(self) -> dict[str, Any]:
        """Of NVIDIA's PyTorch networks, parameters and buffers; of its TensorFlow ones, variables."""
        state = self.arguments[0]["state"] if self.arguments else self.state
        found: dict[str, Any] = {}
        if "variables" in state:
            found |= {str(name): value for name, value in state["variables"]}
            inner, sign = state.get("components", {}), "/"
        else:
            found |= {**state.get("_parameters", {}), **state.get("_buffers", {})}
            inner, sign = state.get("_modules", {}), "."
        for name, network in inner.items():
            if isinstance(network, _Network):
                found |= {f"{name}{sign}{k}": v for k, v in network.tensors().items()}
        return {k: v for k, v in found.items() if v is not None}


def _storage(values: bytes) -> Any:
    return torch.load(io.BytesIO(values), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A tensor of a storage.

    Raises:
        ValueError: it would reach beyond it.
    """
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    whole = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)
    if min((offset, *size, *stride)) < 0 or (0 not in size and last >= len(whole)):
        raise ValueError(f"a tensor of {tuple(size)} in {len(whole)} numbers")
    return whole.as_strided(tuple(size), tuple(stride), offset).clone()


def _scalar(kind: _Number, values: bytes) -> float:
    return float(np.frombuffer(values, kind.dtype)[0])


#: What a pickle may name, and what of ours then stands for it.
_MADE: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): dict,
    ("dnnlib.util", "EasyDict"): dict,
    ("dnnlib", "EasyDict"): dict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): lambda text, *_: text.encode("latin1"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Network,
    ("dnnlib.tflib.network", "Network"): _Network,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch", "Size"): lambda sizes: tuple(sizes),
    ("numpy", "dtype"): _Number,
    ("numpy", "ndarray"): _Array,
    **{
        (f"numpy.{core}.multiarray", name): made
        for core in ("core", "_core")
        for name, made in (("_reconstruct", lambda *_: _Array()), ("scalar", _scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Array for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what :data:`_MADE` stands for."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name.

        Raises:
            pickle.UnpicklingError: nothing does.
        """
        if (module, name) not in _MADE:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _MADE[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Raise UnpicklingError: plain pickles refer to nothing outside."""
        raise pickle.UnpicklingError(f"a reference to {pid!r}")


def _plain(held: Any) -> Any:
    """The same with tensors in place of arrays, and dictionaries of tensors in place of networks."""
    if isinstance(held, _Network):
        return _plain(held.tensors())
    if isinstance(held, _Array):
        return held.tensor()
    if isinstance(held, Mapping):
        return {k: _plain(v) for k, v in held.items()}
    if isinstance(held, list | tuple):
        return type(held)(_plain(v) for v in held)
    return held
