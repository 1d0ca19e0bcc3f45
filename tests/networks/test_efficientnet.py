"""What sees pictures for the colorizer."""

import pytest
import torch
import torch.nn.functional as F

from bigprior.errors import WeightsError
from bigprior.networks.efficientnet import EfficientNetLite


def test_features_halve_at_every_scale() -> None:
    network = EfficientNetLite(13)
    assert network.taps == (0, 2, 4, 10, 12) and network.channels == (16, 24, 40, 112, 192)
    with torch.no_grad():
        features = network(torch.rand(1, 3, 64, 96))
    assert [x.shape[2:] for x in features] == [(32 >> i, 48 >> i) for i in range(5)]
    assert [x.shape[1] for x in features] == list(network.channels)


def test_released_weights_have_their_normalisation_in_them() -> None:
    network, rng = EfficientNetLite(1), torch.Generator().manual_seed(0)
    state = {}
    for layer, norm, shape in (
        ("_conv_stem", "_bn0", (32, 3, 3, 3)),
        ("_blocks.0._depthwise_conv", "_blocks.0._bn1", (32, 1, 3, 3)),
        ("_blocks.0._project_conv", "_blocks.0._bn2", (16, 32, 1, 1)),
    ):
        state[f"{layer}.weight"] = torch.randn(shape, generator=rng)
        for what in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{what}"] = 0.5 + torch.rand(shape[0], generator=rng)
    network.load_released(state)

    def layer_of(x: torch.Tensor, name: str, norm: str, **how: int) -> torch.Tensor:
        x = F.conv2d(x, state[f"{name}.weight"], **how)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{norm}.{what}"] for what in names), eps=1e-3)

    image = torch.rand(1, 3, 8, 8, generator=rng)
    # TensorFlow's padding of even sides for a stride of two: nothing before, one after.
    x = layer_of(F.pad(2 * image - 1, (0, 1, 0, 1)), "_conv_stem", "_bn0", stride=2)
    x = layer_of(F.relu6(x), "_blocks.0._depthwise_conv", "_blocks.0._bn1", padding=1, groups=32)
    x = layer_of(F.relu6(x), "_blocks.0._project_conv", "_blocks.0._bn2")
    with torch.no_grad():
        torch.testing.assert_close(network(image)[0], x, atol=1e-4, rtol=1e-4)


def test_other_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match="not the weights of an EfficientNet-Lite0"):
        EfficientNetLite(1).load_released({"a": torch.zeros(1)})
