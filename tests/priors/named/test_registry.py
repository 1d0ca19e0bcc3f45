"""Every prior that has a name: it serves its tasks, in any size, and refuses the others by name."""

import pytest
import torch
from torch import Tensor

import bigprior
from bigprior.degradations import DEGRADATIONS
from bigprior.errors import SettingsError
from bigprior.presets.loading import load_restorer
from bigprior.priors.named import PRIORS
from bigprior.registry import missing

#: So few steps that a test takes a blink.
STEPS = 2


def restorer_of(name: str, task: str) -> bigprior.Restorer:
    prior = PRIORS[name]
    if (why := missing(prior.package)) is not None:
        pytest.skip(f"{name} {why}")
    return load_restorer(task=task, prior=name, steps=STEPS if prior.iterates else None)


@pytest.fixture
def soft(measure):  # type: ignore[no-untyped-def]
    """``soft(task, height, width)``: a measurement of a smooth picture, with noise where the task has noise."""

    def make(task: str, height: int, width: int) -> tuple[Tensor, Tensor, bigprior.Degradation]:
        _, physics = measure(task, 1, height, width)
        rows, columns = torch.linspace(0, 3, height)[:, None], torch.linspace(0, 2, width)
        truth = torch.stack([0.5 + 0.3 * torch.sin(rows + k * columns) for k in (1, 2, 3)])[None]
        if not physics.noisy:
            return physics.f(truth), truth, physics
        return truth + 0.1 * torch.randn(truth.shape), truth, physics.with_sigma(0.1)

    return make


@pytest.mark.parametrize("name", list(PRIORS))
def test_it_restores_what_it_serves_and_refuses_the_rest(name: str, our_task: str, soft) -> None:  # type: ignore[no-untyped-def]
    prior, physics = PRIORS[name], DEGRADATIONS[our_task]
    if our_task not in prior.tasks:
        with pytest.raises(SettingsError, match=f"{name} .*: it cannot {physics.verb}; those that can are "):
            load_restorer(task=our_task, prior=name)
        return
    y, truth, known = soft(our_task, 21, 26)
    result = restorer_of(name, our_task).restore(y, known)
    assert torch.equal(result.measured + result.hallucinated, result.restored)
    assert result.phi.min() >= 0 and result.phi.max() <= 1
    assert result.provenance["prior"] == {"name": name, "source": prior.source}
    if known.noisy and not prior.iterates:
        before, after = ((x - truth).square().mean() for x in (y, result.restored))
        assert after < 0.6 * before
    if (hole := known.measure(y).hole) is not None:
        assert torch.equal(result.restored[hole.expand(-1, 3, -1, -1) == 0], y[hole.expand(-1, 3, -1, -1) == 0])


@pytest.mark.parametrize("name", list(PRIORS))
def test_any_size_is_the_same_to_it(name: str, soft) -> None:  # type: ignore[no-untyped-def]
    task = PRIORS[name].tasks[-1]
    for size in ((1, 2), (3, 9)):
        y, _, known = soft(task, *size)
        assert restorer_of(name, task).restore(y, known).restored.shape[2:] == size


@pytest.mark.parametrize("name", list(PRIORS))
def test_it_says_where_it_is_from(name: str) -> None:
    prior = PRIORS[name]
    assert prior.source and prior.equation and prior.does and prior.tasks


def test_a_grey_picture_stays_grey_and_its_noise_is_that_of_a_channel(soft) -> None:  # type: ignore[no-untyped-def]
    y, truth, known = soft("denoising", 24, 24)
    grey = (truth[:, :1] + (y - truth)[:, :1]).expand(-1, 3, -1, -1)
    result = restorer_of("nlm", "denoising").restore(grey, known)
    assert torch.equal(result.restored, result.restored[:, :1].expand(-1, 3, -1, -1))


def test_blind_noise_is_found_for_them(soft) -> None:  # type: ignore[no-untyped-def]
    y, _, known = soft("denoising", 48, 48)
    result = restorer_of("nlm", "denoising").restore(y, known.blind())
    assert result.provenance["noise"] == "found"
    assert result.provenance["sigma"][0] == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prior": "gaussian-map", "rho": 1e-3}, "rho says nothing to the constant network"),
        ({"prior": "gaussian-map", "frame": "wavelet"}, "leave phi and frame out"),
        ({"prior": "nlm", "steps": 3}, "leave --steps out"),
        ({"prior": "nlm", "name": "rooms"}, "takes the place of the preset"),
        (
            {"prior": "no-such-prior"},
            "no model file no-such-prior, and no prior of that name",
        ),
    ],
)
def test_what_says_nothing_to_them_is_refused(options: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(bigprior.BigpriorError, match=said):
        load_restorer(task="denoising", **options)
