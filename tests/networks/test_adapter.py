"""Changes of low rank of a network's convolutions."""

import pytest
import torch

from bigprior.errors import WeightsError
from bigprior.networks.adapter import Adapter
from bigprior.networks.denoising_unet import DenoisingUNet


@pytest.fixture
def network() -> DenoisingUNet:
    torch.manual_seed(0)
    network = DenoisingUNet((4, 8), blocks=1)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network.eval()


def test_it_starts_as_no_change(network: DenoisingUNet) -> None:
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(Adapter.of(network).adapted(network)(x, 0.1), network(x, 0.1))


def test_what_is_added_has_the_rank_and_leaves_the_network_as_it_is(network: DenoisingUNet) -> None:
    adapter, before = Adapter.of(network, rank=2), {k: v.clone() for k, v in network.state_dict().items()}
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_()
    adapted = adapter.adapted(network).state_dict()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    convolutions = adapter.settings["shapes"]
    assert {"head", "shrink.0", "grow.0", "up.0.0.first", "tail"} <= convolutions.keys()
    for name in convolutions:
        change = (adapted[f"{name}.weight"] - before[f"{name}.weight"]).flatten(1)
        assert torch.linalg.matrix_rank(change, rtol=1e-3) == 2
        key = name.replace(".", "/")
        torch.testing.assert_close(adapted[f"{name}.bias"] - before[f"{name}.bias"], adapter.bias[key].detach())
    assert torch.equal(adapted["noise.0.weight"], before["noise.0.weight"])


def test_gradients_flow_to_the_changes_alone(network: DenoisingUNet) -> None:
    adapter = Adapter.of(network.requires_grad_(False), rank=2)
    x = torch.rand(1, 3, 16, 16)
    torch.func.functional_call(network, adapter.changed(network), (x, 0.1)).sum().backward()
    assert all(parameter.grad is not None for parameter in adapter.up.values())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_it_comes_back_from_its_state(network: DenoisingUNet) -> None:
    adapter = Adapter.of(network, rank=3)
    again = Adapter.from_state_dict(adapter.state_dict(), adapter.settings)
    assert all(torch.equal(a, b) for a, b in zip(adapter.parameters(), again.parameters(), strict=True))
    with pytest.raises(WeightsError, match="not the weights of an adapter"):
        Adapter.from_state_dict(adapter.state_dict(), adapter.settings | {"rank": 2})


def test_one_that_was_made_for_another_network_is_refused(network: DenoisingUNet) -> None:
    with pytest.raises(WeightsError, match=r"an adapter changes head, which the network does not have as it expects"):
        Adapter.of(network).changed(DenoisingUNet((8, 8), blocks=1))
