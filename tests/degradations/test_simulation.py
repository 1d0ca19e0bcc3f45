"""Measurements that every method sees alike."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bigprior.degradations import DEGRADATIONS, OPERATORS, Inpainting, Jpeg
from bigprior.degradations.simulation import learning_protocols, noise_level, protocols, simulate, usual_protocols
from bigprior.errors import UnknownNameError
from bigprior.io.jpeg import read_jpeg, tables_of

NAMES = ["bedroom/000", "bedroom/001", "church/000"]
RANDOM = {"denoising", "denoising-25", "inpainting-boxes", "inpainting-strokes"}
every = pytest.mark.parametrize("protocol", sorted(protocols()))


@pytest.fixture
def truth() -> Tensor:
    return torch.rand(3, 3, 64, 64) * 0.9 + 0.1


@every
def test_a_picture_is_measured_alike_in_any_company(protocol: str, truth: Tensor) -> None:
    y, physics = simulate(protocol, truth, NAMES)
    for i, name in enumerate(NAMES):
        alone, own = simulate(protocol, truth[i : i + 1], [name])
        assert torch.equal(alone, y[i : i + 1])
        if isinstance(physics, Inpainting):
            assert torch.equal(own.mask, physics.mask[i : i + 1])
    backwards, _ = simulate(protocol, truth.flip(0), NAMES[::-1])
    assert torch.equal(backwards.flip(0), y)


@every
def test_a_simulation_does_not_touch_anybody_elses_random_numbers(protocol: str, truth: Tensor) -> None:
    torch.manual_seed(5)
    first, _ = simulate(protocol, truth, NAMES)
    number = torch.rand(())
    torch.manual_seed(6)
    second, _ = simulate(protocol, truth, NAMES)
    assert torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.rand(()) == number


@every
def test_draws_and_names_differ_where_there_is_chance(protocol: str, truth: Tensor) -> None:
    y, _ = simulate(protocol, truth, NAMES)
    other_draw, _ = simulate(protocol, truth, NAMES, draw=1)
    other_names, _ = simulate(protocol, truth, NAMES[1:] + NAMES[:1])
    assert torch.equal(y, other_draw) == (protocol not in RANDOM)
    assert torch.equal(y, other_names) == (protocol not in RANDOM)


@every
def test_the_degradation_is_registered_and_accepts_its_measurements(protocol: str, truth: Tensor) -> None:
    y, physics = simulate(protocol, truth, NAMES)
    assert DEGRADATIONS[physics.name] is type(physics)
    assert physics.check(y) is y
    assert physics.g_inv(y).shape == truth.shape


@every
def test_names_are_as_many_as_pictures(protocol: str, truth: Tensor) -> None:
    with pytest.raises(ValueError, match="zip"):
        simulate(protocol, truth, NAMES[:2])


def test_blind_noise_has_a_whole_sigma_of_5_to_50() -> None:
    names = [f"{i}" for i in range(400)]
    truth = torch.full((400, 3, 64, 64), 0.5)
    y, physics = simulate("denoising", truth, names)
    sigma = (y - truth).flatten(1).std(1) * 255
    off = (sigma - sigma.round()).abs() / sigma
    assert 4.7 < sigma.min() < 5.3  # both ends occur
    assert 50 < sigma.max() < 50.8
    assert off.max() < 4 / math.sqrt(2 * 3 * 64 * 64)  # four standard errors of a measured sigma
    small = sigma < 20  # there the error is well under a half: nearly all must be close to a whole number
    assert (sigma - sigma.round()).abs()[small].mean() < 0.12
    assert len(sigma.round().unique()) > 42
    assert y.min() < 0  # not clipped
    assert y.max() > 1
    assert physics.sigma is None  # blind: nobody is told
    assert sigma.tolist() == pytest.approx([noise_level("denoising", name) * 255 for name in names], rel=0.05)


def test_noise_of_25_says_so() -> None:
    truth = torch.zeros(1, 3, 256, 256)
    y, physics = simulate("denoising-25", truth, ["a"])
    assert y.std().item() * 255 == pytest.approx(25, rel=0.01)
    assert physics.sigma == pytest.approx(25 / 255)


def test_the_centre_hole_is_black_and_the_rest_untouched() -> None:
    truth = torch.rand(2, 3, 256, 256) * 0.9 + 0.1
    y, physics = simulate("inpainting-centre", truth, ["a", "b"])
    assert not y[:, :, 96:160, 96:160].any()
    y[:, :, 96:160, 96:160] = truth[:, :, 96:160, 96:160]
    assert torch.equal(y, truth)
    assert physics.mask.sum() == 2 * (256**2 - 64**2)


def test_boxes_differ_from_picture_to_picture(truth: Tensor) -> None:
    y, physics = simulate("inpainting-boxes", truth, NAMES)
    assert physics.mask.shape == (3, 1, 64, 64)
    assert not torch.equal(physics.mask[0], physics.mask[1])
    assert torch.equal(y, truth * physics.mask)


def test_a_protocol_without_noise_has_no_level() -> None:
    assert noise_level("denoising-25", "a") == 25 / 255
    for protocol in ("colorization", "inpainting-boxes", "blur"):
        with pytest.raises(UnknownNameError, match=r"noisy protocol .* denoising, denoising-25"):
            noise_level(protocol, "a")


def test_every_protocol_belongs_to_one_task(any_task: str) -> None:
    own = set(DEGRADATIONS[any_task].protocols)
    others = [set(physics.protocols) for name, physics in DEGRADATIONS.items() if name != any_task]
    assert own.isdisjoint(set().union(*others))
    assert own <= set(protocols())
    assert set(learning_protocols(any_task)) <= own


def test_networks_learn_from_the_protocols_that_are_meant_for_it() -> None:
    assert learning_protocols("denoising") == ("denoising",)  # not of one level alone
    assert learning_protocols("colorization") == ("colorization",)
    assert set(learning_protocols("inpainting")) == {"inpainting-boxes", "inpainting-centre"}
    with pytest.raises(UnknownNameError, match="deblurring"):
        learning_protocols("deblurring")


def test_an_unknown_protocol_is_told_the_known_ones(truth: Tensor) -> None:
    with pytest.raises(UnknownNameError, match="inpainting-boxes, inpainting-centre, inpainting-strokes"):
        simulate("inpainting", truth, NAMES)


OPERATORS_MEASURED = [(task, protocol) for task in OPERATORS for protocol in OPERATORS[task].protocols]


@pytest.mark.parametrize(("task", "protocol"), OPERATORS_MEASURED)
def test_what_weighs_by_itself_is_measured_to_be_calibrated(task: str, protocol: str) -> None:
    truth = torch.rand(1, 3, 64, 64)
    (y, physics), (again, _), (other, _) = (simulate(protocol, truth, [name]) for name in "aab")
    assert (torch.equal(y, again) and not torch.equal(y, other)) or protocol.startswith("stored")
    m = physics.measure(y)
    assert physics.name == task and m.size == (64, 64)
    assert 0 < float((m.fidelity - truth).abs().mean()) < 0.4
    assert {type(value) for value in physics.scope().values()} <= {int, float, str}
    assert protocol in usual_protocols(task) and protocol not in protocols()


def test_a_jpeg_that_was_simulated_is_that_of_a_file(tmp_path: Path) -> None:
    pytest.importorskip("jpeglib")
    from bigprior.io.arrays import to_pil

    smooth = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5), size=(32, 48), mode="bicubic").clamp(0.1, 0.9)
    to_pil(smooth).save(tmp_path / "x.jpg", "JPEG", quality=30)
    y, physics = Jpeg.of_stored(read_jpeg(tmp_path / "x.jpg"))
    assert torch.equal(physics.tables, torch.from_numpy(tables_of(30)))
    made = Jpeg(torch.from_numpy(tables_of(30)), [(2, 2), (1, 1), (1, 1)], (32, 48))
    assert float((made.f((smooth * 255).round() / 255) != y).float().mean()) < 0.02
