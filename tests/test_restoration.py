"""The paper's equation, and what a restoration says of itself."""

import dataclasses

import deepinv as dinv
import pytest
import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, Denoising, Inpainting
from bigprior.errors import ImageError, MaskError, SettingsError
from bigprior.fusion import fuse
from bigprior.networks.generators import PGGAN
from bigprior.ops.colour import is_grey
from bigprior.phi import ConstantPhi, UNetPhi
from bigprior.priors.anysize import AnySize
from bigprior.priors.gan import GANPrior, InversionSettings
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.restoration import Restorer


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
    class Never(torch.nn.Module):
        def forward(self, fidelity: Tensor, prior: Tensor) -> Tensor:
            raise AssertionError("phi is known")

    mask = (torch.rand(2, 1, 9, 9) > 0.5).float()
    prior = torch.rand(2, 3, 9, 9)
    y = Inpainting(mask).f(torch.rand(2, 3, 9, 9))
    r = Restorer(PrecomputedPrior(prior), Never()).restore(y, Inpainting(mask))
    assert torch.equal(r.phi, 1 - mask)
    assert torch.equal(r.restored, torch.where(mask.bool().expand_as(y), y, prior))
    # A network for another task is no reason to refuse, either.
    r = Restorer(PrecomputedPrior(prior), {"denoising": Never()}).restore(y, Inpainting(mask))
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


def test_a_network_for_each_task(any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    shares = {name: ConstantPhi((i + 1) / 10) for i, name in enumerate(sorted(DEGRADATIONS))}
    _, physics = measure(any_task, 1)
    physics = Inpainting() if isinstance(physics, Inpainting) else physics
    y = torch.rand(1, physics.channels, 8, 8)
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), dict(shares))
    assert restorer.restore(y, physics).mean_phi == pytest.approx(shares[any_task].value)


def test_what_moves_it_moves_its_prior(restorer: Restorer) -> None:
    assert restorer.to("meta") is restorer
    inner = restorer.prior.prior  # type: ignore[attr-defined]
    assert {p.device.type for p in inner.generator.parameters()} == {"meta"}
    Restorer(PrecomputedPrior(torch.rand(1, 3, 4, 4)), ConstantPhi()).to("meta")  # nothing to move


def test_a_task_without_a_network_is_told_the_ones_there_are() -> None:
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), {"colorization": ConstantPhi()})
    with pytest.raises(SettingsError, match="no phi network for denoising: this restorer has colorization"):
        restorer.restore(torch.rand(1, 3, 8, 8), Denoising())


def test_networks_are_in_evaluation_and_part_of_the_module() -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3)).train()
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 8, 8)), network)
    assert not network.training
    assert "phi.0.weight" in restorer.state_dict()


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


@pytest.mark.parametrize(("n", "size"), [(1, "7x5"), (3, "3x 7x5")])
def test_its_repr_says_something(n: int, size: str) -> None:
    r = Restorer(PrecomputedPrior(torch.rand(n, 3, 5, 7)), ConstantPhi(0.31)).restore(
        torch.rand(n, 3, 5, 7), Denoising()
    )
    assert repr(r) == f"<Restoration {size} denoising, mean phi 0.31, 31% of the variance made up>"


def test_each_picture_of_a_batch_is_a_restoration(restorer: Restorer, any_task: str, measure) -> None:  # type: ignore[no-untyped-def]
    y, physics = measure(any_task, 3, 16, 16)
    r = restorer.restore(y, physics)
    assert len(r) == 3
    for i, one in enumerate(r):
        assert len(one) == 1 and torch.equal(one.restored, r.restored[i : i + 1])
        assert torch.equal(one.measured + one.hallucinated, one.restored)
        assert torch.equal(one.bands[0], r.bands[0][i : i + 1]) and one.mean_share == pytest.approx(float(r.share[i]))
        assert one.projection.history.shape[1] == 1 and len(one.projection.codes["z"]) == 1
    assert torch.equal(r[-1].restored, r.restored[2:])
    with pytest.raises(IndexError):
        r[3]


def test_a_restoration_is_frozen() -> None:
    r = Restorer(PrecomputedPrior(torch.rand(1, 3, 5, 7)), ConstantPhi()).restore(torch.rand(1, 3, 5, 7), Denoising())
    with pytest.raises(dataclasses.FrozenInstanceError):
        r.task = "other"  # type: ignore[misc]


def test_what_is_no_measurement_is_refused(restorer: Restorer) -> None:
    with pytest.raises(ImageError, match="denoising takes"):
        restorer.restore(torch.rand(1, 1, 16, 16), Denoising())
    with pytest.raises(MaskError, match="mask is 4x4 but the image is 16x16"):
        restorer.restore(torch.rand(1, 3, 16, 16), Inpainting(torch.eye(4)[None, None]))


def test_progress_is_reported(restorer: Restorer) -> None:
    calls: list[tuple[int, int]] = []
    restorer.restore(torch.rand(1, 3, 16, 16), Denoising(), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (3, 3)
