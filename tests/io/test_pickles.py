"""Plain pickles: tensors come out of them, and nothing of them is run."""

import collections
import pickle
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bigprior.errors import WeightsError
from bigprior.io.pickles import read_pickle
from bigprior.io.weights import read_tensors


def test_nvidias_networks_give_their_tensors_and_none_of_their_code(
    tmp_path: Path, nvidia_pickle: Callable[[Path, nn.Module], None]
) -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.Conv2d(1, 2, 3).half()))
    nvidia_pickle(tmp_path / "n.pkl", network)
    held = read_pickle(tmp_path / "n.pkl")
    assert held.keys() == {"G", "D", "G_ema", "training_set_kwargs"} and held["D"] is None
    assert torch.equal(held["training_set_kwargs"]["labels"], torch.arange(3.0))
    read = read_tensors(tmp_path / "n.pkl")
    assert read.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor)


def test_tensorflow_networks_give_their_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three networks the averaged generator, which is the last, is read, with those that it is made of."""
    made = type("Network", (), {"__module__": "dnnlib.tflib.network"})
    for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["dnnlib.tflib.network"].Network = made  # type: ignore[attr-defined]

    def network(value: float) -> Any:
        inner, outer = made(), made()
        kernel = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3) + value)
        inner.__dict__ = {
            "version": 4,
            "variables": [("4x4/Conv/weight", kernel), ("noise0", np.ones((1, 1, 4, 4), "f2"))],
        }
        outer.__dict__ = {
            "version": 4,
            "variables": [("dlatent_avg", np.zeros(2, np.float64))],
            "build_module_src": "1/0",
        }
        outer.__dict__["components"] = collections.OrderedDict(G_synthesis=inner)
        return outer

    for protocol in (2, 4, 5):
        (tmp_path / "t.pkl").write_bytes(pickle.dumps((network(0), network(1), network(2)), protocol))
        read = read_tensors(tmp_path / "t.pkl")
        assert read.keys() == {"dlatent_avg", "G_synthesis/4x4/Conv/weight", "G_synthesis/noise0"}
        assert torch.equal(read["G_synthesis/4x4/Conv/weight"], torch.arange(6.0).view(2, 3) + 2)
        assert read["G_synthesis/noise0"].dtype == torch.float16


class Whole(nn.Module):
    """A network that is saved whole, as its class and not as its tensors."""


@pytest.mark.parametrize(
    ("held", "named"),
    [
        (print, "builtins.print"),
        ({"a": torch.ones(1), "b": Path("x")}, "pathlib"),
        (np.random.default_rng(), "numpy.random"),
        (Whole(), "Whole"),
        (Fraction(1, 2), "fractions.Fraction"),
    ],
)
@pytest.mark.parametrize("way", ["pickle", "torch", "old torch"])
@pytest.mark.filterwarnings("ignore")
def test_anything_but_tensors_and_containers_is_named_in_one_line(
    tmp_path: Path, held: Any, named: str, way: str
) -> None:
    path = tmp_path / ("w.pkl" if way == "pickle" else "w.pth")
    if way == "pickle":
        path.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=way == "torch")
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    said = str(caught.value)
    assert named in said.replace("__builtin__", "builtins") and "nothing of it was run" in said and "\n" not in said


@pytest.mark.parametrize(
    "held", [np.array(["a"]), np.array([{}], dtype=object), {"w": np.array([1, "b"], dtype=object)}]
)
def test_arrays_of_other_things_are_refused(tmp_path: Path, held: Any) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(held))
    with pytest.raises(WeightsError):
        read_tensors(tmp_path / "w.pkl")


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    class Reaching:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (torch.ones(2).storage(), 0, (9,), (1,), False, {})

    with pytest.warns(UserWarning, match="TypedStorage"):
        (tmp_path / "w.pkl").write_bytes(pickle.dumps({"w": Reaching()}))
    with pytest.raises(WeightsError, match="not a file of plain tensors"):
        read_tensors(tmp_path / "w.pkl")
