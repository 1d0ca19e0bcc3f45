"""The paper's equation, for every task; as a deepinv model, of deepinv's physics too."""

import warnings

import deepinv as dinv
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from bigprior.degradations import DEGRADATIONS, Denoising, Inpainting, Measurement
from bigprior.degradations.flaws import Flaws
from bigprior.errors import ImageError, MaskError, SettingsError
from bigprior.frames import Bands, Frame
from bigprior.fusion import fuse
from bigprior.networks.colorizer import ColorizationNetwork
from bigprior.networks.denoising_unet import DenoisingUNet
from bigprior.networks.encoder import CodeEncoder
from bigprior.networks.generators import PGGAN
from bigprior.ops.colour import is_grey, to_linear
from bigprior.phi import BandPhi, ConstantPhi, PhiNetwork, UNetPhi
from bigprior.priors.anysize import AnySize
from bigprior.priors.base import Projection
from bigprior.priors.compose import Blend
from bigprior.priors.diffusion import DiffusionPrior, DiffusionSettings
from bigprior.priors.feedforward import FeedForwardPrior
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restorer import Restorer


@pytest.fixture
def restorer(tiny_generator: PGGAN) -> Restorer:
    torch.manual_seed(12)
    prior = AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, steps=3)), 16)
    return Restorer(prior, UNetPhi((4, 6)), provenance={"preset": "tiny"})


@pytest.mark.parametrize(("height", "width"), [(16, 16), (21, 35)])
def test_the_restored_picture_is_the_fusion_of_its_parts_exactly(
    restorer: Restorer, any_task: str, height: int, width: int, measure
) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 2, height, width)
    r = restorer.restore(y, physics, seed=3)
    assert torch.equal(r.restored, fuse(r.fidelity, r.prior, r.phi))
    assert torch.equal(r.restored, r.measured + r.hallucinated)
    assert torch.equal(r.fidelity, physics.g_inv(y))
    assert torch.equal(r.measurement, y)
    assert torch.equal(physics.g(r.fidelity), y)
    assert r.restored.shape == (2, 3, height, width)
    assert r.phi.shape == (2, 1, height, width)
    assert 0 <= r.phi.min() <= r.phi.max() <= 1
    assert r.mean_phi == pytest.approx(r.phi.double().mean().item())
    assert r.task == any_task
    assert not any(t.requires_grad for t in (r.restored, r.prior, r.phi))


def test_the_measurement_is_not_written_to(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 1, 20, 20)
    before = y.clone()
    restorer.restore(y, physics)
    assert torch.equal(y, before)


def test_no_share_of_the_prior_gives_the_measurement_and_all_of_it_the_prior(any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    _, physics = measure(any_task, 2)
    if isinstance(physics, Inpainting):
        physics = Inpainting()  # with a mask, the share is known
    y, prior = torch.rand(2, physics.channels, 16, 16), torch.rand(2, 3, 16, 16)
    assert torch.equal(Restorer(PrecomputedPrior(prior), ConstantPhi(0.0))(y, physics), physics.g_inv(y))
    assert torch.equal(Restorer(PrecomputedPrior(prior), ConstantPhi(1.0))(y, physics), prior)


def test_a_known_mask_is_phi_and_no_network_is_asked() -> None:
    class Never(PhiNetwork):
        def forward(self, fidelity: Tensor, prior: Tensor, frame: Frame, *, mean: Tensor, weight: Tensor) -> Bands:
            raise AssertionError("phi is known")

    never = Never("pixel", 0, {})
    mask = (torch.rand(2, 1, 9, 9) > 0.5).float()
    prior = torch.rand(2, 3, 9, 9)
    y = Inpainting(mask).f(torch.rand(2, 3, 9, 9))
    r = Restorer(PrecomputedPrior(prior), never).restore(y, Inpainting(mask))
    assert torch.equal(r.phi, 1 - mask)
    assert torch.equal(r.restored, torch.where(mask.bool().expand_as(y), y, prior))
    # A network for another task is no reason to refuse, either.
    r = Restorer(PrecomputedPrior(prior), {"denoising": never}).restore(y, Inpainting(mask))
    assert torch.equal(r.phi, 1 - mask)


def test_it_is_a_deepinv_reconstructor(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 1, 18, 17)
    assert isinstance(restorer, dinv.models.Reconstructor)
    assert torch.equal(restorer(y, physics, seed=5), restorer.restore(y, physics, seed=5).restored)
    assert not torch.equal(restorer(y, physics, seed=6), restorer(y, physics, seed=5))


def test_deepinv_measures_and_scores_it(restorer: Restorer) -> None:
    x, physics = torch.rand(1, 3, 16, 16), Denoising(0.1)
    score = dinv.metric.PSNR()(restorer(physics(x), physics), x)
    assert 5 < float(score) < 60


def test_a_network_for_each_task(our_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    shares = {name: ConstantPhi((i + 1) / 10) for i, name in enumerate(sorted(DEGRADATIONS))}
    _, physics = measure(our_task, 1)
    physics = Inpainting() if isinstance(physics, Inpainting) else physics
    y = torch.rand(1, physics.channels, 8, 8)
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), dict(shares))
    assert restorer.restore(y, physics).mean_phi == pytest.approx(shares[our_task].value)


