"""Winograd's convolutions, against torch's."""

import pytest
import torch
import torch.nn.functional as F

from bigprior.generators import PGGAN, winograd


@pytest.mark.parametrize(("n", "c_in", "c_out", "h", "w"), [(1, 5, 7, 4, 4), (3, 8, 4, 8, 16)])
def test_it_is_the_convolution_and_its_gradient(n: int, c_in: int, c_out: int, h: int, w: int) -> None:
    x = torch.randn(n, c_in, h, w, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(c_out, c_in, 3, 3, dtype=torch.float64)
    ours, theirs = winograd.convolve(x, winograd.prepared(weight)), F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(ours, theirs)
    toward = torch.randn_like(theirs)
    gradients = [torch.autograd.grad(y, x, toward)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_single_precision_is_enough() -> None:
    x, weight = torch.randn(1, 256, 16, 16), torch.randn(256, 256, 3, 3) / 48
    torch.testing.assert_close(
        winograd.convolve(x, winograd.prepared(weight)), F.conv2d(x, weight, padding=1), atol=2e-4, rtol=0
    )


def test_a_wide_generator_uses_it_where_its_weights_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, calls, plain = PGGAN(8, z_dim=8, fmap_max=128), list[torch.Size](), winograd.convolve

    def convolve(x: torch.Tensor, kernels: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        calls.append(x.shape)
        return plain(x, kernels)

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
