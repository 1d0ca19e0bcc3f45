"""VGG-16 features, against the network written out by its convolutions."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from bigprior.errors import WeightsError
from bigprior.ops.perceptual import TAP_CHANNELS, TAPS, VGGFeatures


def written_out(state: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / std[:, None, None]
    out = {}
    for block, names in enumerate([("conv1_1", "conv1_2"), ("conv2_1", "conv2_2"), ("conv3_1", "conv3_2", "conv3_3")]):
        x = F.max_pool2d(x, 2) if block else x
        for i, name in enumerate(names):
            index = (0, 5, 10)[block] + 2 * i
            x = F.relu(F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1))
            out[name] = x
    return {name: out[name] for name in TAPS}


@pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 21), (4, 4)])
def test_features_are_those_of_the_written_out_network(vgg_weights: Path, height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    features, wanted = VGGFeatures(vgg_weights)(image), written_out(load_file(vgg_weights), image)
    assert features.keys() == wanted.keys() == TAP_CHANNELS.keys()
    for name, channels in TAP_CHANNELS.items():
        assert features[name].shape == (2, channels, *wanted[name].shape[2:])
        torch.testing.assert_close(features[name], wanted[name], atol=1e-4, rtol=1e-4)


def test_the_real_trunk_loads(shared: Path) -> None:
    path = shared / "weights" / "vgg16_features_to_conv3_3.safetensors"
    image = torch.rand(1, 3, 32, 32)
    wanted = written_out(load_file(path), image)
    torch.testing.assert_close(VGGFeatures(path)(image)["conv3_3"], wanted["conv3_3"], atol=1e-3, rtol=1e-4)


def test_it_is_frozen_but_lets_gradients_through(vgg_weights: Path) -> None:
    network, image = VGGFeatures(vgg_weights), torch.rand(1, 3, 8, 8, requires_grad=True)
    network(image)["conv3_3"].sum().backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.trunk.training


def test_a_whole_networks_file_serves_as_well(vgg_weights: Path, tmp_path: Path) -> None:
    more = load_file(vgg_weights) | {"features.17.weight": torch.ones(1), "classifier.0.weight": torch.ones(1)}
    save_file(more, tmp_path / "vgg16.safetensors")
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(
        VGGFeatures(tmp_path / "vgg16.safetensors")(image)["conv3_3"], VGGFeatures(vgg_weights)(image)["conv3_3"]
    )


@pytest.mark.parametrize("broken", ["absent", "empty", "missing a layer", "another shape", "not weights"])
def test_a_file_that_is_no_such_trunk_is_refused(vgg_weights: Path, tmp_path: Path, broken: str) -> None:
    state, path = load_file(vgg_weights), tmp_path / "vgg.safetensors"
    if broken == "empty":
        state = {}
    elif broken == "missing a layer":
        del state["features.12.bias"]
    elif broken == "another shape":
        state["features.0.weight"] = torch.ones(64, 1, 3, 3)
    if broken == "not weights":
        path.write_bytes(b"no")
    elif broken != "absent":
        save_file(state, path)
    with pytest.raises(WeightsError):
        VGGFeatures(path)