def test_what_moves_it_moves_its_prior(restorer: Restorer) -> None:
    assert restorer.to("meta") is restorer
    inner = restorer.prior.prior  # type: ignore[attr-defined]
    assert {p.device.type for p in inner.generator.parameters()} == {"meta"}
    Restorer(PrecomputedPrior(torch.rand(1, 3, 4, 4)), ConstantPhi()).to("meta")  # nothing to move


def test_a_task_without_a_network_is_told_the_ones_there_are(tiny_generator: PGGAN) -> None:
    calls: list[tuple[int, int]] = []
    restorer = Restorer(
        AnySize(GANPrior(tiny_generator, InversionSettings(steps=2)), 16), {"colorization": ConstantPhi()}
    )
    with pytest.raises(SettingsError, match="no phi network for denoising: this restorer has colorization"):
        restorer.restore(torch.rand(1, 3, 8, 8), Denoising(), progress=lambda *p: calls.append(p))
    assert not calls  # before any work


def test_networks_are_in_evaluation_and_part_of_the_module() -> None:
    network = UNetPhi((4, 6)).train()
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), network)
    assert not network.training
    assert "phi.head.weight" in restorer.state_dict()
    each = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), {"denoising": network, "inpainting": ConstantPhi()})
    assert "phi.denoising.head.weight" in each.state_dict()


def test_what_is_no_phi_network_is_refused_when_the_restorer_is_made() -> None:
    prior = PrecomputedPrior(torch.rand(1, 3, 8, 8))
    for wrong in (torch.nn.Conv2d(3, 1, 1), {"denoising": torch.nn.Conv2d(3, 1, 1)}):
        with pytest.raises(SettingsError, match="phi is a Conv2d: expected a PhiNetwork"):
            Restorer(prior, wrong)


def test_provenance_says_what_it_takes_to_make_it_again(restorer: Restorer) -> None:
    mask = torch.ones(1, 1, 16, 16)
    mask[..., 3:6, 4:9] = 0
    y = Inpainting(mask).f(torch.rand(1, 3, 16, 16))
    r = restorer.restore(y, Denoising(), seed=7)
    assert r.provenance == {"preset": "tiny", "task": "denoising", "seed": 7, "frame": "pixel"}
    told = restorer.restore(y, Denoising(0.2)).provenance
    assert (told["noise"], told["sigma"]) == ("told", [0.2])
    assert restorer.restore(y, Inpainting(mask)).provenance["mask"] == "given"
    assert restorer.restore(y, Inpainting()).provenance["mask"] == "found by phi"
    assert restorer.provenance == {"preset": "tiny"}


def test_a_grey_picture_stays_grey(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 2)
    if physics.channels == 1:
        assert not bool(is_grey(restorer.restore(y, physics).restored).any())  # colours are what was asked for
        return
    y[0] = y[0, :1]
    assert is_grey(restorer.restore(y, physics).restored).tolist() == [True, False]


def test_the_same_seed_gives_the_same(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 1, 20, 30)
    first = restorer.restore(y, physics, seed=1)
    torch.manual_seed(99)
    assert torch.equal(restorer.restore(y, physics, seed=1).restored, first.restored)


