"""Winograd's convolutions, against torch's."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

from bigprior.networks.generators import PGGAN
from bigprior.ops import winograd


@pytest.mark.parametrize(("n", "c_in", "c_out", "h", "w"), [(1, 5, 7, 4, 4), (3, 8, 4, 8, 16)])
def test_it_is_the_convolution_and_its_gradient(n: int, c_in: int, c_out: int, h: int, w: int) -> None:
    x = torch.randn(n, c_in, h, w, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(c_out, c_in, 3, 3, dtype=torch.float64, requires_grad=True)
    ours, theirs = winograd.convolve(x, winograd.prepared(weight)), F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(ours, theirs)
    toward = torch.randn_like(theirs)
    for a, b in zip(*(torch.autograd.grad(y, (x, weight), toward) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_have_gradients() -> None:
    x = torch.randn(1, 2, 4, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, weight: winograd.convolve(x, winograd.prepared(weight)), (x, weight))


def test_single_precision_is_enough() -> None:
    x, weight = torch.randn(1, 256, 16, 16), torch.randn(256, 256, 3, 3) / 48
    torch.testing.assert_close(
        winograd.convolve(x, winograd.prepared(weight)), F.conv2d(x, weight, padding=1), atol=2e-4, rtol=0
    )


def test_a_wide_generator_uses_it_where_its_weights_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, calls, plain = PGGAN(8, z_dim=8, fmap_max=128), list[torch.Size](), winograd.convolve

    def convolve(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        calls.append(x.shape)
        return plain(x, kernel)

    monkeypatch.setattr(winograd, "convolve", convolve)
    z = torch.randn(2, 8, requires_grad=True)
    trained = generator(z)
    (wanted,) = torch.autograd.grad(trained.sum(), z)
    assert not calls
    generator.requires_grad_(False)
    torch.testing.assert_close(generator(z), trained, atol=1e-4, rtol=0)
    assert [shape[2] for shape in calls] == [4, 8]
    torch.testing.assert_close(torch.autograd.grad(generator(z).sum(), z)[0], wanted, atol=1e-3, rtol=0)
    generator.layer1.conv["weight"].neg_()  # weights that were changed are prepared again
    assert not torch.allclose(generator(z), trained, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        generator(z)
    assert len(calls) == 6


def test_a_layer_of_it_is_a_convolution_at_any_size_and_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, calls, plain = winograd.Conv3x3(64, 96), list[torch.Size](), winograd.convolve

    def convolve(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        calls.append(x.shape)
        return plain(x, kernel)

    monkeypatch.setattr(winograd, "convolve", convolve)
    for shape, used in (((2, 64, 16, 20), 1), ((1, 64, 17, 16), 0), ((1, 64, 8, 8), 0)):
        x, before = torch.randn(shape), len(calls)
        torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1), atol=1e-4, rtol=0)
        assert len(calls) - before == used
    pair = torch.randn(2, 64, 16, 16)
    torch.testing.assert_close(layer(pair)[:1], layer(pair[:1]), atol=1e-6, rtol=0)


def test_a_frozen_kernel_is_transformed_once_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    made, plain = list[torch.Tensor](), winograd.prepared

    def prepared(weight: torch.Tensor) -> torch.Tensor:
        made.append(weight)
        return plain(weight)

    monkeypatch.setattr(winograd, "prepared", prepared)
    layer, x = winograd.Conv3x3(64, 64), torch.randn(1, 64, 16, 16)
    for times in (1, 2):  # a weight that learns is transformed every time, with its gradient
        layer(x)
        assert len(made) == times
    layer.requires_grad_(False)
    first = layer(x)
    assert torch.equal(layer(x), first) and len(made) == 3
    copy = deepcopy(layer)
    layer.weight.mul_(2)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1), atol=1e-4, rtol=0)
    assert torch.equal(copy(x), first)
