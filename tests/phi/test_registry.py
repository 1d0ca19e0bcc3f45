"""Every registered phi network, in every frame that it is for."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Denoising
from bigprior.frames import FRAMES, Bands, Frame, frame
from bigprior.fusion import centre, fuse_in_frame, variance
from bigprior.io.weights import save_weights
from bigprior.phi import PHI_NETWORKS, PhiNetwork, phi_network
from bigprior.presets.loading import load_phi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer


def frames_of(kind: str) -> list[str]:
    """The frames that a kind of network can be made for."""
    network = phi_network(kind)
    return sorted(FRAMES) if "frame" in network.settings else [network.frame]


every = pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in sorted(PHI_NETWORKS) for name in frames_of(kind)]
)


def made(kind: str, name: str) -> PhiNetwork:
    """A network whose weights are far from what it starts as, so that all that it looks at matters."""
    torch.manual_seed(7)
    settings = {"frame": name} if "frame" in phi_network(kind).settings else {}
    network = phi_network(kind, **settings).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(1.5).add_(0.02 * torch.randn_like(parameter))
    return network


def ask(network: PhiNetwork, fidelity: Tensor, prior: Tensor, rho: float = 1e-3, like: Tensor | None = None) -> Bands:
    """``phi``, with the mean and the variance of the prior's picture, or of another."""
    whole = prior if like is None else like
    phi: Bands = network(fidelity, prior, frame(network.frame), mean=centre(whole), weight=rho / variance(whole))
    return phi


@every
def test_it_says_what_it_is(kind: str, name: str) -> None:
    network = made(kind, name)
    assert isinstance(network, PhiNetwork)
    assert network.kind == kind and PHI_NETWORKS[kind] is type(network)
    assert network.frame == name and name in FRAMES
    assert network.receptive_radius >= 0 and network.rho >= 0


@every
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 50), (64, 64), (37, 70)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_share_for_each_coefficient_or_for_each_place(
    kind: str, name: str, batch: int, height: int, width: int
) -> None:
    network, (y, prior) = made(kind, name), torch.rand(2, batch, 3, height, width)
    phi, coefficients, described = ask(network, y, prior), frame(name).analyse(prior), frame(name).bands
    assert len(phi) == len(coefficients) == len(described)
    for share, band, what in zip(phi, coefficients, described, strict=True):
        assert share.dtype == torch.float32
        assert tuple(share.shape) in {(batch, channels, *band.shape[2:]) for channels in (1, what.channels)}
        assert 0 <= float(share.min()) <= float(share.max()) <= 1


@every
@pytest.mark.parametrize("value", [0.0, 1.0, 7.0, -1e30, 3e38])
def test_whatever_comes_in_a_share_comes_out(kind: str, name: str, value: float) -> None:
    y = torch.full((1, 3, 20, 9), value)
    for pair in ((y, torch.rand_like(y)), (torch.rand_like(y), y), (y, y)):
        for share in ask(made(kind, name), *pair):
            assert share.isfinite().all() and 0 <= float(share.min()) <= float(share.max()) <= 1


@every
def test_a_picture_does_not_depend_on_its_neighbours(kind: str, name: str) -> None:
    network, (y, prior) = made(kind, name), torch.rand(2, 3, 3, 20, 33)
    for whole, *alone in zip(
        ask(network, y, prior), *(ask(network, y[i : i + 1], prior[i : i + 1]) for i in range(3)), strict=True
    ):
        torch.testing.assert_close(whole, torch.cat(alone), atol=1e-5, rtol=0)


@every
def test_it_looks_no_farther_than_it_says(kind: str, name: str) -> None:
    network, described = made(kind, name), frame(name).bands
    coarsest = max(band.step for band in described)
    extra = max(band.side for band in described) - coarsest  # of the frame's own squares, where they overlap
    radius = extra + -(-network.receptive_radius // coarsest) * coarsest
    y, prior = torch.rand(2, 1, 3, 2 * coarsest, radius + 2 * coarsest)
    far = y.clone(), prior.clone()
    for picture in far:
        picture[..., radius + coarsest :] = 0.2
    # Mean and variance are those of the whole picture, whatever a window shows.
    pairs = zip(ask(network, y, prior, like=prior), ask(network, *far, like=prior), described, strict=True)
    for one, other, band in pairs:
        seen = coarsest // band.step
        torch.testing.assert_close(one[..., :seen], other[..., :seen], atol=1e-6, rtol=0)


@every
def test_a_window_has_the_phi_of_the_picture(kind: str, name: str) -> None:
    network, (y, prior) = made(kind, name), torch.rand(2, 1, 3, 90, 120)
    whole, tiled = (fuse_in_frame(network, y, prior, tile=tile) for tile in (1024, 64))
    for one, other in zip(whole.bands, tiled.bands, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


@every
def test_only_a_network_with_a_knob_looks_at_the_weight(kind: str, name: str) -> None:
    network, (y, prior) = made(kind, name), torch.rand(2, 1, 3, 64, 64)
    little, much = (torch.cat([share.flatten() for share in ask(network, y, prior, rho=rho)]) for rho in (1e-6, 1e-1))
    assert network.has_knob != torch.equal(little, much)
    if network.has_knob:
        assert float(much.mean()) < float(little.mean())  # more of the measurement
    else:
        assert network.rho == 0.0


@every
def test_it_is_written_and_read_again(kind: str, name: str, tmp_path: Path) -> None:
    network = made(kind, name)
    save_weights(tmp_path / "phi.safetensors", network.state_dict(), {"kind": kind, "network": network.settings})
    again = load_phi(tmp_path / "phi.safetensors")
    assert (again.kind, again.frame, again.settings, again.rho) == (kind, name, network.settings, network.rho)
    assert not again.training and not any(parameter.requires_grad for parameter in again.parameters())
    y, prior = torch.rand(2, 1, 3, 20, 24)
    for one, other in zip(ask(again, y, prior), ask(network, y, prior), strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)  # weights are kept in half precision


def test_the_kind_that_a_task_names_can_weigh_its_frame(any_task: str) -> None:
    physics = DEGRADATIONS[any_task]
    assert physics.frame in frames_of(physics.phi)


def test_a_network_of_ones_own_weighs_like_any_other() -> None:
    @PHI_NETWORKS.register("nearness")
    class Nearness(PhiNetwork):
        """The prior where both agree, the measurement where they do not."""

        kind = "nearness"

        def __init__(self, scale: float = 1.0) -> None:
            super().__init__("luminance", 0, {"scale": scale})
            self.scale = scale

        def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
            pairs = zip(frame.analyse(fidelity), frame.analyse(prior), strict=True)
            return [torch.exp(-self.scale * (f - p).square().sum(1, keepdim=True)) for f, p in pairs]

    try:
        network = phi_network("nearness", scale=4.0)
        y, prior = torch.rand(2, 1, 3, 9, 11)
        result = Restorer(PrecomputedPrior(prior), network).restore(y, Denoising(0.1))
        assert result.provenance["frame"] == "luminance" and len(result.bands) == 2
        assert torch.equal(result.restored, result.measured + result.hallucinated)
        same = Restorer(PrecomputedPrior(y), network).restore(y, Denoising(0.1))
        assert same.mean_phi == 1
    finally:
        PHI_NETWORKS.remove("nearness")