def test_what_is_no_measurement_is_refused(restorer: Restorer) -> None:
    with pytest.raises(ImageError, match="denoising takes"):
        restorer.restore(torch.rand(1, 1, 16, 16), Denoising())
    with pytest.raises(MaskError, match="mask is 4x4 but the image is 16x16"):
        restorer.restore(torch.rand(1, 3, 16, 16), Inpainting(torch.eye(4)[None, None]))


def test_progress_is_reported(restorer: Restorer) -> None:
    calls: list[tuple[int, int]] = []
    restorer.restore(torch.rand(1, 3, 16, 16), Denoising(), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (3, 3)


@pytest.mark.parametrize("form", ["numpy", "grey numpy", "pillow", "tensor of one picture"])
def test_one_picture_is_taken_in_any_form(restorer: Restorer, form: str) -> None:
    samples = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    samples = np.repeat(samples[..., :1], 3, axis=2) if form == "grey numpy" else samples
    y = torch.from_numpy(samples.transpose(2, 0, 1).copy())[None] / 255
    given = {
        "numpy": samples,
        "grey numpy": samples[..., 0],
        "pillow": Image.fromarray(samples),
        "tensor of one picture": y[0],
    }[form]
    assert restorer.restore(given, Denoising(0.1)) == restorer.restore(y, Denoising(0.1))


# deepinv's own physics


STOCK = {
    "colorization": lambda physics: dinv.physics.Decolorize(srf=(0.299, 0.587, 0.114)),
    "inpainting": lambda physics: dinv.physics.Inpainting((3, 18, 17), mask=physics.mask),
    "denoising": lambda physics: dinv.physics.Denoising(dinv.physics.GaussianNoise(0.1)),
}


def test_stock_physics_restores_as_ours_does_bit_for_bit(restorer: Restorer, our_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, ours = measure(our_task, 2, 18, 17)
    ours = Denoising(0.1) if ours.noisy else ours
    wanted = restorer.restore(y, ours, seed=3)
    assert restorer.restore(y, STOCK[our_task](ours), seed=3) == wanted
    assert torch.equal(restorer(y, STOCK[our_task](ours), seed=3), wanted.restored)


def test_a_physics_that_is_not_known_is_refused_before_any_work(restorer: Restorer) -> None:
    calls: list[tuple[int, int]] = []
    with pytest.raises(SettingsError, match="Physics is not linear"):
        restorer.restore(torch.rand(1, 3, 16, 16), dinv.physics.Physics(), progress=lambda *p: calls.append(p))
    assert not calls


def loader(physics: dinv.physics.Physics) -> DataLoader:  # type: ignore[type-arg]
    """Two batches of pictures and their measurements."""
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(9))
    torch.manual_seed(9)
    return DataLoader(TensorDataset(x, physics(x)), batch_size=2)


def test_deepinv_tests_it_with_its_physics_as_with_ours(restorer: Restorer) -> None:
    scores = []
    for physics in (dinv.physics.Denoising(dinv.physics.GaussianNoise(0.1)), Denoising(0.1)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what deepinv's trainer has to say of its own settings
            scores.append(
                dinv.test(restorer, loader(physics), physics, verbose=False, show_progress_bar=False, device="cpu")
            )
        del scores[-1]["runtime"]
    assert scores[0] == scores[1]
    assert 5 < scores[0]["PSNR"] < 60
    x, y = (torch.cat(parts) for parts in zip(*loader(physics), strict=True))
    assert scores[0]["PSNR"] == pytest.approx(float(dinv.metric.PSNR()(restorer(y, physics), x).mean()), abs=1e-3)


# Noise levels of each picture


@pytest.mark.parametrize("size", [(16, 16), (21, 35)])
@pytest.mark.parametrize("levels", [[0.05, 0.2, 0.4], [0.3, 0.0, 0.1]])
def test_known_levels_give_each_picture_what_it_gets_alone(
    restorer: Restorer, size: tuple[int, int], levels: list[float]
) -> None:
    network = BandPhi("wavelet")
    denoiser = DenoisingUNet((8, 12), blocks=1)
    y = torch.rand(3, 3, *size)
    for one in (restorer, Restorer(DiffusionPrior(denoiser, DiffusionSettings(precision="fp32")), network)):
        together = one.restore(y, Denoising(torch.tensor(levels)), seed=2)
        for i, level in enumerate(levels):
            alone = one.restore(y[i : i + 1], Denoising(level), seed=2)
            torch.testing.assert_close(together[i].restored, alone.restored, atol=1e-4, rtol=0)
            torch.testing.assert_close(together[i].share, alone.share, atol=1e-4, rtol=0)
            assert together[i].provenance["sigma"] == pytest.approx(alone.provenance["sigma"])
            assert together[i].provenance["noise"] == "told"


def test_a_picture_with_a_known_level_is_done_when_it_is_down_to_that(tiny_generator: PGGAN) -> None:
    settings = InversionSettings(codes=3, layer=2, steps=40, decay=False, code_every=1, precision="fp32")
    prior = GANPrior(tiny_generator, settings)
    with torch.no_grad():
        y = tiny_generator(torch.randn(1, 16)).clamp(0, 1).repeat(2, 1, 1, 1)
    m = Denoising(torch.tensor([0.25, 0.0])).measure(y)
    done, fitted = prior.project(m).image
    assert float((done - y[0]).square().mean()) <= 0.25**2
    assert float((fitted - y[1]).square().mean()) < float((done - y[0]).square().mean())


def test_another_number_of_levels_than_pictures_is_refused(restorer: Restorer) -> None:
    for physics in (
        Denoising(torch.tensor([0.1, 0.2])),
        dinv.physics.Denoising(dinv.physics.GaussianNoise(torch.tensor([0.1, 0.2]))),
    ):
        with pytest.raises(SettingsError, match="2 noise levels but 3 pictures: pass one for each"):
            restorer.restore(torch.rand(3, 3, 16, 16), physics)


# What it shows of itself


def test_it_shows_its_prior_and_its_phi(tiny_generator: PGGAN) -> None:
    encoder = CodeEncoder(16, 2, 2, 16, tiny_generator.channels_at(2), width=4, hidden=8)
    prior = AnySize(GANPrior(tiny_generator, InversionSettings(codes=2, layer=2, steps=3), encoder=encoder), 16)
    restorer = Restorer(prior, UNetPhi((4, 6)))
    shown = repr(restorer)
    for name in ("AnySize", "GANPrior", "PGGAN", "CodeEncoder", "UNetPhi"):
        assert name in shown
    state = restorer.state_dict()
    assert {f"prior.prior.generator.{k}" for k in tiny_generator.state_dict()} <= set(state)
    assert {f"prior.prior.encoder.{k}" for k in encoder.state_dict()} <= set(state)
    again = Restorer(prior, UNetPhi((4, 6)))
    again.load_state_dict(state)
    y = torch.rand(1, 3, 16, 16)
    assert torch.equal(again(y, Denoising(0.1)), restorer(y, Denoising(0.1)))


def test_it_shows_the_priors_that_a_prior_is_made_of() -> None:
    colours = FeedForwardPrior(ColorizationNetwork(8, 12))
    denoiser = DenoisingUNet((8, 12), blocks=1)
    restorer = Restorer(Blend(DiffusionPrior(denoiser), colours), ConstantPhi())
    for name in ("Blend", "DiffusionPrior", "DenoisingUNet", "FeedForwardPrior", "ColorizationNetwork", "ConstantPhi"):
        assert name in repr(restorer)
    state = restorer.state_dict()
    assert {"prior.first.denoiser.", "prior.second.network."} <= {".".join(k.split(".")[:3]) + "." for k in state}
    assert not any(p.requires_grad for p in restorer.prior.parameters())


def test_noise_is_taken_for_as_much_as_one_says() -> None:
    x = torch.rand(1, 3, 32, 32) * 0.2 + 0.4
    y = x + 0.1 * torch.randn_like(x)
    shown = []

    class Shown(PrecomputedPrior):
        def propose(self, m: Measurement, **_: object) -> Projection:
            shown.append(m.noise.sigma.item())
            return Projection(m.y, {"sigma": m.noise.sigma})

    for strength in (0, 0.5, 1, 2):
        result = Restorer(Shown(x), ConstantPhi(0.5), strength=strength).restore(y, Denoising(0.1))
        assert result.provenance["sigma"] == [0.1]
        assert result.provenance.get("strength", 1) == strength
    assert shown == pytest.approx([0, 0.05, 0.1, 0.2])
    for strength in (-1, 2.5):
        with pytest.raises(SettingsError, match=r"strength is .*: expected 0 to 2"):
            Restorer(Shown(x), ConstantPhi(0.5), strength=strength)


def test_floats_on_another_scale_are_refused_whatever_holds_them() -> None:
    x = torch.rand(2, 3, 8, 9)
    restorer = Restorer(PrecomputedPrior(x), ConstantPhi(0.5))
    for peak in (255, 65535):
        with pytest.raises(ImageError, match=rf"measurement is float32 \(2, 3, 8, 9\) .*pass x / {peak}"):
            restorer.restore(x * peak, Denoising(0.1))
    assert restorer.restore(x + 0.3 * torch.randn_like(x), Denoising(0.1)).restored.shape == x.shape


def test_seeds_and_weights_of_what_is_made_up_that_say_nothing() -> None:
    x = torch.rand(1, 3, 8, 9)
    restorer = Restorer(PrecomputedPrior(x), ConstantPhi(0.5))
    for seed in (-1, 2**63):
        with pytest.raises(SettingsError, match=f"seed is {seed}"):
            restorer.restore(x, Denoising(0.1), seed=seed)
    for rho in (-1.0, float("inf"), float("nan")):
        with pytest.raises(SettingsError, match="rho is"):
            Restorer(PrecomputedPrior(x), ConstantPhi(0.5), rho=rho)
    mask = torch.ones(1, 1, 8, 9)
    mask[..., 3:5, 3:5] = 0
    with pytest.raises(SettingsError, match="phi is known in this inpainting, so rho says nothing"):
        Restorer(PrecomputedPrior(x), ConstantPhi(0.5), rho=0.1).restore(x, Inpainting(mask))


def test_whether_a_restorer_draws_is_its_priors_to_say() -> None:
    class Drawing(PrecomputedPrior):
        draws = True

    still, drawing = PrecomputedPrior(torch.rand(1, 3, 8, 9)), Drawing(torch.rand(1, 3, 8, 9))
    for prior, draws in ((still, False), (drawing, True), (Blend(still, still), False), (Blend(still, drawing), True)):
        assert Restorer(prior, ConstantPhi(0.5)).draws == draws


def test_what_is_lost_of_a_noisy_picture_is_made_up_and_the_parts_are_exact(restorer: Restorer) -> None:
    y, lost = torch.rand(1, 3, 21, 35), torch.rand(1, 3, 21, 35) < 0.05
    flaws = Flaws(lost=lost, bands=0.02 * torch.randn(1, 3, 21, 1).expand(1, 3, 21, 35))
    physics = Denoising(0.1, flaws=flaws)
    r = restorer.restore(y, physics)
    hole = lost.any(dim=1, keepdim=True).expand_as(y)
    assert torch.equal(r.restored, r.measured + r.hallucinated) and torch.equal(r.fidelity, physics.g_inv(y))
    assert (r.phi[hole[:, :1]] == 1).all() and torch.equal(r.restored[hole], r.prior[hole])
    assert torch.equal(r.measurement, y) and r.provenance["impulses"] > 0.05 and r.provenance["banding"] > 0
    other = restorer.restore(torch.where(lost, 1 - y, y), physics)
    assert torch.equal(other.restored, r.restored)  # what was measured there says nothing


def test_a_linear_picture_is_restored_linear() -> None:
    truth = torch.rand(1, 3, 16, 16)
    y = to_linear(truth)
    shown = PrecomputedPrior(truth)  # a prior knows pictures as screens show them
    for share, tolerance in ((0.0, 0.0), (1.0, 1e-5)):
        r = Restorer(shown, ConstantPhi(share)).restore(y, Denoising(0.1, flaws=Flaws(linear=True)))
        torch.testing.assert_close(r.restored, y, atol=tolerance, rtol=tolerance)
        torch.testing.assert_close(r.prior, y, atol=1e-5, rtol=1e-5)
        assert torch.equal(r.restored, r.measured + r.hallucinated) and r.provenance["linear"] is True
