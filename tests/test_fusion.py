"""The fusion of Eq. 5, and every registered network that predicts its weight."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bigprior.errors import UnknownNameError
from bigprior.frames import FRAMES, Bands, Frame, frame
from bigprior.fusion import centre, fuse, fuse_in_frame, fuse_pixels, terms, variance
from bigprior.phi import PHI_NETWORKS, BandPhi, ConstantPhi, DnCNNPhi, MeansPhi, PhiNetwork, UNetPhi, phi_network

every = pytest.mark.parametrize("kind", sorted(PHI_NETWORKS))


def made(kind: str) -> PhiNetwork:
    torch.manual_seed(7)
    return phi_network(kind).eval()


def bands(network: PhiNetwork, y: Tensor, prior: Tensor, rho: float = 1e-3) -> Bands:
    """``phi`` of any network, band by band."""
    phi: Bands = network(y, prior, frame(network.frame), mean=centre(prior), weight=rho / variance(prior))
    return phi


def pixels(network: PhiNetwork, y: Tensor, prior: Tensor) -> Tensor:
    """``phi`` of a network of pixels."""
    (phi,) = bands(network, y, prior)
    return phi


# fuse


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 3]),
    scale=st.sampled_from([1e-44, 1e-38, 1.0, 1e30, 3e38]),
    seed=st.integers(0, 2**31),
)
def test_the_ends_of_phi_are_the_two_pictures_bit_for_bit(
    height: int, width: int, channels: int, scale: float, seed: int
) -> None:
    rng = torch.Generator().manual_seed(seed)
    fidelity, prior = (torch.rand(2, 2, 3, height, width, generator=rng) * 2 - 1).mul(scale)
    phi = torch.zeros(2, channels, height, width)
    assert torch.equal(fuse(fidelity, prior, phi), fidelity)
    assert torch.equal(fuse(fidelity, prior, phi + 1), prior)


def test_between_the_ends_it_is_equation_5() -> None:
    fidelity, prior, phi = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    torch.testing.assert_close(fuse(fidelity, prior, phi), torch.lerp(fidelity, prior, phi.expand(-1, 3, -1, -1)))


@given(phi=st.floats(0, 1, width=32), a=st.floats(0, 1, width=32), b=st.floats(0, 1, width=32))
def test_a_share_in_0_to_1_never_leaves_the_two_pictures(phi: float, a: float, b: float) -> None:
    out = fuse(torch.full((1, 3, 1, 1), a), torch.full((1, 3, 1, 1), b), torch.full((1, 1, 1, 1), phi))
    assert out.min() >= min(a, b) - 1e-7
    assert out.max() <= max(a, b) + 1e-7


def test_both_terms_are_added_as_they_are() -> None:
    fidelity, prior, phi = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    measured, hallucinated = terms(fidelity, prior, phi)
    assert torch.equal(measured, (1 - phi) * fidelity) and torch.equal(hallucinated, phi * prior)
    assert torch.equal(measured + hallucinated, fuse(fidelity, prior, phi))


# Every network


@every
@settings(max_examples=8)
@given(height=st.integers(1, 20), width=st.integers(1, 20), batch=st.integers(1, 2))
@example(height=1, width=1, batch=1)
@example(height=1, width=19, batch=1)
def test_phi_is_a_share_of_each_coefficient_at_any_size(kind: str, height: int, width: int, batch: int) -> None:
    network, y = made(kind), torch.rand(batch, 3, height, width)
    coefficients = frame(network.frame).analyse(y)
    for phi, band in zip(bands(network, y, torch.rand_like(y)), coefficients, strict=True):
        assert phi.shape in [(batch, c, *band.shape[2:]) for c in (1, band.shape[1])]
        assert phi.min() >= 0
        assert phi.max() <= 1


@every
@pytest.mark.parametrize("fidelity", [0.0, 1e30, -1e30, 3e38, "noise"])
@pytest.mark.parametrize("prior", [0.5, 1e30, -3e38])
def test_phi_is_a_share_whatever_comes_in(kind: str, fidelity: float | str, prior: float) -> None:
    y = torch.randn(1, 3, 9, 10) * 1e20 if fidelity == "noise" else torch.full((1, 3, 9, 10), float(fidelity))
    for phi in bands(made(kind), y, torch.full((1, 3, 9, 10), prior)):
        assert phi.isfinite().all()
        assert phi.min() >= 0
        assert phi.max() <= 1


@every
def test_a_network_is_built_again_from_its_settings(kind: str) -> None:
    network = made(kind)
    again = phi_network(kind, **network.settings)
    again.load_state_dict(network.state_dict())
    y, prior = torch.rand(2, 1, 3, 8, 8)
    for one, other in zip(bands(again.eval(), y, prior), bands(network, y, prior), strict=True):
        assert torch.equal(one, other)
    assert PHI_NETWORKS[kind].kind == kind


@every
def test_a_picture_does_not_depend_on_its_batch(kind: str) -> None:
    network = made(kind)
    y, prior = torch.rand(2, 3, 3, 12, 9)
    whole = fuse_in_frame(network, y, prior)
    alone = [fuse_in_frame(network, a[None], b[None]) for a, b in zip(y, prior, strict=True)]
    for name in ("measured", "hallucinated", "phi", "share"):
        parts = torch.cat([getattr(one, name) for one in alone])
        torch.testing.assert_close(getattr(whole, name), parts, atol=1e-5, rtol=0)


@every
@pytest.mark.parametrize(("height", "width", "tile"), [(140, 75, 64), (33, 140, 64), (5, 3, 64)])
def test_tiles_leave_no_seam(kind: str, height: int, width: int, tile: int) -> None:
    network = made(kind)
    for parameter in network.parameters():
        parameter.data.mul_(1.5).add_(0.02 * torch.randn_like(parameter))
    y, prior = torch.rand(2, 1, 3, height, width)
    whole, tiled = (fuse_in_frame(network, y, prior, tile=size) for size in (1024, tile))
    for name in ("measured", "hallucinated", "phi", "share"):
        torch.testing.assert_close(getattr(tiled, name), getattr(whole, name), atol=2e-5, rtol=0)
    for one, other in zip(tiled.bands, whole.bands, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


@pytest.mark.parametrize("widths", [(8,), (6, 8), (4, 6, 8), (4, 4, 6, 6)], ids=str)
@pytest.mark.parametrize("shuffle", [1, 2])
def test_tiles_leave_no_seam_however_deep_the_network(widths: tuple[int, ...], shuffle: int) -> None:
    torch.manual_seed(8)
    network = UNetPhi(widths, shuffle=shuffle).eval()
    for parameter in network.parameters():
        parameter.data.mul_(3)  # so that a seam would show
    y, prior = torch.rand(2, 1, 3, 200, 150)
    with torch.no_grad():
        whole = pixels(network, y, prior)
    assert whole.std() > 0.01
    torch.testing.assert_close(fuse_in_frame(network, y, prior, tile=64).phi, whole, atol=1e-5, rtol=0)


def test_tiling_asks_for_bounded_windows_and_no_gradient() -> None:
    sizes = []

    class Watching(PhiNetwork):
        def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
            sizes.append(tuple(fidelity.shape[2:]))
            torch.testing.assert_close(mean, y.mean(dim=(2, 3), keepdim=True))  # of the whole picture
            torch.testing.assert_close(weight, 0.1 / y.sub(mean).square().mean(dim=(1, 2, 3)))
            return [fidelity[:, :1]]

    y = torch.rand(1, 3, 100, 90, requires_grad=True)
    phi = fuse_in_frame(Watching("pixel", 8, {}), y, y, rho=0.1, tile=32).phi
    assert torch.equal(phi, y[:, :1])
    assert not phi.requires_grad
    assert len(sizes) == 4 * 3
    assert max(max(s) for s in sizes) == 32 + 2 * 8


# Fusion in a frame


any_frame = pytest.mark.parametrize("name", sorted(FRAMES))


@any_frame
@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (70, 33)])
def test_the_ends_of_phi_are_the_two_pictures_in_any_frame(name: str, height: int, width: int) -> None:
    y, prior = torch.rand(2, 2, 3, height, width)
    for share, picture in ((0.0, y), (1.0, prior)):
        fused = fuse_in_frame(ConstantPhi(share, name), y, prior)
        torch.testing.assert_close(fused.measured + fused.hallucinated, picture, atol=1e-6, rtol=0)
        torch.testing.assert_close(fused.share, torch.full((2,), share) if height > 1 else fused.share)
        assert all((band == share).all() for band in fused.bands)
        if name == "pixel":
            assert torch.equal(fused.measured + fused.hallucinated, picture)


@any_frame
def test_one_share_for_all_is_the_same_picture_in_every_frame(name: str) -> None:
    y, prior = torch.rand(2, 1, 3, 20, 30)
    fused = fuse_in_frame(ConstantPhi(0.3, name), y, prior)
    torch.testing.assert_close(fused.measured, 0.7 * y, atol=1e-6, rtol=0)
    torch.testing.assert_close(fused.hallucinated, 0.3 * prior, atol=1e-6, rtol=0)
    torch.testing.assert_close(fused.phi, torch.full_like(fused.phi, 0.3))
    torch.testing.assert_close(fused.share, torch.tensor([0.3]))


def test_the_share_is_what_the_bands_say() -> None:
    torch.manual_seed(3)
    y, prior = torch.rand(2, 1, 3, 64, 128)
    w, network = frame("wavelet"), BandPhi("wavelet", rho=0.1)
    fused = fuse_in_frame(network, y, prior)
    restored = fused.measured + fused.hallucinated
    c = w.analyse(restored - restored.mean(dim=(2, 3), keepdim=True))
    hallucinated = sum(float((p * b.square()).sum()) for p, b in zip(fused.bands, c, strict=True))
    assert fused.share.item() == pytest.approx(hallucinated / sum(float(b.square().sum()) for b in c), rel=1e-4)
    assert 0.01 < fused.share.item() < 0.99
    assert fused.phi.shape == (1, 1, 64, 128)
    assert 0 <= fused.phi.min() < fused.phi.max() <= 1


def test_overlapping_squares_leave_no_blocks_in_the_map_and_no_strips_at_its_edges() -> None:
    """A picture moved by a pixel has the map moved by a pixel; texture at the edge is judged as texture inside."""
    rng = torch.Generator().manual_seed(4)
    texture = 0.5 + 0.2 * torch.randn(1, 3, 150, 171, generator=rng)
    noisy = texture + 0.1 * torch.randn(texture.shape, generator=rng)
    network, size = MeansPhi(rho=1e-4), (128, 149)
    maps = [
        fuse_in_frame(
            network, noisy[..., i : i + size[0], i : i + size[1]], texture[..., i : i + size[0], i : i + size[1]]
        )
        for i in (0, 1)
    ]
    one, other = (fused.phi[0, 0] for fused in maps)
    middle = slice(50, -50)
    torch.testing.assert_close(one[1:, 1:][middle, middle], other[:-1, :-1][middle, middle], atol=2e-3, rtol=0)
    for edge in (one[-1], one[0], one[:, -1], one[:, 0]):
        assert float(edge.mean()) == pytest.approx(float(one.mean()), abs=0.03)


def test_a_weight_counts_for_more_where_there_is_less_noise() -> None:
    network, sigma = MeansPhi(rho=1e-4, rho_at=40 / 255), torch.tensor([80.0, 40.0, 30.0, 20.0, 5.0, 0.0]) / 255
    counted = network.asked(None, sigma)
    assert counted / 1e-4 == pytest.approx([1 / 4, 1, 16 / 9, 4, 4, 4])
    assert network.asked(1e-3, sigma) == pytest.approx((10 * counted).tolist()) and network.asked(1e-3, None) == 1e-3
    assert MeansPhi(rho=1e-4).asked(None, sigma) == 1e-4 and BandPhi(rho=1e-4).asked(None, sigma) == 1e-4
    y, prior = torch.rand(2, 2, 3, 32, 32)
    both = fuse_in_frame(network, y, prior, rho=torch.tensor([1e-4, 3e-4]))
    for i, weight in enumerate((1e-4, 3e-4)):
        alone = fuse_in_frame(network, y[i : i + 1], prior[i : i + 1], rho=weight)
        torch.testing.assert_close(both.measured[i : i + 1], alone.measured)


def test_squares_that_the_edge_cuts_are_judged_like_others() -> None:
    # As much signal as noise in every pixel, and so in every square, whatever its part in the picture.
    y, prior = torch.randn(2, 20, 3, 320, 328, generator=torch.Generator().manual_seed(7)) / 10
    coarse = fuse_in_frame(BandPhi("wavelet", rho=0.02), y, y + prior).bands[-1].mean(dim=(0, 1, 2))
    assert coarse[5] == pytest.approx(float(coarse[:5].mean()), abs=0.05)
    assert 0.2 < float(coarse[:5].mean()) < 0.8


def test_pictures_much_smaller_than_the_squares_are_fused() -> None:
    y, prior = torch.rand(2, 1, 3, 5, 3)
    fused = fuse_in_frame(BandPhi("wavelet"), y, prior)
    assert all(band.isfinite().all() and band.min() >= 0 and band.max() <= 1 for band in fused.bands)
    assert fused.measured.isfinite().all()


@pytest.mark.parametrize("kind", ["luminance", "pixel", "wavelet"])
def test_more_weight_takes_more_from_the_measurement(kind: str) -> None:
    rng = torch.Generator().manual_seed(5)
    prior = torch.rand(1, 3, 64, 64, generator=rng).cumsum(3) / 64
    y = prior + 0.1 * torch.randn(prior.shape, generator=rng)
    shares = [fuse_in_frame(BandPhi(kind), y, prior, rho=rho).share.item() for rho in (0, 1e-5, 1e-3, 1e-1)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.9 and shares[-1] < 0.5


def test_of_a_grey_picture_all_colour_is_made_up() -> None:
    # Nearly grey, and coloured like its mean: contrast from the mean colour would be nothing beside the difference.
    grey = torch.rand(1, 3, 16, 16).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    prior = grey + 0.02 * torch.rand(1, 3, 1, 1) + 0.2 * torch.rand(1, 3, 16, 16) * (torch.rand(16) > 0.8)
    fused = fuse_in_frame(BandPhi("luminance", rho=1e-6), grey, prior, measured=["luminance"])
    assert float(fused.bands[1].min()) > 0.999
    assert float(fuse_in_frame(BandPhi("luminance", rho=1.0), grey, prior, measured=["luminance"]).bands[1].min()) < 0.5


def test_bands_that_are_measured_are_not_asked_for() -> None:
    y, prior = torch.rand(2, 1, 3, 8, 8)
    fused = fuse_in_frame(ConstantPhi(1.0, "luminance"), y, prior, measured=["luminance"])
    assert [float(band.mean()) for band in fused.bands] == [0, 1]
    w = frame("luminance").parts
    luminance, offset = w.analyse(fused.measured + fused.hallucinated)
    torch.testing.assert_close(luminance, w.analyse(y)[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(offset, w.analyse(prior)[1], atol=1e-6, rtol=0)


def test_brightness_is_measured_and_colour_made_up_and_grey_has_none() -> None:
    grey = (0.4 + 0.2 * torch.rand(1, 1, 16, 16)).expand(-1, 3, -1, -1).contiguous()
    tint = torch.tensor([0.3, -0.1, -0.25]).view(1, 3, 1, 1) * torch.linspace(0, 0.5, 16)
    for phi in (0.3, 1.0):
        fused = fuse_in_frame(ConstantPhi(phi, "luminance"), grey, grey + tint, measured=["luminance"])
        assert torch.equal(fused.measured, grey)  # and so looks grey, not green
        assert [float(fused.kinds[kind]) for kind in ("luminance", "chrominance")] == [0, 1]
        across = fused.phi[0, 0].mean(dim=0)  # the map follows how strong the colour is
        assert across[0] == 0 and torch.corrcoef(torch.stack([across, torch.linspace(0, 1, 16)]))[0, 1] > 0.95
    shade = torch.linspace(0.1, 1, 16).view(16, 1)
    dark = fuse_in_frame(ConstantPhi(1.0, "luminance"), shade * grey, shade * (grey + tint), measured=["luminance"])
    assert (dark.phi[0, 0, :, 8].diff() > 0).all()  # and in the dark hardly any colour is to be seen
    none = fuse_in_frame(ConstantPhi(1.0, "luminance"), grey, grey, measured=["luminance"])
    assert float(none.share) == float(none.phi.max()) == float(none.kinds["chrominance"]) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_known_phi_fuses_like_equation_5(channels: int) -> None:
    y, prior, phi = torch.rand(1, 3, 6, 7), torch.rand(1, 3, 6, 7), torch.rand(1, channels, 6, 7)
    fused = fuse_pixels(y, prior, phi)
    assert torch.equal(fused.measured + fused.hallucinated, fuse(y, prior, phi))
    assert torch.equal(fused.phi, phi)
    assert fused.frame == "pixel"


def test_an_unknown_kind_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=", ".join(sorted(PHI_NETWORKS))):
        phi_network("vit")


# Each network


def test_the_unet_judges_the_prior() -> None:
    network, y = made("unet"), torch.rand(1, 3, 8, 8)
    assert not torch.equal(pixels(network, y, y), pixels(network, y, 1 - y))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shuffle", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (1, 1), (7, 13)])
def test_a_share_a_pixel_or_a_share_a_colour(channels: int, shuffle: int, height: int, width: int) -> None:
    network = UNetPhi((4, 4), channels, shuffle)
    assert pixels(network, *torch.rand(2, 1, 3, height, width)).shape == (1, channels, height, width)
    again = phi_network("unet", **network.settings)
    again.load_state_dict(network.state_dict())


@pytest.mark.parametrize("channels_in", [1, 3])
def test_the_papers_network_is_17_layers_of_dncnn(channels_in: int) -> None:
    network = DnCNNPhi(channels_in, bounded=False).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 2)
    state = network.state_dict()
    y, prior = torch.rand(2, 1, 3, 10, 11)
    x = start = y[:, :channels_in] - 0.5
    convolutions = 0
    for i in range(48):  # 0: convolution, 1: ReLU, then 15 triples, then the last convolution
        name = f"dncnn.{i}"
        if f"{name}.running_mean" in state:
            mean, var, gain, bias = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
            x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt() * gain[:, None, None] + bias[
                :, None, None
            ]
        elif f"{name}.weight" in state:
            x, convolutions = F.conv2d(x, state[f"{name}.weight"], padding=1), convolutions + 1
        else:
            x = x.clamp_min(0)
    assert convolutions == 17
    with torch.no_grad():
        phi = pixels(network, y, prior)
        torch.testing.assert_close(phi, start - x, atol=1e-5, rtol=1e-4)
        assert torch.equal(phi, pixels(network, y, 1 - prior))
        network.bounded = True
        torch.testing.assert_close(pixels(network, y, prior), torch.sigmoid(phi))


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_one_share_for_all(value: float) -> None:
    assert torch.equal(
        fuse_in_frame(ConstantPhi(value), *torch.rand(2, 2, 3, 4, 5)).phi, torch.full((2, 3, 4, 5), value)
    )


def test_a_share_near_one_still_learns_in_half_precision() -> None:
    network = UNetPhi((4, 8))
    with torch.no_grad():
        network.head.bias.fill_(9.0)
    with torch.autocast("cpu", torch.bfloat16):
        phi = pixels(network, torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))
    assert phi.dtype == torch.float32 and phi.max().item() < 1
    phi.sum().backward()
    assert network.head.bias.grad.abs().sum().item() > 0


@every
def test_what_is_lost_is_made_up_whatever_was_measured_there(kind: str) -> None:
    network = made(kind)
    prior, lost = torch.rand(2, 3, 40, 37), (torch.rand(2, 1, 40, 37) < 0.1).float()
    y = prior + 0.05 * torch.randn_like(prior)
    one, other = (
        fuse_in_frame(network, torch.where(lost > 0, value, y), prior, rho=1e-3, lost=lost) for value in (0.0, 9.0)
    )
    assert all(torch.equal(getattr(one, part), getattr(other, part)) for part in ("measured", "hallucinated", "phi"))
    assert (one.phi[lost.expand_as(one.phi) > 0] == 1).all()
    assert (one.measured[lost.expand_as(y) > 0] == 0).all()
    whole = fuse_in_frame(network, y, prior, rho=1e-3)
    nothing = fuse_in_frame(network, y, prior, rho=1e-3, lost=torch.zeros_like(lost))
    torch.testing.assert_close(nothing.measured, whole.measured)


def test_a_coefficient_is_made_up_as_far_as_its_square_is_lost() -> None:
    network = phi_network("bands", frame="wavelet").eval()
    lost = torch.zeros(1, 1, 64, 64)
    lost[:, :, :2, :2] = lost[:, :, 8:12, 8:16] = 1
    x = torch.rand(1, 3, 64, 64)
    fused = fuse_in_frame(network, x, x, rho=1e3, lost=lost)  # all is taken from the measurement, were nothing lost
    assert fused.bands[0][0, 0, 0, 0] == 1 and fused.bands[0][0, 0, 0, 1] < 0.01
    assert fused.bands[3][0, 0, 0, 0] == pytest.approx((4 + 32) / 256, abs=0.01)


def test_a_network_weighs_on_the_scale_that_it_knows() -> None:
    network = made("bands")
    y, prior = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    usual = fuse_in_frame(network, y, prior, rho=1e-3)
    dark = fuse_in_frame(network, y / 50, prior / 50, rho=1e-3, seen=(y, prior))
    torch.testing.assert_close(dark.measured, usual.measured / 50)
    assert all(torch.equal(a, b) for a, b in zip(dark.bands, usual.bands, strict=True))
