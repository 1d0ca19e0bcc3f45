"""Tensors on disk: safetensors with a header of strings, a checksum, and foreign files read without running them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from bigprior.errors import WeightsError
from bigprior.io.atomic import replacing
from bigprior.io.pickles import read_pickle

_Network = TypeVar("_Network", bound=nn.Module)

#: Numbers among a network's settings up to this one can be more than there are weights: a seed, a step, a resolution.
_LARGEST_SETTING = 4096
#: Where checkpoints keep the weights that make pictures, under names in use; averaged ones come first.
_NESTED = (
    "g_ema",
    "G_ema",
    "g_running",
    "params_ema",
    "state_dict",
    "netG_state_dict",
    "params",
    "model_state_dict",
    "model",
    "net",
    "generator",
    "G",
)


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Read every tensor of a ``.safetensors``, a foreign ``.pth``/``.pt`` state dict, or a plain pickle (``.pkl``).

    Nothing in the file is run. Of a checkpoint that holds several networks, the one to make pictures with is read: the
    averaged one, where there is one.

    Raises:
        WeightsError: no such file; not a weights file; or one that carries more than tensors and plain containers.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)[0]
    try:
        with warnings.catch_warnings():  # of what is refused below
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch.load raises many unrelated types for a file that is broken, hostile, or a plain pickle
        state = read_pickle(path)
    if isinstance(state, list | tuple) and state:  # a generator, its discriminator, and the averaged generator
        state = state[-1]
    if isinstance(state, dict):
        state = next((state[name] for name in _NESTED if isinstance(state.get(name), dict)), state)
    if isinstance(state, dict) and state and all(isinstance(part, dict) for part in state.values()):
        # Several networks of one kind, by their numbers.
        state = {f"{number}.{name}": tensor for number, part in state.items() for name, tensor in part.items()}
    if not isinstance(state, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()):
        raise WeightsError(f"{path} holds no state dict: expected names with tensors")
    return state


def read_weights(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (numbers with a fraction as float32) and settings of a file that :func:`save_weights` wrote.

    Raises:
        WeightsError: missing, not safetensors, or without settings.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    tensors, header = _read_safetensors(path)
    try:
        settings = json.loads(header["settings"])
    except (KeyError, ValueError):
        settings = None
    if not isinstance(settings, dict):
        raise WeightsError(f"{path} has no settings in its header: it was not written by bigprior")
    return {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, settings


def save_weights(
    path: Path | str,
    state: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    precision: torch.dtype = torch.float16,
) -> None:
    """Write ``state`` as safetensors with ``settings`` (JSON) in the header, atomically; fp16 unless told otherwise."""
    kept = {k: v.detach().cpu() for k, v in state.items()}
    kept = {k: (v.to(precision) if v.is_floating_point() else v).contiguous() for k, v in kept.items()}
    with replacing(path) as temporary:
        save_file(kept, temporary, metadata={"settings": json.dumps(settings, sort_keys=True)})


def precision_of(tensors: Iterable[Tensor]) -> torch.dtype:
    """What a network's weights are stored in so that nothing of a file's tensors is lost: that of halves, or single."""
    kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return kinds.pop() if kinds in ({torch.float16}, {torch.bfloat16}) else torch.float32


def built(
    of_class: Callable[..., _Network], what: str, state: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> _Network:
    """The network of a class, called ``what``, that ``settings`` describes, with the tensors of ``state``.

    Raises:
        WeightsError: they do not fit each other.
    """
    with fitting(f"not the weights of {what}"):
        refuse_what_does_not_fit(settings, state)
        network = of_class(**settings)
        network.load_state_dict(dict(state))
    return network


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Whatever comes of building a network with somebody's weights and settings becomes one WeightsError.

    Args:
        what: is said, with the reason.

    Raises:
        WeightsError: of any other error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except WeightsError:
        raise
    except Exception as error:  # files can hold anything
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise WeightsError(f"{what} ({lines[-1]})") from error


def refuse_what_does_not_fit(settings: Any, state: Mapping[str, Tensor]) -> None:
    """Refuse settings of a network that is far larger than its weights, before memory is asked for.

    Raises:
        WeightsError: a number among them, at any depth, is larger than all weights together.
    """
    most = max(_LARGEST_SETTING, sum(tensor.numel() for tensor in state.values()))
    inside = list(settings.values()) if isinstance(settings, Mapping) else settings
    for value in inside if isinstance(inside, list | tuple) else [inside]:
        if isinstance(value, Mapping | list | tuple):
            refuse_what_does_not_fit(value, state)
        elif isinstance(value, int | float) and not abs(value) <= most:
            raise WeightsError(f"a setting is {value}, but there are {most} weights: get the file that was trained")


def sha256(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*tensors: Tensor) -> str:
    """Hexadecimal SHA-256 of tensors: their shapes, types and values."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()  # a safetensors file is not iterable itself
            return {k: file.get_tensor(k) for k in names}, dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{path} is not a safetensors file ({error})") from error
